"""One API server over HTTP. The only package that imports aiohttp."""

"""One API server over HTTP, and the lines of loaders. The only package that imports aiohttp."""

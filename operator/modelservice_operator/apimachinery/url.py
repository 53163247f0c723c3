"""Parts of URLs."""


def url_host(host: str) -> str:
    """Return a name or an address as the host of a URL: an IPv6 address stands in brackets (RFC 3986, 3.2.2)."""
    return f"[{host}]" if ":" in host else host

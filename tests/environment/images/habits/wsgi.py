"""The application of gunicorn and uWSGI."""

from collections.abc import Callable, Iterable
from typing import Any


def app(_environment: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer a request (WSGI, PEP 3333)."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ok\n"]

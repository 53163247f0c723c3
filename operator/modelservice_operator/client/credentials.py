"""Address of the API server, and the identity of the operator."""

import ssl
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Credentials:
    """Address, trust and token for one API server. `token` is never part of a log line or a traceback."""

    server: str
    tls: ssl.SSLContext | None
    token: str | None

    def __repr__(self) -> str:
        return f"Credentials(server={self.server!r})"

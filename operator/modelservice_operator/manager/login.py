"""The operator's credentials in the form that kopf needs."""

import ssl
from dataclasses import dataclass

import kopf

from modelservice_operator.client.credentials import Credentials


@dataclass(frozen=True)
class KopfConnection(kopf.ConnectionInfo):
    """The operator's credentials, for kopf's discovery at the start."""

    tls: ssl.SSLContext | None = None
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, credentials: Credentials) -> "KopfConnection":
        """Return the same server, certificates, headers and proxy."""
        return cls(
            server=credentials.server,
            proxy_url=credentials.proxy,
            tls=credentials.tls,
            headers=credentials.auth_headers(),
        )

    def as_ssl_context(self) -> ssl.SSLContext:
        """Return the TLS context; kopf asks for one also if the server is http."""
        return self.tls or ssl.create_default_context()

    def as_http_headers(self) -> dict[str, str]:
        """Return the headers of each request."""
        return dict(self.headers)

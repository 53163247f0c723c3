"""TLS contexts from certificates in memory. The same certificates and key yield the same context."""

import ssl
import tempfile
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from modelservice_operator.errors import CredentialsError

_MAX_CONTEXTS = 4


@dataclass(frozen=True, slots=True)
class TLSMaterial:
    """Everything that a TLS connection to the API server depends on. Certificates and keys are PEM."""

    authorities: bytes | None = None
    """Certificates to trust; None trusts those of the system."""
    certificate: bytes | None = None
    """Client certificate, with intermediate ones; None for none."""
    key: bytes | None = field(default=None, repr=False)
    server_name: str | None = None
    """Name in the server's certificate, if it is not that of the URL."""
    insecure: bool = False
    """Accept any certificate of the server."""


class _ClientContext(ssl.SSLContext):
    """A context that can require another server name than that of the URL (`tls-server-name` of a kubeconfig)."""

    server_name: str | None = None

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,  # noqa: FBT001, FBT002 - signature of the standard library
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Begin TLS for one connection."""
        return super().wrap_bio(incoming, outgoing, server_side, self.server_name or server_hostname, session)


@lru_cache(maxsize=_MAX_CONTEXTS)
def build_ssl_context(material: TLSMaterial) -> ssl.SSLContext:
    """Return the context for `material`. Raises CredentialsError if a certificate or the key is damaged."""
    context = _ClientContext(ssl.PROTOCOL_TLS_CLIENT)
    context.server_name = material.server_name
    try:
        _trust(context, material.authorities)
        _identify(context, material.certificate, material.key)
    except (ssl.SSLError, ValueError) as error:
        raise CredentialsError(f"A certificate or key is damaged, or they do not match: {error}") from error
    if material.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _trust(context: ssl.SSLContext, authorities: bytes | None) -> None:
    if authorities is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(cadata=authorities.decode("ascii"))


def _identify(context: ssl.SSLContext, certificate: bytes | None, key: bytes | None) -> None:
    """Load a client certificate. The standard library reads it from files only."""
    if certificate is None or key is None:
        return
    with tempfile.TemporaryDirectory() as directory:
        paths = Path(directory, "tls.crt"), Path(directory, "tls.key")
        for path, content in zip(paths, (certificate, key), strict=True):
            path.touch(mode=0o600)
            path.write_bytes(content)
        # An encrypted key would ask for its password on the terminal.
        context.load_cert_chain(*paths, password="")

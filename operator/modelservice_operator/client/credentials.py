"""Address of the API server and identity of the operator, and their renewal while the operator runs."""

import asyncio
import logging
import ssl
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass, field

from modelservice_operator.apimachinery.clock import SYSTEM_CLOCK, Clock
from modelservice_operator.errors import CredentialsError

logger = logging.getLogger(__name__)

REFRESH_INTERVAL = 60.0
"""Seconds after which credentials are read again: projected tokens rotate (KEP-1205), as do certificates."""
MIN_REFRESH_INTERVAL = 1.0
"""Minimum seconds between two reads, however many requests fail."""


def _ignore() -> None:
    """Discard nothing: the credentials are read again at each load."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Address, trust and identity for one API server. Secrets are never part of a log line or a traceback."""

    server: str
    tls: ssl.SSLContext | None = field(repr=False)
    """The same object as long as the certificates and the key are the same; None for http."""
    token: str | None = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Headers of each request: impersonation, basic authentication."""
    proxy: str | None = field(default=None, repr=False)
    """URL of an HTTP proxy; it may contain a password."""
    discard: Callable[[], None] = field(default=_ignore, repr=False, compare=False)
    """Called when the API server rejects these credentials: a later load must not return them from a cache."""

    def __post_init__(self) -> None:
        """Raise CredentialsError for values that cannot be sent: those of a damaged file."""
        if not all(value.isascii() and value.isprintable() for _, value in self.auth_headers()):
            raise CredentialsError("A token or name in the credentials has characters that no header can have.")

    def auth_headers(self) -> tuple[tuple[str, str], ...]:
        """Return the headers that identify the operator."""
        return self.headers if self.token is None else (*self.headers, ("Authorization", f"Bearer {self.token}"))

    def uses_connections_of(self, other: "Credentials") -> bool:
        """Return True if connections that were opened with `other` can send requests with these credentials."""
        return self.tls is other.tls and self.proxy == other.proxy


class CredentialsRefresher:
    """Reads credentials again in the background, and keeps those in use while new ones cannot be read.

    No request waits for it: a kubeconfig may be half-written, an exec plugin slow, and the old credentials still valid.
    """

    def __init__(
        self,
        load: Callable[[], Credentials],
        *,
        on_change: Callable[[Credentials], None],
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """`load` runs in a thread and may block. `on_change` gets the new credentials; it is called in the loop.

        Raises what `load` raises: the first credentials must be valid.
        """
        self.current = load()
        self._load = load
        self._on_change = on_change
        self._clock = clock
        self._refreshed_at = clock.monotonic()
        self._task: asyncio.Task[None] | None = None
        self._last_error = ""

    def refresh_if_due(self) -> None:
        """Start to read the credentials if they were read long ago."""
        self._start_after(REFRESH_INTERVAL)

    def on_connection_failure(self) -> None:
        """Start to read the credentials: the address or the certificates may have changed."""
        self._start_after(MIN_REFRESH_INTERVAL)

    def on_unauthorized(self, rejected: Credentials) -> None:
        """Start to read the credentials because the API server has rejected some."""
        if rejected is self.current:
            rejected.discard()
        self._start_after(MIN_REFRESH_INTERVAL)

    async def close(self) -> None:
        """Stop reading."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def _start_after(self, seconds: float) -> None:
        is_running = self._task is not None and not self._task.done()
        if not is_running and self._clock.monotonic() - self._refreshed_at >= seconds:
            # In a separate context: the request that happens to start it is about some object.
            self._task = asyncio.create_task(self._refresh(), name="credentials", context=Context())

    async def _refresh(self) -> None:
        try:
            self._replace(await asyncio.to_thread(self._load))
        except (CredentialsError, OSError) as error:
            # Once: a damaged file stays damaged until it is written again.
            level = logging.DEBUG if str(error) == self._last_error else logging.WARNING
            logger.log(level, "Failed to read credentials; those in use are kept: %s", error)
            self._last_error = str(error)
        except Exception:
            logger.exception("Failed to read credentials; those in use are kept")
        finally:
            self._refreshed_at = self._clock.monotonic()

    def _replace(self, loaded: Credentials) -> None:
        self._last_error = ""
        if loaded == self.current:
            return
        if not loaded.uses_connections_of(self.current):
            logger.info("Certificates or proxy changed; opening new connections")
        self.current = loaded
        self._on_change(loaded)

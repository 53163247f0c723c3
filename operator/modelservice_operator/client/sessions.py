"""HTTP sessions to one API server. New certificates need new ones; requests in flight end on the old ones."""

import asyncio
from typing import Self

import aiohttp

from modelservice_operator.client.credentials import Credentials
from modelservice_operator.client.keepalive import keepalive_socket
from modelservice_operator.settings import Settings

LEASE_CONNECTIONS = 1
REVIEW_CONNECTIONS = 2
"""Maximum of reviews at a time."""
RESERVED_CONNECTIONS = LEASE_CONNECTIONS + REVIEW_CONNECTIONS
"""Connections in addition to those that requests share, for requests that bypass the limit."""


class Sessions:
    """A session for requests and one for watches, which need a connection each. Create it in the event loop."""

    def __init__(self, credentials: Credentials, settings: Settings) -> None:
        self.requests = _session(credentials, settings, limit=settings.workers + RESERVED_CONNECTIONS)
        self.watches = _session(credentials, settings, limit=0)
        self._users = 0
        self._unused = asyncio.Event()
        self._unused.set()

    def __enter__(self) -> Self:
        """Keep the sessions open for the length of a `with` block."""
        self._users += 1
        self._unused.clear()
        return self

    def __exit__(self, *_: object) -> None:
        self._users -= 1
        if self._users == 0:
            self._unused.set()

    async def retire(self) -> None:
        """Close the sessions once nothing uses them: a watch until its end, at most some minutes."""
        await self._unused.wait()
        await self.close()

    async def close(self) -> None:
        """Close the sessions, and break what is in flight."""
        await self.requests.close()
        await self.watches.close()


def _session(credentials: Credentials, settings: Settings, *, limit: int) -> aiohttp.ClientSession:
    timeout = aiohttp.ClientTimeout(total=settings.request_timeout, sock_connect=settings.connect_timeout)
    connector = aiohttp.TCPConnector(limit=limit, ssl=credentials.tls or True, socket_factory=keepalive_socket)
    # Without cookies, and without compression: inside a cluster it costs both sides more than the network.
    return aiohttp.ClientSession(
        connector=connector,
        timeout=timeout,
        trust_env=False,
        proxy=credentials.proxy,
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("Accept-Encoding",),
    )

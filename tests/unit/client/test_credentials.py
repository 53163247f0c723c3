"""Credentials change while the operator runs: requests continue, with the old ones until new ones are valid."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import yaml

from modelservice_operator.client.credentials import REFRESH_INTERVAL, Credentials
from modelservice_operator.client.kubeconfig import KubeconfigLoader
from modelservice_operator.client.rest import RestClient
from modelservice_operator.client.sessions import Sessions
from modelservice_operator.errors import UnauthorizedError, UnreachableError
from modelservice_operator.settings import Settings
from tests.environment.cluster import pki
from tests.environment.faults.lab import eventually
from tests.support.clock import ManualClock

HOST = "127.0.0.1"
OK, UNAUTHORIZED = b"200 OK", b"401 Unauthorized"


class Server:
    """An API server with TLS whose certificate, trust and accepted tokens can be changed."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.accepted = "first"
        self.bearers: list[str] = []
        self.connections = 0
        self.port = 0
        self.writers: list[asyncio.StreamWriter] = []
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.rotate(pki.Authority.create("first"))

    def rotate(self, authority: pki.Authority, *, names: tuple[str, ...] = (HOST,)) -> None:
        """Present a certificate of this authority to new connections."""
        authority.issue("server", names=names).write(self.directory, "server")
        self.authority = authority
        self.context.load_cert_chain(self.directory / "server.crt", self.directory / "server.key")

    def cut(self) -> None:
        """Break all connections."""
        for writer in self.writers:
            writer.transport.abort()

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._serve, HOST, 0, ssl=self.context)
        async with server:
            self.port = server.sockets[0].getsockname()[1]
            yield

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while request := await reader.readuntil(b"\r\n\r\n"):
                bearer = request.partition(b"Bearer ")[2].partition(b"\r\n")[0].decode()
                self.bearers.append(bearer)
                answer = OK if bearer == self.accepted else UNAUTHORIZED
                writer.write(b"HTTP/1.1 " + answer + b"\r\nContent-Length: 2\r\n\r\n{}")
                await writer.drain()
        writer.close()


class Operator:
    """A client with a kubeconfig that can be rewritten."""

    def __init__(self, directory: Path, server: Server) -> None:
        self.path = directory / "config"
        self.authorities = directory / "ca.crt"
        self.clock = ManualClock()
        self.server = server
        self.trust(server.authority)
        self.write("first")
        self.client = RestClient(KubeconfigLoader([self.path]), Settings(), clock=self.clock)

    def trust(self, authority: pki.Authority) -> None:
        self.authorities.write_bytes(authority.pair.certificate)

    def write(self, bearer: str, **cluster: str) -> None:
        entry = {"server": f"https://{HOST}:{self.server.port}", "certificate-authority": "ca.crt", **cluster}
        config = {
            "clusters": [{"name": "c", "cluster": entry}],
            "users": [{"name": "u", "user": {"token": bearer}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        self.path.write_text(yaml.safe_dump(config))

    @property
    def server_name(self) -> str | None:
        return getattr(self.client.credentials.tls, "server_name", None)

    async def request(self) -> None:
        await self.client.request("GET", "/version")

    async def succeeds(self) -> None:
        """Retry a request, as every caller does, until it succeeds."""
        async with asyncio.timeout(10):
            while True:
                with suppress(UnreachableError, UnauthorizedError):
                    return await self.request()
                self.clock.seconds += 1
                await asyncio.sleep(0.01)

    async def refreshed(self, is_done: Callable[[], bool]) -> None:
        """Send a request after the interval, and wait for what the refresh in the background changes."""
        self.clock.seconds += REFRESH_INTERVAL
        await self.request()
        assert await eventually(is_done, seconds=10, pause=0.01)


@pytest.fixture
async def operator(tmp_path: Path) -> AsyncIterator[Operator]:
    server = Server(tmp_path)
    async with server.listen():
        operator = Operator(tmp_path, server)
        async with operator.client:
            await operator.request()
            yield operator


async def test_rotated_token_is_used_without_a_new_connection(operator: Operator) -> None:
    operator.write("second")
    await operator.refreshed(lambda: ("Authorization", "Bearer second") in operator.client.credentials.auth_headers())
    operator.server.accepted = "second"
    await operator.request()
    assert operator.server.bearers == ["first", "first", "second"]
    assert operator.server.connections == 1


async def test_rejected_token_is_read_again(operator: Operator) -> None:
    operator.server.accepted = "second"
    with pytest.raises(UnauthorizedError):
        await operator.request()
    operator.write("second")
    await operator.succeeds()


async def test_rotated_authority_is_trusted_once_a_connection_fails(operator: Operator) -> None:
    """The server presents a new certificate before the file with its authority is replaced."""
    operator.server.cut()
    operator.server.rotate(pki.Authority.create("second"))
    with pytest.raises(UnreachableError, match="CERTIFICATE_VERIFY_FAILED"):
        await operator.request()
    operator.trust(operator.server.authority)
    await operator.succeeds()


async def test_rotated_authority_is_trusted_before_the_server_uses_it(operator: Operator) -> None:
    old, authority = operator.client.credentials, pki.Authority.create("second")
    operator.trust(authority)
    operator.server.rotate(authority)
    await operator.refreshed(lambda: operator.client.credentials is not old)
    await operator.request()
    assert operator.server.connections == 2


def is_closed(sessions: Sessions) -> bool:
    return sessions.requests.closed and sessions.watches.closed


async def test_retired_sessions_stay_open_for_requests_in_flight() -> None:
    sessions, release = Sessions(Credentials("http://h", None, None), Settings()), asyncio.Event()

    async def use() -> None:
        with sessions:
            await release.wait()

    user = asyncio.create_task(use())
    await asyncio.sleep(0)
    retiring = asyncio.create_task(sessions.retire())
    await asyncio.sleep(0.01)
    before = is_closed(sessions)
    release.set()
    await asyncio.gather(user, retiring)
    assert (before, is_closed(sessions)) == (False, True)


@pytest.mark.parametrize("damage", ["truncated", "empty", "missing", "without the authority"])
async def test_damaged_kubeconfig_keeps_the_credentials_in_use(
    operator: Operator, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    text = operator.path.read_text()
    match damage:
        case "truncated":
            operator.path.write_text(text[: len(text) // 2] + "\t- [")
        case "empty":
            operator.path.write_text("")
        case "missing":
            operator.path.unlink()
        case _:
            operator.authorities.unlink()
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            await operator.refreshed(lambda: bool(caplog.records))
            await asyncio.sleep(0.05)
    [record] = caplog.records
    assert "those in use are kept" in record.getMessage()
    assert "first" not in caplog.text
    operator.trust(operator.server.authority)
    operator.write("second")
    operator.server.accepted = "second"
    await operator.succeeds()


async def test_moved_server_is_found(operator: Operator) -> None:
    """A half-written address, or a new one, is read again as soon as a connection fails."""
    operator.write("first", server=f"https://{HOST}:1")
    await operator.refreshed(lambda: operator.client.credentials.server.endswith(":1"))
    with pytest.raises(UnreachableError):
        await operator.request()
    operator.write("first")
    await operator.succeeds()


async def test_server_name_of_the_kubeconfig_is_verified(operator: Operator) -> None:
    operator.server.rotate(operator.server.authority, names=("api.internal",))
    operator.write("first", **{"tls-server-name": "api.internal"})
    await operator.refreshed(lambda: operator.server_name == "api.internal")
    await operator.request()
    operator.write("first", **{"tls-server-name": "other.internal"})
    await operator.refreshed(lambda: operator.server_name == "other.internal")
    with pytest.raises(UnreachableError, match="CERTIFICATE_VERIFY_FAILED"):
        await operator.request()


def test_credentials_have_no_secret_in_their_repr() -> None:
    header = ("Authorization", "Basic secret")
    text = repr(Credentials("https://h", None, "secret", (header,), "http://me:secret@proxy"))
    assert text == "Credentials(server='https://h')"

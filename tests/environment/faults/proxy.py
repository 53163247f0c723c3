"""A TLS proxy between an operator and its API server: it numbers every request and lets rules act on it.

It has a separate certificate authority, and forwards the operator's own credentials. A request that the operator sent
before it ended is in the network already, so it is forwarded all the same. Watches pass through unbuffered.
"""

import asyncio
import json
import socket
import ssl
import struct
import tempfile
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
import yarl
from aiohttp import web

from tests.environment.cluster import pki
from tests.environment.faults.calls import classify
from tests.environment.faults.rules import Answer, Cut, Exchange, Fate, Lines, Moment, Rule, RuleBook, act
from tests.environment.faults.streams import filtered

HOST = "127.0.0.1"
READ_DELAY = 0.02
"""Seconds after an answer was sent until an operator on the same machine has read it."""
_BAD_GATEWAY = 502
# Hop by hop (RFC 9110, section 7.6.1), or set again when the body is forwarded.
_NOT_FORWARDED = frozenset(
    {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "host", "content-length"}
    | {"accept-encoding"}  # so that bodies can be read
)


class FaultProxy:
    """Use as an async context manager; `exchanges` holds every request so far, `rules` what is to happen."""

    def __init__(self, upstream: str, upstream_tls: ssl.SSLContext | bool = True) -> None:  # noqa: FBT001, FBT002 - aiohttp's own type
        self.rules = RuleBook()
        self.exchanges: list[Exchange] = []
        self.url = ""
        self.authority = pki.Authority.create("fault-proxy-authority")
        self._tls = self._server_tls()
        self._upstream = upstream
        self._upstream_tls = upstream_tls
        self._under_way: set[asyncio.Task[Fate]] = set()
        self._session: aiohttp.ClientSession | None = None
        self._runner: web.ServerRunner | None = None
        self._server = web.Server(self._handle, handler_cancellation=True, access_log=None)
        self._site: web.TCPSite | None = None
        self._streams: set[asyncio.Transport] = set()

    @classmethod
    def before(cls, kubeconfig: Path) -> Self:
        """Return a proxy before the API server of a kubeconfig."""
        cluster = json.loads(kubeconfig.read_text(encoding="utf-8"))["clusters"][0]["cluster"]
        authority = b64decode(cluster["certificate-authority-data"]).decode()
        return cls(cluster["server"], ssl.create_default_context(cadata=authority))

    @property
    def is_busy(self) -> bool:
        """Return True while a response of the API server is outstanding."""
        return bool(self._under_way)

    def kubeconfig(self, original: Path, path: Path) -> Path:
        """Write a kubeconfig with the same user, that leads here."""
        user = json.loads(original.read_text(encoding="utf-8"))["users"][0]["user"]
        pki.write_private(path, pki.kubeconfig(self.url, self.authority.pair.certificate, user).encode())
        return path

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=0, ssl=self._upstream_tls)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
        self._session = aiohttp.ClientSession(
            connector=connector, timeout=timeout, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
        )
        self._runner = web.ServerRunner(self._server, shutdown_timeout=1)
        await self._runner.setup()
        self._site = await self._listen(0)
        self.url = f"https://{HOST}:{self._runner.addresses[0][1]}"
        return self

    async def _listen(self, port: int) -> web.TCPSite:
        if self._runner is None:
            raise RuntimeError("The proxy is used outside of its context.")
        site = web.TCPSite(self._runner, HOST, port, ssl_context=self._tls)
        await site.start()
        return site

    @asynccontextmanager
    async def down(self) -> AsyncIterator[None]:
        """Refuse connections for the length of a `with` block, and break open ones, as if no server were there."""
        if self._site is None:
            raise RuntimeError("The proxy is used outside of its context.")
        await self._site.stop()
        for connection in self._server.connections:
            if connection.transport is not None:
                connection.transport.abort()
        try:
            yield
        finally:
            self._site = await self._listen(int(self.url.rpartition(":")[2]))

    def break_streams(self) -> None:
        """Break every watch that is open."""
        for transport in self._streams:
            transport.abort()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=10)
        if self._session is not None:
            await self._session.close()

    def _server_tls(self) -> ssl.SSLContext:
        pair = self.authority.issue("fault-proxy", names=(HOST,))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        # The standard library reads a certificate from a file only.
        with tempfile.NamedTemporaryFile(suffix=".pem") as file:
            file.write(pair.certificate + pair.key)
            file.flush()
            context.load_cert_chain(file.name)
        return context

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        exchange = await self._received(request)
        rules = self.rules.hit(exchange.call)
        if exchange.call.verb == "watch":
            return await self._stream(request, exchange, rules)
        task = asyncio.create_task(self._decide(exchange, rules))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        fate = await asyncio.shield(task)
        if not isinstance(fate, Answer):
            return _cut(request, fate or Cut.CLOSE)
        return await self._reply(request, exchange, rules, fate)

    async def _received(self, request: web.BaseRequest) -> Exchange:
        body = await request.read()
        exchange = Exchange(
            number=len(self.exchanges) + 1,
            method=request.method,
            target=request.raw_path,
            call=classify(request.method, request.rel_url.raw_path, request.query, body),
            headers=_passed_on(request.headers) | {"Accept-Encoding": "identity"},
            body=body,
            received=asyncio.get_running_loop().time(),
        )
        self.exchanges.append(exchange)
        return exchange

    async def _decide(self, exchange: Exchange, rules: list[Rule]) -> Fate:
        """Forward, with what happens before and after; the result is what the operator gets."""
        if (fate := await act(rules, Moment.BEFORE, exchange)) is not None:
            return fate
        try:
            async with self._forward(exchange) as response:
                exchange.answer = Answer(response.status, await response.read(), _passed_on(response.headers))
        except aiohttp.ClientError:
            return Cut.CLOSE
        fate = await act(rules, Moment.COMMITTED, exchange)
        return exchange.answer if fate is None else fate

    async def _reply(
        self, request: web.BaseRequest, exchange: Exchange, rules: list[Rule], answer: Answer
    ) -> web.StreamResponse:
        response = web.Response(status=answer.status, body=answer.body, headers=dict(answer.headers))
        await response.prepare(request)
        await response.write_eof()
        if any(rule.moment is Moment.AFTER for rule in rules):
            await asyncio.sleep(READ_DELAY)
            if isinstance(fate := await act(rules, Moment.AFTER, exchange), Cut):
                return _cut(request, fate)
        return response

    async def _stream(self, request: web.BaseRequest, exchange: Exchange, rules: list[Rule]) -> web.StreamResponse:
        """Pass a watch through. An action may keep it from being opened, a filter change what it says."""
        filters = self.rules.filters(exchange.call)
        if (fate := await act(rules, Moment.BEFORE, exchange)) is not None:
            return _cut(request, fate) if isinstance(fate, Cut) else _whole(fate)
        try:
            async with self._forward(exchange) as upstream:
                exchange.answer = Answer(upstream.status, b"", _passed_on(upstream.headers))
                if isinstance(fate := await act(rules, Moment.COMMITTED, exchange), Cut):
                    return _cut(request, fate)
                response = web.StreamResponse(status=upstream.status, headers=dict(exchange.answer.headers))
                await response.prepare(request)
                with self._breakable(request):
                    await _pass(filtered(_chunks(upstream), filters), response)
        except aiohttp.ClientError:
            return _cut(request, Cut.CLOSE)
        return response

    @contextmanager
    def _breakable(self, request: web.BaseRequest) -> Iterator[None]:
        transport = request.transport
        if transport is None:
            return
        self._streams.add(transport)
        try:
            yield
        finally:
            self._streams.discard(transport)

    def _forward(self, exchange: Exchange) -> "aiohttp.client._RequestContextManager":
        if self._session is None:
            raise RuntimeError("The proxy is used outside of its context.")
        return self._session.request(
            exchange.method,
            yarl.URL(self._upstream + exchange.target, encoded=True),
            data=exchange.body or None,
            headers=exchange.headers,
            allow_redirects=False,
            skip_auto_headers=("Content-Type", "User-Agent", "Accept"),
        )


async def _pass(lines: Lines, response: web.StreamResponse) -> None:
    async for line in lines:
        await response.write(line)
    with suppress(ConnectionError):
        await response.write_eof()


async def _chunks(upstream: aiohttp.ClientResponse) -> Lines:
    async for chunk in upstream.content.iter_any():
        yield chunk


def _whole(answer: Answer) -> web.Response:
    return web.Response(status=answer.status, body=answer.body, headers=dict(answer.headers))


def _passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _NOT_FORWARDED}


def _cut(request: web.BaseRequest, how: Cut) -> web.StreamResponse:
    """End the connection without an answer."""
    transport = request.transport
    if transport is not None and how is Cut.RESET:
        # Linger for 0 s: the kernel sends RST instead of FIN (socket(7)).
        opened = transport.get_extra_info("socket")
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    elif transport is not None:
        transport.close()
    return web.Response(status=_BAD_GATEWAY)

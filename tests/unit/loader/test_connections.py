"""The pool of connections, and responses that are not what they should be, from a server of raw bytes."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_loader import connections, http_messages
from model_loader.connections import MAX_CONNECTIONS
from model_loader.errors import LoaderError, Reason, TransferError
from model_loader.http_client import HttpClient, prepare_redirect
from model_loader.request import Limits, Request

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Answer = Callable[[socket.socket, bytes], None]


class RawServer:
    """Answers requests with raw bytes; counts connections."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections = 0
        self.requests: list[bytes] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            data = b""
            while received := connection.recv(65536):
                data += received
                if b"\r\n\r\n" in data:
                    self.requests.append(data)
                    self._answer(connection, data)
                    data = b""

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def serve() -> Iterator[Callable[[Answer | bytes], RawServer]]:
    servers: list[RawServer] = []

    def start(answer: Answer | bytes) -> RawServer:
        send = answer if callable(answer) else lambda connection, _: connection.sendall(answer)
        servers.append(RawServer(send))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def http() -> Iterator[HttpClient]:
    request = Request(
        uri="https://store.example/x",
        target=Path("x"),
        allowed_networks=(ip_network("127.0.0.0/8"),),
        limits=Limits(timeout_seconds=0.01),  # so that nothing is repeated
    )
    with closing(HttpClient(request)) as client:
        yield client


Serve = Callable[[Answer | bytes], RawServer]


def fetch(http: HttpClient, url: str) -> bytes:
    with http.get(url) as response:
        return response.read()


def test_connection_is_kept_for_the_next_request(serve: Serve, http: HttpClient) -> None:
    server = serve(OK)
    assert [fetch(http, server.url) for _ in range(5)] == [b"ok"] * 5
    assert server.connections == 1


def test_short_rest_of_a_body_keeps_its_connection(serve: Serve, http: HttpClient) -> None:
    server = serve(b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nxml\r\n0\r\n\r\n")
    for _ in range(3):
        with http.get(server.url) as response:
            assert response.status == 404
    assert server.connections == 1


def test_unread_body_closes_its_connection(serve: Serve, http: HttpClient) -> None:
    server = serve(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    for _ in range(2):
        with http.get(server.url, file="x") as response:
            assert response.status == 200
    assert server.connections == 2


@pytest.mark.parametrize("extra", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"])
def test_ended_or_poisoned_connection_is_replaced(serve: Serve, http: HttpClient, extra: bytes) -> None:
    """The server ends the connection after its response, or sends a second response that nothing requested."""

    def answer(connection: socket.socket, _: bytes) -> None:
        connection.sendall(OK)
        if extra:
            time.sleep(0.05)
            connection.sendall(extra)
        else:
            connection.close()

    server = serve(answer)
    for number in range(1, 4):
        assert fetch(http, server.url) == b"ok"
        assert server.connections == number
        time.sleep(0.1)


def test_connection_that_ends_with_a_request_is_replaced(serve: Serve, http: HttpClient) -> None:
    """The server reads the second request of a connection and ends it without a byte: once, then for good."""

    def answer(connection: socket.socket, _: bytes) -> None:
        count[0] += 1
        if count[0] in {1, 3}:
            connection.sendall(OK)
        else:
            connection.close()

    count = [0]
    server = serve(answer)
    assert [fetch(http, server.url) for _ in range(2)] == [b"ok"] * 2
    assert (count[0], server.connections) == (3, 2)
    with pytest.raises(TransferError, match="ended the connection before its response was complete"):
        fetch(http, server.url)
    assert (count[0], server.connections) == (5, 3)


def test_post_is_never_sent_twice(serve: Serve, http: HttpClient) -> None:
    server = serve(lambda connection, data: connection.sendall(OK) if data.startswith(b"GET") else connection.close())
    fetch(http, server.url)
    with pytest.raises(TransferError), http.post(server.url, body=b"x", content_type="text/plain"):
        pass
    assert len(server.requests) == 2


def test_connections_are_limited(serve: Serve, http: HttpClient) -> None:
    together = threading.Barrier(MAX_CONNECTIONS)

    def answer(connection: socket.socket, _: bytes) -> None:
        with suppress(threading.BrokenBarrierError):
            together.wait(5)
        connection.sendall(OK)

    server = serve(answer)
    results: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: results.append(fetch(http, server.url))) for _ in range(MAX_CONNECTIONS * 2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert results == [b"ok"] * len(threads)
    assert server.connections == MAX_CONNECTIONS
    other = serve(OK)
    assert fetch(http, other.url) == b"ok"  # an idle connection makes room


def test_close_ends_requests_of_other_threads(serve: Serve, http: HttpClient) -> None:
    server = serve(lambda *_: time.sleep(20))
    failures: list[LoaderError] = []

    def request() -> None:
        try:
            fetch(http, server.url)
        except LoaderError as error:
            failures.append(error)

    thread = threading.Thread(target=request)
    thread.start()
    while not server.requests:
        time.sleep(0.01)
    http.close()
    thread.join(5)
    assert len(failures) == 1


HEAD = b"HTTP/1.1 200 OK\r\n"
INVALID = {
    "no HTTP": b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
    "HTTP/2": b"HTTP/2 200 OK\r\n\r\n",
    "status of four digits": b"HTTP/1.1 2000 OK\r\n\r\n",
    "continued field": HEAD + b"A: b\r\n c\r\nContent-Length: 2\r\n\r\nok",
    "space before the colon": HEAD + b"Content-Length : 2\r\n\r\nok",
    "bare line feed": HEAD + b"A: b\nContent-Length: 2\r\n\r\nok",
    "bare carriage return": HEAD + b"A: b\rContent-Length: 2\r\n\r\nok",
    "NUL": HEAD + b"A: \0\r\nContent-Length: 2\r\n\r\nok",
    "two lengths": HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nokk",
    "length with chunks": HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "other coding": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "negative length": HEAD + b"Content-Length: -2\r\n\r\nok",
    "signed length": HEAD + b"Content-Length: +2\r\n\r\nok",
    "two locations": b"HTTP/1.1 302 Found\r\nLocation: /a\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n",
    "101 fields": HEAD + b"A: b\r\n" * 101 + b"\r\n",
    "large head": HEAD + b"A: " + b"b" * 70_000 + b"\r\n\r\n",
    "many interim responses": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 9 + OK,
    "upgrade": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "signed chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n+2\r\nok\r\n0\r\n\r\n",
    "chunk in Python's notation": HEAD + b"Transfer-Encoding: chunked\r\n\r\n0x2\r\nok\r\n0\r\n\r\n",
    "chunk longer than announced": HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nok\r\n0\r\n\r\n",
    "endless trailers": HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"A: b\r\n" * 200,
}


@pytest.mark.parametrize("answer", INVALID.values(), ids=INVALID)
def test_invalid_response_is_refused(serve: Serve, http: HttpClient, answer: bytes) -> None:
    with pytest.raises(LoaderError, match="does not respond with valid HTTP") as raised:
        fetch(http, serve(answer).url)
    assert raised.value.reason is Reason.UNREACHABLE


CUT = {
    "head": b"HTTP/1.1 200 OK\r\nContent-",
    "length": HEAD + b"Content-Length: 3\r\n\r\nok",
    "chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nok",
    "chunks": HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
    "last chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n",
}


@pytest.mark.parametrize("answer", CUT.values(), ids=CUT)
def test_cut_response_can_be_repeated(serve: Serve, http: HttpClient, answer: bytes) -> None:
    def send(connection: socket.socket, _: bytes) -> None:
        connection.sendall(answer)
        connection.close()

    with pytest.raises(TransferError, match="ended the connection before its response was complete"):
        fetch(http, serve(send).url)


VALID = {
    "interim response": (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK, b"ok"),
    "equal lengths": (HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok", b"ok"),
    "no reason phrase": (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", b"ok"),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    "chunk extensions and trailers": (
        HEAD + b"Transfer-Encoding: Chunked\r\n\r\n1;a=b\r\no\r\n001\r\nk\r\n0\r\nA: b\r\n\r\n",
        b"ok",
    ),
    "large chunk": (
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n30D40\r\n" + b"x" * 200_000 + b"\r\n0\r\n\r\n",
        b"x" * 200_000,
    ),
    "many chunks": (
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 50_000 + b"0\r\n\r\n",
        b"x" * 50_000,
    ),
    "head of 60 KiB": (HEAD + b"A: " + b"b" * 60_000 + b"\r\nContent-Length: 2\r\n\r\nok", b"ok"),
}


@pytest.mark.parametrize(("answer", "body"), VALID.values(), ids=VALID)
@pytest.mark.parametrize("piece", [1 << 20, 1000])
def test_valid_response_is_read(serve: Serve, http: HttpClient, answer: bytes, body: bytes, piece: int) -> None:
    def send(connection: socket.socket, _: bytes) -> None:
        for offset in range(0, len(answer), piece):
            connection.sendall(answer[offset : offset + piece])

    server = serve(send)
    assert [fetch(http, server.url) for _ in range(2)] == [body] * 2
    assert server.connections == 1


def test_repeated_fields_are_joined(serve: Serve, http: HttpClient) -> None:
    server = serve(HEAD + b"Vary: a\r\nVARY:b \r\nContent-Length: 0\r\n\r\n")
    with http.get(server.url) as response:
        assert response.headers["vary"] == "a, b"


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\nA: ", HEAD + b"Content-Length: 1000\r\n\r\n"])
def test_slow_drip_ends(serve: Serve, http: HttpClient, monkeypatch: pytest.MonkeyPatch, start: bytes) -> None:
    monkeypatch.setattr(http_messages, "RATE_WINDOW", 0.5)

    def drip(connection: socket.socket, _: bytes) -> None:
        connection.sendall(start)
        for _number in range(1000):
            connection.sendall(b"x")
            time.sleep(0.02)

    began = time.monotonic()
    with pytest.raises(LoaderError, match="has sent fewer than 1024 bytes a second") as raised:
        fetch(http, serve(drip).url)
    assert raised.value.reason is Reason.TIMEOUT
    assert time.monotonic() - began < 5


def test_silent_server_is_a_failed_transfer(serve: Serve, http: HttpClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_messages, "READ_TIMEOUT", 0.2)
    with pytest.raises(TransferError, match="sent no data for"):
        fetch(http, serve(lambda *_: time.sleep(5)).url)


def test_next_address_is_used_when_one_refuses(serve: Serve) -> None:
    server = serve(OK)
    port = int(server.url.rpartition(":")[2])
    with connections.open_socket(["127.0.0.77", "127.0.0.1"], port, "store.example") as opened:
        assert opened.getpeername() == ("127.0.0.1", port)
        assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_request_is_sent_as_the_url_is_written(serve: Serve, http: HttpClient) -> None:
    server = serve(OK)
    fetch(http, f"{server.url}/a%2Fb+c%20d//e/../f\u00e9?x=%2b&y=a b#fragment")
    assert server.requests[0].split(b"\r\n")[0] == b"GET /a%2Fb+c%20d//e/../f%C3%A9?x=%2b&y=a%20b HTTP/1.1"


@pytest.mark.parametrize("header", [{"A": "b\r\nC: d"}, {"A\r\nB": "c"}, {"A b": "c"}, {"A": "\u00e9"}])
def test_header_cannot_end_its_line(serve: Serve, http: HttpClient, header: dict[str, str]) -> None:
    server = serve(OK)
    with pytest.raises(LoaderError, match="characters that are not allowed"), http.get(server.url, header):
        pass
    assert server.requests == []


CREDENTIALS = dict.fromkeys(
    (
        *("Authorization", "Cookie", "Proxy-Authorization", "X-Amz-Security-Token", "x-amz-date", "X-Ms-Version"),
        *("x-goog-user-project", "X-Auth-Token", "PRIVATE-TOKEN", "X-JFrog-Art-Api", "x-anything-else"),
    ),
    "canary",
)


@pytest.mark.parametrize(
    "location",
    [
        *("https://other.example/x", "//other.example/x", "https://store.example:444/x"),
        *("https://a.store.example/x", "https://STORE.example.other/x"),
    ],
)
def test_credentials_stay_with_their_origin(location: str) -> None:
    sent = {**CREDENTIALS, "Range": "bytes=1-", "Accept": "*/*"}
    url, headers = prepare_redirect("https://store.example/a", location, sent)
    assert headers == {"Range": "bytes=1-", "Accept": "*/*"}
    # They do not come back when another redirect leads to the first origin.
    assert prepare_redirect(url, "https://store.example/a", headers)[1] == headers


@pytest.mark.parametrize("location", ["/b", "b", "https://Store.Example:443/b", "//store.example/b"])
def test_credentials_are_sent_to_their_origin(location: str) -> None:
    assert prepare_redirect("https://store.example/a", location, CREDENTIALS)[1] == CREDENTIALS


class Bytes:
    """A socket that has received some bytes, in pieces."""

    def __init__(self, data: bytes, piece: int) -> None:
        self._data = data
        self._piece = piece

    def recv_into(self, buffer: memoryview) -> int:
        part = self._data[: min(self._piece, len(buffer))]
        buffer[: len(part)] = part
        self._data = self._data[len(part) :]
        return len(part)

    def sendall(self, data: bytes) -> None: ...

    def settimeout(self, value: float | None) -> None: ...

    def close(self) -> None: ...


FRAGMENTS = st.sampled_from(
    [
        *(
            b"HTTP/1.1 200 OK\r\n",
            b"HTTP/1.0 204\r\n",
            b"HTTP/1.1 100 Continue\r\n\r\n",
            b"HTTP/1.1 304 -\r\n",
            b"HTTP/",
        ),
        *(b"Content-Length: 2\r\n", b"Content-Length:", b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n"),
        *(
            b"\r\n",
            b"\r",
            b"\n",
            b"\0",
            b":",
            b" ",
            b"0\r\n",
            b"1\r\nx\r\n",
            b"ffffffffffff\r\n",
            b";a=b",
            b"ok",
            b"\xff",
        ),
    ]
)


@given(st.lists(FRAGMENTS | st.binary(max_size=8), max_size=12).map(b"".join), st.integers(1, 64))
def test_any_bytes_are_a_response_or_an_error(data: bytes, piece: int) -> None:
    def read(size: int) -> tuple[int, bytes] | None:
        stream = http_messages.Stream(Bytes(data, size), "store.example")
        view, found = memoryview(bytearray(7)), b""
        try:
            stream.begin(b"")
            head = http_messages.read_head(stream)
            body = http_messages.Body(stream, head)
            while count := body.readinto(view):
                found += bytes(view[:count])
        except LoaderError:
            return None
        assert body.is_complete
        return head.status, found

    outcome = read(piece)
    assert outcome == read(len(data) + 1)  # the pieces in which bytes arrive change nothing
    assert outcome is None or outcome[1] in data.replace(b"\r\n1\r\n", b"") or b"chunked" in data

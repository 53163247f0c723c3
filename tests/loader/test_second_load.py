"""The second pod with the same claim: it is ready without a connection to the store."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.environment.stores import s3
from tests.environment.stores.hub import Hub
from tests.environment.stores.serving import LOOPBACK, Store, write
from tests.environment.stores.web import Web
from tests.loader.conftest import Loader

GIB = 1 << 30


class Relay:
    """Forwards connections to a store, and counts them."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.connections = 0
        self._open: list[socket.socket] = []
        self._target = target
        self._socket = socket.create_server((LOOPBACK, 0))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._socket.accept()
                self.connections += 1
                store = socket.create_connection(self._target)
                self._open += [client, store]
                for source, sink in ((client, store), (store, client)):
                    threading.Thread(target=_copy, args=(source, sink), daemon=True).start()

    def close(self) -> None:
        """End the relay."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        for one in (self._socket, *self._open):
            one.close()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(1 << 20):
            sink.sendall(chunk)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@contextmanager
def relaying(url: str) -> Iterator[Relay]:
    split = urlsplit(url)
    relay = Relay((split.hostname or "", split.port or 0))
    try:
        yield relay
    finally:
        relay.close()


def test_second_load_of_1_gib_makes_no_connection(
    load: Loader, s3_store: tuple[Store, Path], figure: Callable[[str], None]
) -> None:
    store, bucket = s3_store
    write(bucket / "second", {"config.json": b"{}"})
    weights = bucket / "second" / "model.safetensors"
    with weights.open("wb") as file:
        file.truncate(GIB)
        file.write(b"weights")
    with relaying(store.url) as relay:
        given = dict(s3.environment(f"http://{LOOPBACK}:{relay.port}"))
        times = [time.monotonic()]
        first = load("s3://models/second", given)
        times.append(time.monotonic())
        assert (first.code, first.reason) == (0, "Loaded"), first.log
        assert relay.connections > 0
        before = relay.connections
        second = load("s3://models/second", given)
        times.append(time.monotonic())
        assert relay.connections == before
    weights.unlink()
    assert (second.code, second.reason) == (0, "Cached")
    assert second.report["digest"] == first.report["digest"]
    assert second.report["bytes"] == GIB + 2
    figure(
        f"1 GiB from S3: first pod {times[1] - times[0]:.1f} s, second pod {times[2] - times[1]:.2f} s, 0 connections"
    )


@pytest.mark.parametrize("pin", ["sha256", "resolution"])
def test_pinned_model_is_checked_without_a_connection(load: Loader, web: Web, pin: str) -> None:
    """With the digest of the spec, and with the revision that the operator has resolved (updatePolicy Auto)."""
    url = web.file("/second/model.bin", b"weights")
    resolution = load(url, web.environment).report["resolution"]
    pinned = {"sha256": sha256(b"weights").hexdigest()} if pin == "sha256" else {"resolution": resolution}
    load(url, web.environment, **pinned)
    requests = len(web.asked)
    assert load(url, web.environment, **pinned).reason == "Cached"
    assert len(web.asked) == requests


def test_unpinned_revision_costs_only_its_listing(load: Loader, hub: Hub) -> None:
    """A resolution that is not the published one: the loader lists the URI again, and reads no file."""
    hub.commit("org/second", {"model.safetensors": b"weights"})
    given = {**hub.web.environment, "HF_ENDPOINT": hub.web.url}
    first = load("hf://org/second", given)
    assert first.reason == "Loaded", first.log
    requests = len(hub.web.asked)
    assert load("hf://org/second", given, resolution="other").reason == "Cached"
    assert [path.partition("?")[0] for path, _ in hub.web.asked[requests:]] == ["/api/models/org/second/revision/main"]

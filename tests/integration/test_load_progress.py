"""The progress of a load reaches the status: connections and status writes are counted on a real API server."""

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from modelservice_operator.events.load_progress import READ_INTERVAL
from modelservice_operator.resources.model_volume import PROGRESS_PORT
from tests.environment.audit import AuditTrail
from tests.support.builders import model_service
from tests.support.installation import USER
from tests.support.namespace import NamespaceFixture

STATUS = "update modelservices/status"
NAME = "slow-load"
TOTAL = 1000


class Loader:
    """A loader on this machine: 100 bytes more for each connection."""

    def __init__(self, address: str) -> None:
        self.times: list[float] = []
        self._socket = socket.create_server((address, PROGRESS_PORT))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                with connection:
                    self.times.append(time.monotonic())
                    loaded = 100 * len(self.times)
                    line = {"bytes": loaded, "total": TOTAL, "secondsLeft": (TOTAL - loaded) // 10}
                    connection.sendall(json.dumps(line).encode())

    def close(self) -> None:
        """End the loader; its port is closed."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@pytest.fixture
def address() -> str:
    """An address of this machine that no other test uses."""
    return f"127.77.{os.getpid() >> 8 & 255}.{os.getpid() & 255 or 1}"


@pytest.fixture
def loader(address: str) -> Iterator[Loader]:
    loader = Loader(address)
    yield loader
    loader.close()


def test_progress_costs_one_read_and_write_each_15_s(ns: NamespaceFixture, address: str, loader: Loader) -> None:
    service = model_service().named(NAME).with_spec(model={"uri": "s3://a/b"}, nodeSelector={"example.com/a": "b"})
    ns.apply(service)
    ns.wait(lambda: ns.condition(NAME).get("reason") == "Unschedulable", "a pod", name=NAME)
    set_loader_state(ns, address, {"running": {"startedAt": None}})
    ns.wait(lambda: model_status(ns).get("state") == "Loading", "the loader", name=NAME)
    audit = start_audit(ns)
    ns.wait(lambda: model_status(ns).get("progress", {}).get("percent") == 20, "two reads", name=NAME, within=60)
    assert model_status(ns)["progress"] == {"loadedBytes": 200, "totalBytes": TOTAL, "percent": 20, "secondsLeft": 80}
    assert loader.times[1] - loader.times[0] >= READ_INTERVAL - 1
    time.sleep(1)
    assert audit.accepted_writes_of(NAME) == {STATUS: 2}

    audit = start_audit(ns)
    set_loader_state(ns, address, {"terminated": {"exitCode": 0, "startedAt": None, "finishedAt": None}})
    ns.wait(lambda: model_status(ns).get("state") == "Loaded", "the end", name=NAME)
    assert "progress" not in model_status(ns)
    time.sleep(READ_INTERVAL + 2)
    assert len(loader.times) == 2, "nothing is read when nothing is loaded"
    assert audit.accepted_writes_of(NAME) == {STATUS: 1}


def start_audit(ns: NamespaceFixture) -> AuditTrail:
    """Count from now on. The line of a write follows its response."""
    time.sleep(1)
    return AuditTrail(ns.cluster, USER)


def model_status(ns: NamespaceFixture) -> dict[str, Any]:
    status: dict[str, Any] = (ns.get_model_service(NAME).get("status") or {}).get("model") or {}
    return status


def set_loader_state(ns: NamespaceFixture, address: str, state: dict[str, Any]) -> None:
    """Report the state of the loader, as the kubelet does."""
    loader = {"name": "model-loader", "image": "x", "imageID": "", "ready": False, "restartCount": 0, "state": state}
    status = {"podIP": address, "podIPs": [{"ip": address}], "initContainerStatuses": [loader]}
    [pod] = ns.kubectl("get", "pods", "-l", f"app.kubernetes.io/instance={NAME}", "-o", "name").split()
    ns.kubectl("patch", pod, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))

"""An admission webhook that does not answer, or breaks its connections."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.environment.cluster import Cluster

INSTANCE_LABEL = "app.kubernetes.io/instance"
_BACKLOG = 128


class HangingWebhook:
    """Accepts connections of the API server on 127.0.0.1 and never answers: the TLS handshake does not complete."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
        self._held: list[socket.socket] = []
        self._breaks = False
        self._lock = threading.Lock()
        self.calls = 0
        """Connections since the start."""
        self.first_call: float | None = None
        """Monotonic time of the first of them."""
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Return the URL for the webhook configuration."""
        return f"https://127.0.0.1:{self._server.getsockname()[1]}/"

    def break_connections(self) -> None:
        """Close all connections, and each new one: every call then fails immediately."""
        with self._lock:
            self._breaks = True
            self._close_held()

    def hang(self) -> None:
        """Hold each new connection again."""
        with self._lock:
            self._breaks = False

    def close(self) -> None:
        """End the server."""
        self.break_connections()
        self._server.shutdown(socket.SHUT_RDWR)
        self._thread.join(timeout=5)
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            with self._lock:
                self.calls += 1
                self.first_call = self.first_call or time.monotonic()
                self._held.append(connection)
                if self._breaks:
                    self._close_held()

    def _close_held(self) -> None:
        while self._held:
            self._held.pop().close()


@contextmanager
def hanging_webhook(
    cluster: Cluster, namespace: str, *, spared: str = "", timeout_seconds: int = 30
) -> Iterator[HangingWebhook]:
    """Validate Deployments and Services of one namespace with a webhook that hangs, for the length of a `with` block.

    `spared`: a ModelService of the namespace whose children it does not concern.
    """
    webhook = HangingWebhook()
    try:
        cluster.run_kubectl(
            "create", "-f", "-", stdin=json.dumps(_configuration(webhook.url, namespace, spared, timeout_seconds))
        )
        yield webhook
    finally:
        cluster.run_kubectl("delete", "validatingwebhookconfiguration", namespace, "--ignore-not-found")
        webhook.close()


def _configuration(url: str, namespace: str, spared: str, timeout_seconds: int) -> dict[str, Any]:
    rule = {"apiGroups": ["apps", ""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"]}
    others = {"key": INSTANCE_LABEL, "operator": "NotIn", "values": [spared]}
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": namespace},
        "webhooks": [
            {
                "name": "hanging.example.com",
                "clientConfig": {"url": url},
                "rules": [rule | {"resources": ["deployments", "services"]}],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                "objectSelector": {"matchExpressions": [others]},
                "failurePolicy": "Fail",
                "timeoutSeconds": timeout_seconds,
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
            }
        ],
    }

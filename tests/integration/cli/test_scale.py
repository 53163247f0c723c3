"""1,000 ModelServices: every command stays under two seconds, and reads by pages."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from modelservice_operator.apimachinery.kinds import MODEL_SERVICE
from tests.environment.audit import AuditTrail
from tests.environment.cluster import Cluster
from tests.support.api import ApiClient
from tests.support.builders import model_service

COUNT = 1000
MAX_SECONDS = 2.0
USER = "lister"
CONDITION = {
    "type": "Ready",
    "status": "True",
    "reason": "RolloutComplete",
    "message": "All 2 replicas are available.",
    "lastTransitionTime": "2026-01-02T03:04:05Z",
    "observedGeneration": 1,
}
STATUS = {"observedGeneration": 1, "replicas": 2, "readyReplicas": 2, "desiredReplicas": 2, "conditions": [CONDITION]}


@pytest.fixture(scope="module")
def many(control_plane: Cluster, operator_kubeconfig: Path, namespace: str) -> Iterator[str]:
    """A namespace with 1,000 ModelServices that have a status. No operator runs, which would create their children."""
    assert operator_kubeconfig.exists()  # the CRD is installed
    asyncio.run(create_all(control_plane, namespace))
    yield namespace
    # One request: kubectl deletes them one by one, at five a second.
    asyncio.run(delete_all(control_plane, namespace))


async def create_all(cluster: Cluster, namespace: str) -> None:
    """Create the ModelServices, 50 at a time."""
    slots = asyncio.Semaphore(50)
    async with ApiClient(cluster.kubeconfig) as client:

        async def create(number: int) -> None:
            body = model_service().named(f"many-{number:04d}", namespace=namespace).manifest()
            async with slots:
                created = await client.request("POST", MODEL_SERVICE.path(namespace=namespace), body)
                path = MODEL_SERVICE.path(namespace=namespace, name=created["metadata"]["name"], subresource="status")
                await client.request("PUT", path, created | {"status": STATUS})

        await asyncio.gather(*(create(number) for number in range(COUNT)))


@pytest.fixture(scope="module")
def kubectl_seconds(control_plane: Cluster, many: str) -> float:
    """Time in which kubectl lists the same objects."""
    variables = os.environ | {"KUBECONFIG": str(control_plane.kubeconfig)}
    return min(measure([str(control_plane.kubectl), "get", "msvc", "-n", many], variables) for _ in range(2))


async def delete_all(cluster: Cluster, namespace: str) -> None:
    async with ApiClient(cluster.kubeconfig) as client:
        await client.request("DELETE", MODEL_SERVICE.path(namespace=namespace))


@pytest.mark.parametrize(
    "arguments",
    [("list",), ("list", "-A"), ("list", "-o", "wide"), ("list", "-o", "json"), ("status", "many-0500"),
     ("why", "many-0500"), ("url", "many-0500", "--internal"), ("status", "many-05")],
    ids=" ".join,
)  # fmt: skip
def test_command_on_1000_objects_is_fast(
    control_plane: Cluster,
    many: str,
    kubectl_seconds: float,
    arguments: tuple[str, ...],
    figure: Callable[[str], None],
) -> None:
    variables = os.environ | {"KUBECONFIG": str(control_plane.kubeconfig)}
    command = [sys.executable, "-m", "modelservice_cli", *arguments, "-n", many]
    seconds = min(measure(command, variables) for _ in range(2))
    figure(
        f"modelservice {' '.join(arguments)}: {seconds:.2f} s for 1,000 objects; kubectl get: {kubectl_seconds:.2f} s"
    )
    # kubectl on the same machine at the same time: a busy machine does not make the command slow.
    assert seconds < max(MAX_SECONDS, 3 * kubectl_seconds)


def measure(command: list[str], variables: dict[str, str]) -> float:
    started = time.monotonic()
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return time.monotonic() - started


def test_list_reads_by_pages(control_plane: Cluster, many: str) -> None:
    name = f"{USER}-{many}"
    role = ("create", "role", name, "--verb=list", "--resource=modelservices.modelservice.dev", "-n", many)
    control_plane.run_kubectl(*role)
    control_plane.run_kubectl("create", "rolebinding", name, f"--role={name}", f"--user={name}", "-n", many)
    audit = AuditTrail(control_plane, name)
    done = subprocess.run(
        [sys.executable, "-m", "modelservice_cli", "list", "-n", many, "-o", "name"],
        env=os.environ | {"KUBECONFIG": str(control_plane.user_kubeconfig(name))},
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(done.stdout.split()) == COUNT
    time.sleep(1)  # the line of a request follows its response
    lists = [one for one in audit.requests() if one.call.verb == "list"]
    assert len(lists) == 2

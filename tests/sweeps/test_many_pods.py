"""One ModelService with a thousand unschedulable pods does not block the event loop, nor delay other ModelServices."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from modelservice_operator.apimachinery.kinds import DEPLOYMENT
from tests.environment.cluster import Cluster, Tier, start
from tests.environment.cluster.programs import Program
from tests.support.builders import model_service
from tests.support.installation import ACCOUNT, NAMESPACE, install_without_operator
from tests.support.namespace import NamespaceFixture
from tests.support.operator import OperatorProcess

pytestmark = pytest.mark.timeout(600)

PODS = 1000
MAX_TURN_SECONDS = 0.1
"""CPU time of the loop's thread in one turn."""
LIMITS = ("--kube-api-qps=5000", "--kube-api-burst=5000")
FLAGS: dict[str, tuple[str, ...]] = {Program.CONTROLLER_MANAGER: LIMITS, Program.SCHEDULER: LIMITS}


@pytest.fixture(scope="module")
def control_plane() -> Iterator[Cluster]:
    """A separate control plane, whose controllers create pods as fast as they can."""
    with start(Tier.CONTROL_PLANE, flags=FLAGS) as cluster:
        yield cluster


@pytest.fixture
def probed(control_plane: Cluster, tmp_path: Path) -> Iterator[tuple[OperatorProcess, Path]]:
    """An operator with a probe in its event loop, and the file that the probe writes."""
    install_without_operator(control_plane)
    kubeconfig = control_plane.service_account_kubeconfig(NAMESPACE, ACCOUNT)
    turns = tmp_path / "turn-seconds"
    operator = OperatorProcess(
        kubeconfig, tmp_path / "operator.log", command=("-m", "tests.support.loop_probe", str(turns))
    )
    operator.start()
    try:
        yield operator, turns
    finally:
        if operator.is_running:
            operator.stop()
    assert operator.tracebacks == []


def is_counted(ns: NamespaceFixture) -> bool:
    message: str = ns.condition("many").get("message", "")
    return message.startswith(f"{PODS} of {PODS} pods: cannot be scheduled")


def test_many_unschedulable_pods_do_not_block_the_loop(
    control_plane: Cluster, probed: tuple[OperatorProcess, Path], figure: Callable[[str], None]
) -> None:
    operator, turns = probed
    ns = NamespaceFixture(control_plane, "default", lambda: operator.log)
    ns.apply(model_service().named("many").with_spec(replicas=PODS, nodeSelector={"example.com/disk": "none-has-it"}))
    ns.wait(lambda: len(json.loads(ns.kubectl("get", "pods", "-o", "json"))["items"]) >= PODS // 4, "pods", within=120)
    ns.apply(model_service().named("other"))  # while the others are created
    ns.wait(lambda: ns.get(DEPLOYMENT.plural, "other"), "a Deployment of another ModelService", name="other")
    ns.wait(lambda: is_counted(ns), "a count of all pods", within=180, name="many")
    ns.wait_ready("other", within=60)
    seconds = {"while the pods are created": float(turns.read_text())}

    turns.write_text("0")
    operator.kill()
    operator.start()
    ns.apply(model_service().named("third"))
    ns.wait_ready("third", within=60)
    assert is_counted(ns)
    seconds["after a restart"] = float(turns.read_text())
    for when, one in seconds.items():
        figure(f"longest turn of the event loop with {PODS:,} unschedulable pods, {when}: {one * 1000:.0f} ms of CPU")
    assert max(seconds.values()) < MAX_TURN_SECONDS

"""A ModelService under load, and what happens to its pods."""

import json
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.environment.images import RECIPES, ImageName
from tests.environment.traffic import SERVER, Figures, Load
from tests.support.builders import ModelServiceBuilder, model_service
from tests.support.namespace import NamespaceFixture
from tests.support.operator import OperatorProcess

OTHER_IMAGE = RECIPES[ImageName.OPERATOR].reference
"""Contains the same Python as the image of the example, so it can run the same server."""
HIGH_RATE, LOW_RATE = 500, 20
"""Requests per second of each kind of client."""
RESOURCES = {"requests": {"cpu": "10m", "memory": "48Mi"}, "limits": {"memory": "256Mi"}}


def server(**fields: Any) -> ModelServiceBuilder:
    """Return a ModelService that runs the server of the traffic tests."""
    command = ["/usr/bin/python3", "-u", "-c", SERVER]
    return model_service().with_spec(command=command, resources=RESOURCES, replicas=3).with_spec(**fields)


@dataclass(frozen=True)
class Scenario:
    """One ModelService; `figure` prints its figures at the end of the run."""

    name: str
    ns: NamespaceFixture
    figure: Callable[[str], None]
    operator: OperatorProcess | None = None

    def measure(
        self, title: str, service: ModelServiceBuilder, act: Callable[["Scenario", Load], None], *options: str
    ) -> Figures:
        """Start the ModelService and act while the load runs; `options` are those of the load generator."""
        self.ns.apply(service.named(self.name))
        self.ns.wait_ready(self.name, within=90)
        address = self.ns.get("services", self.name)["spec"]["clusterIP"]
        with Load.on(self.ns.cluster, f"{address}:80", *options) as load:
            act(self, load)
            found = Figures(title, load.finish())
        for line in found.lines():
            self.figure(line)
        return found

    def pods(self) -> dict[str, dict[str, Any]]:
        """Return the pods by name, also those that are being deleted."""
        found = self.ns.cluster.read("pods", namespace=self.ns.namespace) or {"items": []}
        own = (
            pod for pod in found["items"] if pod["metadata"]["labels"].get("app.kubernetes.io/instance") == self.name
        )
        return {pod["metadata"]["name"]: pod for pod in own}

    def wait_for_pods(self, condition: Callable[[dict[str, Any]], bool], description: str) -> None:
        self.ns.wait(lambda: condition(self.pods()), description, within=150, name=self.name)

    @contextmanager
    def replacing(self, count: int | None = None) -> Iterator[Sequence[str]]:
        """Yield the names of `count` pods (default: all); wait until none of them exists and all others are ready."""
        old = sorted(self.pods())[:count]
        yield old
        self.wait_for_pods(lambda pods: not set(old) & set(pods), "end of the old pods")
        self.ns.wait_ready(self.name, within=60)

    def change(self, **spec: Any) -> None:
        self.ns.kubectl("patch", "modelservice", self.name, "--type=merge", "-p", json.dumps({"spec": spec}))


def change_image(scenario: Scenario, _load: Load) -> None:
    with scenario.replacing():
        scenario.change(image=OTHER_IMAGE)


def restart(scenario: Scenario, _load: Load) -> None:
    with scenario.replacing():
        scenario.ns.kubectl("rollout", "restart", f"deployment/{scenario.name}")


def scale_down(scenario: Scenario, _load: Load) -> None:
    scenario.ns.kubectl("scale", f"modelservice/{scenario.name}", "--replicas=2")
    scenario.wait_for_pods(lambda pods: len(pods) == 2, "two pods")


def evict(scenario: Scenario, _load: Load) -> None:
    """Evict two pods concurrently, as several nodes that are drained would."""
    with scenario.replacing(2) as old:
        for pod in old:
            body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}}
            path = f"/api/v1/namespaces/{scenario.ns.namespace}/pods/{pod}/eviction"
            scenario.ns.kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(body))


def drain_node(scenario: Scenario, _load: Load) -> None:
    """Drain the only node: the budget stops the drain after one pod, until the node may run replacements again."""
    cluster = scenario.ns.cluster
    with scenario.replacing() as old:
        [node] = {pod["spec"]["nodeName"] for pod in scenario.pods().values()}
        selector = f"--pod-selector=app.kubernetes.io/instance={scenario.name}"
        command = [cluster.kubectl, f"--kubeconfig={cluster.kubeconfig}", "drain", node, selector]
        with subprocess.Popen(
            [*command, "--delete-emptydir-data", "--timeout=120s"], stderr=subprocess.DEVNULL
        ) as drain:
            scenario.wait_for_pods(lambda pods: len(set(pods) & set(old)) == 2, "an evicted pod")
            assert drain.poll() is None, "The budget allows one eviction."
            scenario.ns.kubectl("uncordon", node)
            assert drain.wait() == 0


def kill_operator(scenario: Scenario, _load: Load) -> None:
    """Kill the operator in the middle of a rollout, and start it again."""
    assert scenario.operator is not None
    with scenario.replacing() as old:
        scenario.change(image=OTHER_IMAGE)
        scenario.wait_for_pods(lambda pods: len(pods) > len(old), "a new pod")
        scenario.operator.kill()
        scenario.operator.start()


def autoscale(scenario: Scenario, load: Load) -> None:
    """Send many requests until there are four pods, then few until there is one."""
    scenario.wait_for_pods(lambda pods: len(pods) == 4, "four pods")
    load.set_rate(LOW_RATE)
    scenario.wait_for_pods(lambda pods: len(pods) == 1, "one pod")
    load.set_rate(HIGH_RATE)

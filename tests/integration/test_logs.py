"""The log of a real operator: JSON lines per decision, none while nothing changes, and a level that can change."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modelservice_operator import __version__
from modelservice_operator.logs.levels import LEVEL_ANNOTATION
from tests.environment.cluster import Cluster
from tests.environment.cluster.wait import wait_until
from tests.support.builders import model_service
from tests.support.installation import NAMESPACE
from tests.support.namespace import NamespaceFixture
from tests.support.operator import OperatorProcess

QUIET_SECONDS = 10
RESYNC = 2
LEASE = "logs"
CANARY = "canary-9f3e"
LINE_FIELDS = {"time", "level", "logger", "message"}


class Log:
    """Lines of an operator, decoded. A line that is not JSON fails the test that reads it."""

    def __init__(self, operator: OperatorProcess) -> None:
        self._operator = operator

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._operator.log.splitlines()]

    def about(self, name: str, reason: str) -> list[dict[str, Any]]:
        lines = [line for line in self.lines() if line.get("object", {}).get("name") == name]
        return [line for line in lines if line.get("reason") == reason]

    def messages(self, reason: str) -> list[str]:
        return [line["message"] for line in self.lines() if line.get("reason") == reason]


@pytest.fixture(scope="module")
def operator(
    operator_kubeconfig: Path, namespace: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorProcess]:
    """An operator with the default format of a pod, whose log is a file."""
    path = tmp_path_factory.mktemp("operator") / "operator.log"
    arguments = (
        *("--namespace", namespace, "--lease-namespace", NAMESPACE, "--lease-name", LEASE),
        *("--resync-seconds", str(RESYNC)),
    )
    operator = OperatorProcess(operator_kubeconfig, path, arguments, log_format=None)
    operator.start()
    yield operator
    if operator.is_running:
        operator.stop()


@pytest.fixture(scope="module")
def log(operator: OperatorProcess) -> Log:
    wait_until(lambda: "Became leader" in operator.log, seconds=60, what="leadership")
    return Log(operator)


def test_start_and_leadership_are_logged(log: Log) -> None:
    assert [line["version"] for line in log.lines() if "version" in line][:1] == [__version__]
    assert len(log.messages("CachesSynced")) == 1
    assert log.messages("BecameLeader") == [f"Became leader (lease {NAMESPACE}/{LEASE})"]


def test_each_decision_is_one_line(ns: NamespaceFixture, log: Log) -> None:
    ns.apply(model_service().named("decided").autoscaled(max_replicas=3))
    ns.wait_ready("decided")
    uid = ns.get_model_service("decided")["metadata"]["uid"]
    created = log.about("decided", "ChildMissing")
    assert sorted(line["child"]["kind"] for line in created) == ["Deployment", "HorizontalPodAutoscaler", "Service"]
    for line in created:
        assert set(line) == {*LINE_FIELDS, "object", "reason", "child", "duration_seconds"}
        assert line["object"] == {"namespace": ns.namespace, "name": "decided", "uid": uid, "generation": 1}
        assert line["level"] == "info"
    ns.apply(model_service().named("decided").with_spec(replicas=2))
    ns.wait(lambda: log.about("decided", "NotDesired"), "deleted autoscaler", name="decided")
    [deleted] = log.about("decided", "NotDesired")
    assert deleted["child"] == {"kind": "HorizontalPodAutoscaler", "name": "decided"}


def test_correction_names_the_other_client(ns: NamespaceFixture, log: Log) -> None:
    ns.apply(model_service().named("drifted"))
    ns.wait_ready("drifted")
    patch = '{"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 7}}}}'
    ns.kubectl("patch", "deployment", "drifted", "--field-manager=somebody", "-p", patch)
    ns.wait(lambda: log.about("drifted", "DriftCorrected"), "correction", name="drifted")
    [line] = log.about("drifted", "DriftCorrected")
    assert (line["child"]["kind"], line["manager"]) == ("Deployment", "somebody")
    assert line["field"].endswith("terminationGracePeriodSeconds")


def test_status_change_has_both_reasons(ns: NamespaceFixture, log: Log) -> None:
    ns.apply(model_service().named("changed"))
    ns.wait_ready("changed")
    ns.wait(lambda: log.about("changed", "RolloutComplete"), "line of the last status", name="changed")
    [line] = log.about("changed", "RolloutComplete")
    assert line["previous_reason"] not in {"", "RolloutComplete"}
    assert "Ready=True (RolloutComplete)" in line["message"]


def test_repeated_failure_is_logged_once(ns: NamespaceFixture, log: Log) -> None:
    ns.kubectl("create", "service", "clusterip", "taken", "--tcp=80")
    ns.apply(model_service().named("taken"))
    ns.wait(lambda: log.about("taken", "NameConflict"), "name conflict", name="taken")
    time.sleep(2 * 1.1 * RESYNC)  # further attempts
    failures = [line for line in log.about("taken", "NameConflict") if "error" in line]
    assert [(line["level"], line["error"]["type"]) for line in failures] == [("warning", "NameConflictError")]


def test_rest_logs_nothing(ns: NamespaceFixture, operator: OperatorProcess) -> None:
    """Also while an object fails repeatedly, and resyncs reconcile every object."""
    ns.apply(model_service().named("resting"))
    ns.wait_ready("resting")
    time.sleep(3)  # status writes are deferred for up to a second, Events are sent slowly
    before = operator.log
    time.sleep(QUIET_SECONDS)
    assert operator.log[len(before) :] == ""


def test_annotation_of_the_lease_sets_the_level(
    control_plane: Cluster, ns: NamespaceFixture, operator: OperatorProcess, log: Log
) -> None:
    lease = ("--namespace", NAMESPACE, "annotate", "--overwrite", "lease", LEASE)
    control_plane.run_kubectl(*lease, f"{LEVEL_ANNOTATION}=debug")
    ns.wait(lambda: log.messages("LogLevelChanged"), "level debug")
    ns.wait(lambda: log.messages("Reconciled"), "lines of level debug")
    control_plane.run_kubectl(*lease, f"{LEVEL_ANNOTATION}-")
    ns.wait(lambda: len(log.messages("LogLevelChanged")) > 1, "level info")
    assert log.messages("LogLevelChanged") == ["Log level is debug", "Log level is info"]
    quiet = len(log.messages("Reconciled"))
    time.sleep(2 * 1.1 * RESYNC)
    assert len(log.messages("Reconciled")) == quiet
    assert operator.is_running


def test_debug_log_has_no_credentials(control_plane: Cluster, namespace: str, tmp_path: Path) -> None:
    """Neither a rejected token, nor the password of a proxy, nor the value of a variable is logged."""
    kubeconfig = tmp_path / "kubeconfig"
    config = json.loads(control_plane.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": CANARY}
    kubeconfig.write_text(json.dumps(config))
    operator = OperatorProcess(
        kubeconfig, tmp_path / "log", ("--namespace", namespace, "--log-level", "debug"), log_format="json"
    )
    with operator.log_file.open("wb") as output:
        operator.process = subprocess.Popen(
            [
                *(sys.executable, *operator.command, "run", "--kubeconfig", str(kubeconfig)),
                *("--probe-port", "0", *operator.arguments),
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
    try:
        wait_until(lambda: "401" in operator.log, seconds=60, what="rejected requests")
    finally:
        operator.stop()
    lines = Log(operator).lines()
    assert len(lines) > 1
    assert CANARY not in operator.log

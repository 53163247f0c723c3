"""Exec plugins of kubeconfigs, as real programs."""

import json
import stat
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from modelservice_operator.client.exec_plugin import MIN_RUN_INTERVAL, ClusterInfo, ExecConfig, ExecPlugin
from modelservice_operator.errors import CredentialsError
from tests.support.clock import ManualClock

FIRST, SECOND = "t1", "t2"
V1 = "client.authentication.k8s.io/v1"
CLUSTER = ClusterInfo(server="https://h", tls_server_name="name", config={"audience": "a"})


class Program:
    """A plugin that counts its runs and prints a fixed output."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.answer({"token": FIRST})

    def answer(self, status: Mapping[str, Any], *, api_version: str = V1, code: int = 0) -> None:
        output = json.dumps({"apiVersion": api_version, "kind": "ExecCredential", "status": status})
        script = self.directory / "plugin"
        script.write_text(
            "#!/bin/sh\n"
            f'cd "{self.directory}"; echo run >> runs; echo "$KUBERNETES_EXEC_INFO" > info; echo "$1 $A" > arguments\n'
            f"echo failure >&2\ncat <<'END'\n{output}\nEND\nexit {code}\n"
        )
        script.chmod(script.stat().st_mode | stat.S_IXUSR)

    @property
    def runs(self) -> int:
        return (self.directory / "runs").read_text().count("run")


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def build(program: Program, clock: ManualClock, **changes: Any) -> ExecPlugin:
    config = ExecConfig.model_validate({"apiVersion": V1, "command": "./plugin", **changes})
    return ExecPlugin(config, directory=program.directory, clock=clock)


def test_plugin_gets_its_arguments_and_the_cluster(program: Program, clock: ManualClock) -> None:
    changes = {"args": ["one"], "env": [{"name": "A", "value": "two"}], "provideClusterInfo": True}
    assert build(program, clock, **changes).get(CLUSTER).token == FIRST
    assert (program.directory / "arguments").read_text() == "one two\n"
    assert json.loads((program.directory / "info").read_text()) == {
        "apiVersion": V1,
        "kind": "ExecCredential",
        "spec": {
            "interactive": False,
            "cluster": {
                "server": "https://h",
                "tls-server-name": "name",
                "insecure-skip-tls-verify": False,
                "config": {"audience": "a"},
            },
        },
    }


def test_plugin_runs_again_before_the_expiration(program: Program, clock: ManualClock) -> None:
    expires = clock.now() + timedelta(minutes=15)
    program.answer({"token": FIRST, "expirationTimestamp": expires.isoformat()})
    plugin = build(program, clock)
    for seconds, runs in ((0, 1), (700, 1), (100, 2)):
        clock.seconds += seconds
        plugin.get(CLUSTER)
        assert program.runs == runs


def test_plugin_runs_again_when_rejected_but_not_in_a_loop(program: Program, clock: ManualClock) -> None:
    plugin = build(program, clock)
    plugin.get(CLUSTER)
    program.answer({"token": SECOND})
    plugin.discard()
    assert plugin.get(CLUSTER).token == FIRST
    clock.seconds += MIN_RUN_INTERVAL
    assert [plugin.get(CLUSTER).token for _ in range(3)] == [SECOND] * 3
    assert program.runs == 2


def test_plugin_can_issue_a_certificate(program: Program, clock: ManualClock) -> None:
    program.answer({"clientCertificateData": "CERT", "clientKeyData": "KEY"})
    issued = build(program, clock).get(CLUSTER)
    assert (issued.token, issued.certificate, issued.key) == (None, b"CERT", b"KEY")


@pytest.mark.parametrize(
    ("status", "changes", "message"),
    [
        ({"token": "t"}, {"code": 3}, "ended with 3: failure"),
        ({}, {}, "returned neither token nor certificate"),
        ({"clientCertificateData": "CERT"}, {}, "returned neither token nor certificate"),
        ({"token": "t"}, {"api_version": "client.authentication.k8s.io/v1beta1"}, "instead of client.auth"),
        ({"token": 5}, {}, "returned no ExecCredential"),
    ],
)
def test_failure_of_a_plugin_is_a_sentence(
    program: Program, clock: ManualClock, status: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    program.answer(status, **changes)
    with pytest.raises(CredentialsError, match=message):
        build(program, clock).get(CLUSTER)


def test_missing_plugin_has_the_install_hint(program: Program, clock: ManualClock) -> None:
    plugin = build(program, clock, command="no-such-plugin", installHint="Install it from x.")
    with pytest.raises(CredentialsError, match=r"no-such-plugin is not installed\. Install it from x\."):
        plugin.get(CLUSTER)


def test_issued_secrets_are_not_in_the_repr(program: Program, clock: ManualClock) -> None:
    program.answer({"token": "secret"})
    assert "secret" not in repr(build(program, clock).get(CLUSTER))

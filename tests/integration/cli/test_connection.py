"""Messages of the command line when it cannot use a cluster: one sentence, an exit code, and no traceback."""

import argparse
import json
import socket
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelservice_cli.arguments import add_cluster
from modelservice_cli.cluster.connection import PAGE_SIZE, Cluster
from modelservice_cli.errors import CliError, ExitCode
from modelservice_cli.main import main
from modelservice_operator.apimachinery.kinds import MODEL_SERVICE, ResourceKind
from tests.environment.cluster import Cluster as LiveCluster
from tests.support.builders import model_service

KIND = ResourceKind(group="nosuch.example.com", version="v1", kind="Nothing", plural="nothings")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "iris.yaml"
    path.write_text(yaml.safe_dump(model_service().manifest()))
    return path


def config_of(cluster: LiveCluster) -> Any:
    return yaml.safe_load(cluster.kubeconfig.read_text())


def diff_with(config: Any, file: Path, *options: str) -> int:
    kubeconfig = file.with_name("config")
    kubeconfig.write_text(config if isinstance(config, str) else json.dumps(config))
    return main(["diff", str(file), "--kubeconfig", str(kubeconfig), *options])


def sentence(capsys: pytest.CaptureFixture[str]) -> str:
    """Return the error message; it is one line."""
    text = capsys.readouterr().err
    assert text.startswith("modelservice: ")
    assert text.count("\n") == 1, text
    return text.removeprefix("modelservice: ").rstrip()


def test_unreachable_server_is_named(
    control_plane: LiveCluster, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = config_of(control_plane)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{port}"
    assert diff_with(config, file) == ExitCode.UNREACHABLE
    said = sentence(capsys)
    assert said.startswith(f"Cannot reach the API server https://127.0.0.1:{port}: ")
    assert "refused" in said
    assert "object at 0x" not in said


def test_unknown_host_is_named(control_plane: LiveCluster, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = config_of(control_plane)
    config["clusters"][0]["cluster"]["server"] = "https://no-such-host.invalid:6443"
    assert diff_with(config, file) == ExitCode.UNREACHABLE
    assert "Cannot reach the API server https://no-such-host.invalid:6443: cannot resolve" in sentence(capsys)


def test_untrusted_certificate_is_named(
    control_plane: LiveCluster, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = config_of(control_plane)
    del config["clusters"][0]["cluster"]["certificate-authority-data"]
    assert diff_with(config, file) == ExitCode.UNREACHABLE
    assert "certificate verify failed" in sentence(capsys)


def test_expired_login_asks_for_a_new_one(
    control_plane: LiveCluster, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = config_of(control_plane)
    config["users"][0]["user"] = {"token": "expired"}
    assert diff_with(config, file) == ExitCode.UNREACHABLE
    assert sentence(capsys).endswith("does not accept the login (Unauthorized): log in again.")


def test_failed_login_program_is_named(
    control_plane: LiveCluster, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = config_of(control_plane)
    command = ["-c", "echo 'session expired' >&2; exit 7"]
    login = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "sh",
        "args": command,
        "interactiveMode": "Never",
    }
    config["users"][0]["user"] = {"exec": login}
    assert diff_with(config, file) == ExitCode.UNREACHABLE
    assert "session expired" in sentence(capsys)
    login["command"] = "no-such-login"
    assert diff_with(config, file) == ExitCode.UNREACHABLE
    assert "no-such-login" in sentence(capsys)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Cannot use the kubeconfig"),
        ("a: [", "Cannot use the kubeconfig"),
        ("kind: Config", "Cannot use the kubeconfig"),
    ],
)
def test_broken_kubeconfig_is_named(text: str, message: str, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert diff_with(text, file) == ExitCode.UNREACHABLE
    assert message in sentence(capsys)


def test_missing_context_and_file_are_named(
    control_plane: LiveCluster, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert diff_with(config_of(control_plane), file, "--context", "none") == ExitCode.UNREACHABLE
    assert sentence(capsys).endswith("has no context 'none'.")
    assert main(["diff", str(file), "--kubeconfig", "/no/such/config"]) == ExitCode.UNREACHABLE
    assert "There is no kubeconfig /no/such/config" in sentence(capsys)


def test_missing_permission_is_named(
    control_plane: LiveCluster, operator_kubeconfig: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The administrator impersonates a user without rights."""
    assert operator_kubeconfig.exists()  # the CRD is installed
    options = ("--as", "jane", "--as-group", "a", "--as-group", "b")
    assert diff_with(config_of(control_plane), file, *options) == ExitCode.FORBIDDEN
    assert 'User "jane" cannot get resource "modelservices" in API group "modelservice.dev"' in sentence(capsys)


def connect(cluster: LiveCluster, *arguments: str) -> Cluster:
    parser = argparse.ArgumentParser()
    add_cluster(parser)
    return Cluster.connect(parser.parse_args(["--kubeconfig", str(cluster.kubeconfig), *arguments]))


def test_missing_kind_is_named(control_plane: LiveCluster) -> None:
    with pytest.raises(CliError, match=r"does not serve nothings\.nosuch\.example\.com: install its") as error:
        connect(control_plane).get(KIND, "a")
    assert error.value.code is ExitCode.UNREACHABLE
    assert connect(control_plane).find_served(KIND, "a", namespace="default") is None


def test_missing_object_has_its_exit_code(control_plane: LiveCluster, operator_kubeconfig: Path) -> None:
    assert operator_kubeconfig.exists()
    cluster = connect(control_plane)
    with pytest.raises(CliError, match='"none" not found') as error:
        cluster.get(MODEL_SERVICE, "none")
    assert error.value.code is ExitCode.NOT_FOUND
    assert cluster.find(MODEL_SERVICE, "none") is None


def test_groups_are_impersonated(control_plane: LiveCluster) -> None:
    cluster = connect(control_plane, "--as", "jane", "--as-group", "flowers", "--as-group", "system:masters")
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    user = cluster.request("POST", path, body=review)["status"]["userInfo"]
    assert user["username"] == "jane"
    assert {"flowers", "system:masters"} <= set(user["groups"])


def test_lists_are_read_page_by_page(
    control_plane: LiveCluster, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = ResourceKind(group="", version="v1", kind="ConfigMap", plural="configmaps")
    for number in range(5):
        control_plane.run_kubectl("-n", namespace, "create", "configmap", f"page-{number}")
    monkeypatch.setattr("modelservice_cli.cluster.connection.PAGE_SIZE", 2)
    assert PAGE_SIZE > 2
    names = [one["metadata"]["name"] for one in connect(control_plane).list(kind, namespace=namespace)]
    assert [name for name in names if name.startswith("page-")] == [f"page-{number}" for number in range(5)]

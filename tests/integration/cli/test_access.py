"""Kubeconfigs of many kinds against a real API server, and what goes wrong with them: one sentence, no traceback."""

import json
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

from modelservice_cli.cluster.connection import Cluster as CliCluster
from modelservice_cli.cluster.failures import ApiError
from modelservice_cli.cluster.kubeconfig import Choice, load_endpoint
from modelservice_cli.errors import ExitCode
from modelservice_operator.apimachinery.kinds import MODEL_SERVICE, ResourceKind
from tests.environment.cluster import Cluster
from tests.support.builders import model_service
from tests.support.cli import Run, runner
from tests.support.cli_proxies import Proxy, http_proxy, socks_proxy
from tests.support.namespace import NamespaceFixture

Edit = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def service(ns: NamespaceFixture) -> NamespaceFixture:
    """A namespace with a suspended ModelService."""
    ns.apply(model_service().named("iris").suspended())
    ns.wait_ready("iris")
    return ns


@pytest.fixture
def run(service: NamespaceFixture, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner(capsys, kubeconfig=service.cluster.kubeconfig, namespace=service.namespace)


def changed(
    cluster: Cluster, path: Path, *, user: dict[str, Any] | None = None, more: dict[str, Any] | None = None
) -> Path:
    """Write the administrator's kubeconfig with another user, or with more fields of the cluster."""
    body = yaml.safe_load(cluster.kubeconfig.read_text())
    body["clusters"][0]["cluster"] |= more or {}
    if user is not None:
        body["users"][0]["user"] = user
    path.write_text(yaml.safe_dump(body))
    return path


def test_wrong_name_suggests_the_nearest(run: Run) -> None:
    found = run("status", "irsi")
    assert found.code == ExitCode.NOT_FOUND
    assert found.err.endswith("did you mean iris?\n")
    assert found.err.count("\n") == 1


def test_wrong_namespace_names_the_right_one(
    service: NamespaceFixture, capsys: pytest.CaptureFixture[str], control_plane: Cluster
) -> None:
    found = runner(capsys, kubeconfig=control_plane.kubeconfig, namespace="default")("why", "iris")
    assert found.code == ExitCode.NOT_FOUND
    assert service.namespace in found.err
    assert "choose the namespace with -n" in found.err


def test_user_without_rights_is_one_sentence(service: NamespaceFixture, capsys: pytest.CaptureFixture[str]) -> None:
    kubeconfig = service.cluster.user_kubeconfig("stranger")
    found = runner(capsys, kubeconfig=kubeconfig, namespace=service.namespace)("list")
    assert found.code == ExitCode.FORBIDDEN
    assert found.err == (
        'modelservice: User "stranger" cannot list resource "modelservices" in API group "modelservice.dev" in the'
        f' namespace "{service.namespace}": ask an administrator for a role that allows it, or choose another namespace'
        " with -n.\n"
    )


def test_impersonated_user_has_no_rights_of_the_administrator(run: Run) -> None:
    found = run("list", "--as", "bob", "--as-group", "devs")
    assert found.code == ExitCode.FORBIDDEN
    assert found.err.startswith('modelservice: User "bob" cannot list')
    assert run("list", "--as", "bob", "--as-group", "system:masters", "-o", "name").code == ExitCode.OK


@pytest.fixture
def run_as_reader(service: NamespaceFixture, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs commands as a user who may read ModelServices, and nothing else."""
    name = f"reader-{service.namespace}-{uuid4().hex[:6]}"
    service.kubectl("create", "role", name, "--verb=get,list", "--resource=modelservices.modelservice.dev")
    service.kubectl("create", "rolebinding", name, f"--role={name}", f"--user={name}")
    return runner(capsys, kubeconfig=service.cluster.user_kubeconfig(name), namespace=service.namespace)


def test_reader_sees_the_status_without_hidden_kinds(run_as_reader: Run) -> None:
    found = run_as_reader("status", "iris")
    assert found.code == ExitCode.OK
    assert "you may not read: Deployment, Pod, ReplicaSet, Service" in found.out


def test_predict_without_the_right_to_list_pods_names_it(run_as_reader: Run) -> None:
    found = run_as_reader("predict", "iris")
    assert found.code == ExitCode.FORBIDDEN
    assert found.err.startswith("modelservice: You may not list the pods of ModelService iris in namespace")


def test_expired_login_is_one_sentence(service: NamespaceFixture, tmp_path: Path, capsys: Any) -> None:
    kubeconfig = changed(service.cluster, tmp_path / "config", user={"token": "expired"})
    found = runner(capsys, kubeconfig=kubeconfig)("list")
    assert found.code == ExitCode.UNREACHABLE
    assert found.err.endswith("does not accept the login (Unauthorized): log in again.\n")
    assert found.err.count("\n") == 1


def test_untrusted_certificate_is_one_sentence(service: NamespaceFixture, tmp_path: Path, capsys: Any) -> None:
    body = yaml.safe_load(service.cluster.kubeconfig.read_text())
    for name in ("certificate-authority", "certificate-authority-data"):
        body["clusters"][0]["cluster"].pop(name, None)
    (tmp_path / "config").write_text(yaml.safe_dump(body))
    found = runner(capsys, kubeconfig=tmp_path / "config")("list")
    assert found.code == ExitCode.UNREACHABLE
    assert "certificate verify failed" in found.err


@pytest.mark.parametrize(("scheme", "proxy"), [("http", http_proxy), ("socks5", socks_proxy)], ids=["http", "socks5"])
def test_list_passes_a_proxy(
    service: NamespaceFixture, tmp_path: Path, capsys: Any, scheme: str, proxy: Callable[[], Proxy]
) -> None:
    with proxy() as (port, targets):
        kubeconfig = changed(service.cluster, tmp_path / "config", more={"proxy-url": f"{scheme}://127.0.0.1:{port}"})
        found = runner(capsys, kubeconfig=kubeconfig, namespace=service.namespace)("list", "-o", "name")
    assert found.out == "modelservice.modelservice.dev/iris\n"
    assert len(targets) == 1


def test_login_program_is_asked(service: NamespaceFixture, tmp_path: Path, capsys: Any, control_plane: Cluster) -> None:
    token = control_plane.run_kubectl("create", "token", "default", "-n", service.namespace).strip()
    program = tmp_path / "login"
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": token}}
    program.write_text(f"#!{sys.executable}\nprint({json.dumps(credential)!r})\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(program), "interactiveMode": "Never"}
    kubeconfig = changed(service.cluster, tmp_path / "config", user={"exec": plugin})
    found = runner(capsys, kubeconfig=kubeconfig, namespace=service.namespace)("list")
    assert found.err.startswith(f'modelservice: User "system:serviceaccount:{service.namespace}:default" cannot list')


def test_kind_that_is_not_served_is_one_sentence(control_plane: Cluster, operator_kubeconfig: Path) -> None:
    assert operator_kubeconfig.exists()
    missing = ResourceKind(group="missing.example.com", version="v1", kind="Missing", plural="absents")
    with CliCluster(load_endpoint(Choice(control_plane.kubeconfig))) as cluster:
        with pytest.raises(ApiError) as caught:
            cluster.get(missing, "x")
        assert caught.value.is_kind_missing
        assert caught.value.code is ExitCode.UNREACHABLE
        assert cluster.find_served(missing, "x", namespace="default") is None
        assert cluster.find_served(MODEL_SERVICE, "x", namespace="default") == {}
        assert cluster.find(MODEL_SERVICE, "x", namespace="default") is None


def test_connections_are_reused_and_closed(service: NamespaceFixture) -> None:
    with CliCluster(load_endpoint(Choice(service.cluster.kubeconfig))) as cluster:
        opened: list[Any] = []
        dial = cluster.dialer.open

        def count() -> Any:
            opened.append(dial())
            return opened[-1]

        cluster.dialer.open = count  # type: ignore[method-assign]
        for _ in range(3):
            cluster.get(MODEL_SERVICE, "iris", namespace=service.namespace)
        assert len(opened) == 1
        opened[0].close()  # as a server that ends idle connections
        assert cluster.get(MODEL_SERVICE, "iris", namespace=service.namespace)["metadata"]["name"] == "iris"
        assert len(opened) == 2
    assert opened[1].fileno() == -1

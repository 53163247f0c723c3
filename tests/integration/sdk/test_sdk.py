"""The SDK against a real API server, with a running operator: sync and async."""

import asyncio
import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelservice import (
    AsyncModelService,
    Cluster,
    ConflictError,
    ForbiddenError,
    InvalidError,
    ModelService,
    ModelServiceError,
    NotFoundError,
    NotReadyError,
    PredictionError,
    UnreachableError,
    WaitTimeoutError,
    set_default_cluster,
    types,
)
from modelservice.cluster import default_cluster
from tests.support.builders import IMAGE, model_service
from tests.support.namespace import NamespaceFixture
from tests.support.notebook import run_notebook
from tests.support.python_examples import program_of

DOCUMENT = Path(__file__).parents[3] / "docs" / "sdk.md"
NOTEBOOK = Path(__file__).parents[3] / "examples" / "notebook" / "diabetes.ipynb"


@pytest.fixture
def cluster(ns: NamespaceFixture) -> Iterator[Cluster]:
    """The administrator in the namespace of the test."""
    cluster = Cluster(kubeconfig=ns.cluster.kubeconfig, namespace=ns.namespace)
    yield cluster
    cluster.close()


@pytest.fixture
def iris(cluster: Cluster) -> Iterator[ModelService]:
    """A ModelService that is described, not applied."""
    service = ModelService("iris", image=IMAGE, replicas=2, labels={"team": "flowers"}, cluster=cluster)
    yield service
    service.delete(missing_ok=True)


def user(ns: NamespaceFixture, name: str) -> Cluster:
    return Cluster(kubeconfig=ns.cluster.user_kubeconfig(name), namespace=ns.namespace)


def test_service_is_applied_read_changed_and_deleted(
    iris: ModelService, ns: NamespaceFixture, cluster: Cluster
) -> None:
    status = iris.apply().wait(timeout=60).status()
    assert status.is_ready
    assert (status.ready_replicas, status.reason) == (2, "RolloutComplete")
    assert status.url == f"http://iris.{ns.namespace}.svc"
    assert str(status) == f"Ready: RolloutComplete: {ns.condition('iris')['message']}"
    assert "RolloutComplete" in iris._repr_html_()
    assert repr(iris) == f"<ModelService {ns.namespace}/iris: {status}>"

    found = ModelService.get("iris", cluster=cluster)
    assert found.spec.replicas == 2
    assert found.labels == {"team": "flowers"}
    found.spec.replicas = 3
    found.apply().wait(timeout=60)
    assert ns.get("deployment", "iris")["spec"]["replicas"] == 3
    assert found.status().ready_replicas == 3

    found.delete(timeout=60)
    with pytest.raises(NotFoundError, match=r"^There is no ModelService iris in namespace [\w-]+\.$"):
        found.status()
    with pytest.raises(NotFoundError):
        found.delete()
    found.delete(missing_ok=True)


async def test_async_service_does_the_same(ns: NamespaceFixture, cluster: Cluster) -> None:
    iris = AsyncModelService("iris", image=IMAGE, replicas=1, cluster=cluster)
    await iris.apply()
    await iris.wait(timeout=60)
    assert (await iris.status()).is_ready
    found = await AsyncModelService.get("iris", cluster=cluster)
    assert found.manifest()["spec"]["replicas"] == 1
    assert [one.name for one in await AsyncModelService.list(cluster=cluster)] == ["iris"]
    with pytest.raises(NotFoundError, match="did you mean iris"):
        await AsyncModelService.get("irsi", cluster=cluster)
    with pytest.raises(WaitTimeoutError, match="Exposed is not True after 0 s"):
        await iris.wait("Exposed", timeout=0)
    await iris.delete(timeout=60)
    assert await AsyncModelService.list(cluster=cluster) == []
    assert ns.get("modelservices", "iris") is None


async def test_async_wait_blocks_no_other_task(cluster: Cluster) -> None:
    service = AsyncModelService("waiting", image=IMAGE, suspend=True, cluster=cluster)
    await service.apply()
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.01)

    ticking = asyncio.create_task(tick())
    waiting = asyncio.create_task(service.wait("NeverTrue"))
    await asyncio.wait({waiting}, timeout=1.5)
    assert not waiting.done()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    ticking.cancel()
    assert ticks > 20
    await service.delete()


def test_list_selects_by_labels_and_namespace(iris: ModelService, ns: NamespaceFixture, cluster: Cluster) -> None:
    iris.apply()
    assert [one.name for one in ModelService.list(selector="team=flowers", cluster=cluster)] == ["iris"]
    assert ModelService.list(selector="team=fish", cluster=cluster) == []
    everywhere = ModelService.list(namespace="", cluster=cluster)
    assert (ns.namespace, "iris") in {(one.namespace, one.name) for one in everywhere}
    assert "<td" in everywhere._repr_html_()


def test_invalid_spec_has_the_sentence_of_the_server(iris: ModelService, ns: NamespaceFixture) -> None:
    iris.spec.autoscaling = types.Autoscaling(max_replicas=1)
    iris.spec.container_port = 99_999
    with pytest.raises(InvalidError) as found:
        iris.apply()
    expected = ns.rejection_message(
        model_service().named("iris").with_spec(replicas=2, containerPort=99_999, autoscaling={"maxReplicas": 1})
    )
    causes = [line.removeprefix("* ").strip() for line in expected.splitlines() if "spec." in line]
    assert causes
    assert [cause for cause in causes if cause not in str(found.value)] == []
    assert str(found.value).startswith('The ModelService "iris" is invalid: ')
    assert "\n" not in str(found.value)


def test_unknown_field_is_refused(cluster: Cluster) -> None:
    manifest = model_service().named("iris").with_spec(autoscaling={"maxReplicas": 3, "maxReplica": 2}).manifest()
    with pytest.raises(ModelServiceError, match=r"spec\.autoscaling\.maxReplica\b"):
        ModelService.from_manifest(manifest, cluster=cluster).apply()


def test_dry_run_checks_and_stores_nothing(iris: ModelService, ns: NamespaceFixture) -> None:
    iris.apply(dry_run=True)
    assert ns.get("modelservices", "iris") is None
    iris.spec.replicas = -1
    with pytest.raises(InvalidError, match=r"spec\.replicas"):
        iris.apply(dry_run=True)


def test_field_that_is_none_again_is_reset(iris: ModelService, ns: NamespaceFixture) -> None:
    iris.spec.autoscaling = types.Autoscaling(max_replicas=4)
    iris.apply()
    assert ns.get("modelservices", "iris")["spec"]["autoscaling"]["maxReplicas"] == 4
    iris.spec.autoscaling = None
    iris.apply()
    assert "autoscaling" not in ns.get("modelservices", "iris")["spec"]


def test_field_of_another_client_is_a_conflict(iris: ModelService, ns: NamespaceFixture) -> None:
    iris.apply()
    ns.kubectl("patch", "msvc", "iris", "--type=merge", "--patch", json.dumps({"spec": {"replicas": 5}}))
    with pytest.raises(ConflictError, match=r'conflict with "kubectl-patch".*\.spec\.replicas'):
        iris.apply()
    iris.apply(force=True)
    assert ns.get("modelservices", "iris")["spec"]["replicas"] == 2


def test_user_without_rights_is_forbidden(ns: NamespaceFixture) -> None:
    stranger = user(ns, "sdk-stranger")
    expected = (
        'User "sdk-stranger" cannot get resource "modelservices" in API group "modelservice.dev" in the namespace'
        f' "{ns.namespace}": ask an administrator for a role that allows it.'
    )
    with pytest.raises(ForbiddenError) as found:
        ModelService.get("iris", cluster=stranger)
    assert str(found.value) == expected


def test_impersonated_user_has_no_other_rights(ns: NamespaceFixture) -> None:
    bob = Cluster(kubeconfig=ns.cluster.kubeconfig, namespace=ns.namespace, impersonate="bob")
    with pytest.raises(ForbiddenError, match='User "bob" cannot list'):
        ModelService.list(cluster=bob)


def test_wrong_name_suggests_the_nearest(iris: ModelService, cluster: Cluster) -> None:
    iris.apply()
    with pytest.raises(NotFoundError, match="did you mean iris"):
        ModelService.get("irsi", cluster=cluster)


def test_prediction_of_a_suspended_service_has_the_reason(iris: ModelService) -> None:
    iris.spec.suspend = True
    iris.apply().wait(timeout=60)
    with pytest.raises(NotReadyError) as found:
        iris.predict({"instances": []})
    assert str(found.value).startswith("ModelService iris is not ready: ")
    assert found.value.reason
    assert found.value.message in str(found.value)


def test_service_deleted_during_a_wait_is_not_found(iris: ModelService, ns: NamespaceFixture) -> None:
    iris.apply()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(iris.wait, "NeverTrue", timeout=60)
        ns.kubectl("delete", "msvc", "iris")
        with pytest.raises(NotFoundError):
            waiting.result()


def test_cluster_that_is_away_is_one_sentence(ns: NamespaceFixture, tmp_path: Path) -> None:
    body = yaml.safe_load(ns.cluster.kubeconfig.read_text())
    body["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    (tmp_path / "config").write_text(yaml.safe_dump(body))
    with pytest.raises(UnreachableError, match="the connection was refused") as found:
        ModelService.list(cluster=Cluster(kubeconfig=tmp_path / "config"))
    assert "\n" not in str(found.value)
    with pytest.raises(UnreachableError, match=r"name one with Cluster\(kubeconfig=\.\.\.\)"):
        ModelService.list(cluster=Cluster(kubeconfig=tmp_path / "missing"))


def test_expired_login_is_renewed(iris: ModelService, ns: NamespaceFixture, tmp_path: Path) -> None:
    iris.apply()
    ns.kubectl("create", "role", "sdk", "--verb=get,list", "--resource=modelservices.modelservice.dev")
    ns.kubectl("create", "rolebinding", "sdk", "--role=sdk", f"--serviceaccount={ns.namespace}:default")
    token = ns.kubectl("create", "token", "default").strip()
    kubeconfig = login_program(ns, tmp_path, tokens=["expired", token, "expired", "expired", token])
    cluster = Cluster(kubeconfig=kubeconfig, namespace=ns.namespace)
    assert ModelService.get("iris", cluster=cluster).name == "iris"
    other = Cluster(kubeconfig=kubeconfig, namespace=ns.namespace)
    with pytest.raises(UnreachableError, match="does not accept the login"):
        ModelService.get("iris", cluster=other)  # two expired tokens: a third login is not tried
    assert ModelService.get("iris", cluster=other).name == "iris"


def login_program(ns: NamespaceFixture, directory: Path, *, tokens: list[str]) -> Path:
    """Return a kubeconfig with an exec plugin that issues one token after another."""
    credential: dict[str, Any] = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}
    program, left = directory / "login", directory / "tokens"
    left.write_text("\n".join(tokens))
    program.write_text(
        f"#!{sys.executable}\nimport json, pathlib\npath = pathlib.Path({str(left)!r})\n"
        "token, *rest = path.read_text().split()\npath.write_text('\\n'.join(rest))\n"
        f"print(json.dumps({credential!r} | {{'status': {{'token': token}}}}))\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    body = yaml.safe_load(ns.cluster.kubeconfig.read_text())
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(program), "interactiveMode": "Never"}
    body["users"][0]["user"] = {"exec": plugin}
    (directory / "config").write_text(yaml.safe_dump(body))
    return directory / "config"


def test_threads_share_a_cluster(ns: NamespaceFixture, cluster: Cluster) -> None:
    services = [ModelService(f"thread-{number}", image=IMAGE, suspend=True, cluster=cluster) for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda service: service.apply().wait(timeout=60), services))
        assert len(ModelService.list(cluster=cluster)) >= 8
        list(pool.map(lambda service: service.delete(timeout=60), services))
    assert ns.kubectl("get", "msvc", "-o", "name") == ""


def test_default_cluster_is_the_current_context(ns: NamespaceFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelservice.cluster._default", [])
    monkeypatch.setenv("KUBECONFIG", str(ns.cluster.kubeconfig))
    assert ModelService("iris", image=IMAGE).namespace == "default"
    set_default_cluster(Cluster(kubeconfig=ns.cluster.kubeconfig, namespace=ns.namespace))
    assert ModelService("iris", image=IMAGE).namespace == ns.namespace
    assert ModelService.list() == []
    default_cluster().close()


def test_notebook_runs_apart_from_predictions(ns: NamespaceFixture, tmp_path: Path) -> None:
    """Without the cells that need a server behind the pods: tests/e2e/test_sdk.py runs those."""
    outputs = run_notebook(NOTEBOOK, tmp_path, {"KUBECONFIG": str(own_context(ns, tmp_path))}, without_tags={"model"})
    assert "RolloutComplete" in outputs[1]
    assert any(output == "2 replicas\n" for output in outputs)
    assert outputs[-1] == f"There is no ModelService diabetes-notebook in namespace {ns.namespace}.\n"


def own_context(ns: NamespaceFixture, directory: Path) -> Path:
    """Return a kubeconfig whose context has the namespace of the test."""
    path = directory / "kubeconfig"
    path.write_text(ns.cluster.kubeconfig.read_text())
    ns.kubectl("config", "set-context", "--current", f"--namespace={ns.namespace}", f"--kubeconfig={path}")
    return path


def test_examples_of_the_document_run(ns: NamespaceFixture, tmp_path: Path) -> None:
    printed = run_program(ns, tmp_path, program_of(DOCUMENT, with_server=False))
    assert "Ready: RolloutComplete: All 2 replicas are available.\n" in printed
    assert 'The ModelService "iris" is invalid: spec.containerPort: Invalid value: 99999' in printed
    assert f"There is no ModelService no-such-model in namespace {ns.namespace}.\n" in printed
    assert printed.endswith("0 ModelServices\n")
    assert ns.kubectl("get", "msvc", "-o", "name") == ""


def run_program(ns: NamespaceFixture, directory: Path, program: str) -> str:
    """Run a program as a user does, and return what it prints."""
    environment = os.environ | {"KUBECONFIG": str(own_context(ns, directory))}
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], env=environment, capture_output=True, text=True, check=False,
        timeout=240,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_prediction_without_rights_is_forbidden(iris: ModelService, ns: NamespaceFixture) -> None:
    iris.apply().wait(timeout=60)
    reader = user(ns, "sdk-reader")
    grant(ns, "sdk-reader", "modelservices.modelservice.dev")
    expected = f"You may not list the pods of ModelService iris in namespace {ns.namespace}: ask an administrator"
    with pytest.raises(ForbiddenError, match=re.escape(expected)):
        ModelService.get("iris", cluster=reader).predict()
    grant(ns, "sdk-reader", "pods")
    with pytest.raises(ForbiddenError, match=r'User "sdk-reader" cannot \w+ resource "pods/portforward"'):
        ModelService.get("iris", cluster=reader).predict()


def grant(ns: NamespaceFixture, name: str, resource: str) -> None:
    """Let a user read a resource."""
    role = f"{name}-{resource.partition('.')[0]}"
    ns.kubectl("create", "role", role, "--verb=get,list", f"--resource={resource}")
    ns.kubectl("create", "rolebinding", role, f"--role={role}", f"--user={name}")


def test_pod_that_does_not_answer_is_one_sentence(iris: ModelService) -> None:
    """Simulated nodes have no kubelet that could forward a port."""
    iris.apply().wait(timeout=60)
    with pytest.raises(ModelServiceError) as found:
        iris.predict(timeout=5)
    assert "\n" not in str(found.value)
    assert not isinstance(found.value, NotReadyError)


def test_url_that_does_not_answer_is_a_prediction_error(iris: ModelService) -> None:
    with pytest.raises(PredictionError, match=r"Cannot reach http://127\.0\.0\.1:1/.*Without url, ") as found:
        iris.predict(url="http://127.0.0.1:1/")
    assert found.value.status is None
    with pytest.raises(ModelServiceError, match="is not an http or https URL"):
        iris.predict(url="127.0.0.1")

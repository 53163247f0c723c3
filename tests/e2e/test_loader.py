"""Models from stores, in real pods: the server's image has no say in where its model comes from."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.environment import images
from tests.environment.cluster import Cluster
from tests.environment.cluster.build import goarch
from tests.environment.cluster.oci import write_archive
from tests.environment.images import ImageName
from tests.environment.stores import mlflow, s3
from tests.environment.stores.serving import Store, in_node, write
from tests.support.builders import IMAGE, ModelServiceBuilder
from tests.support.forwarding import forwarded_port
from tests.support.image_files import file_of
from tests.support.namespace import TestNamespace

SMALL = {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}}
SERVER = ModelServiceBuilder().with_spec(
    image=IMAGE,
    imagePullPolicy="IfNotPresent",
    resources=SMALL,
    probes={"readiness": {"httpGet": {"path": "/isAlive"}}},
)
CANARY = "canary-9f31c6d2"


@dataclass(frozen=True)
class Stores:
    """What the node's stores hold: the example's model, on S3 and registered twice."""

    s3: Store
    bucket: Path
    tracking: mlflow.Tracking
    model: bytes

    @property
    def digest(self) -> str:
        return f"sha256:{hashlib.sha256(self.model).hexdigest()}"


@pytest.fixture(scope="module")
def stores(node_cluster: Cluster) -> Stores:
    place = in_node(node_cluster)
    store, bucket = s3.start(place)
    tracking = mlflow.start(place)
    model = file_of(images.build(ImageName.DIABETES)[ImageName.DIABETES], "app/model.joblib")
    write(bucket / "diabetes" / "v1", {"model.joblib": model})
    tracking.point("diabetes", "champion", tracking.register("diabetes", f"s3://{s3.BUCKET}/diabetes/v1"))
    return Stores(store, bucket, tracking, model)


@pytest.fixture(scope="module", autouse=True)
def secrets(world: TestNamespace, stores: Stores) -> Iterator[None]:
    give(world, "right", {**stores.s3.environment, **stores.tracking.store.environment})
    give(world, "wrong", stores.s3.but(AWS_SECRET_ACCESS_KEY=CANARY))
    give(world, "stranger", stores.s3.but(AWS_ACCESS_KEY_ID=s3.STRANGER_KEY, AWS_SECRET_ACCESS_KEY=s3.STRANGER_SECRET))
    yield
    everything = "modelservices,deployments,replicasets,pods,services,events"
    seen = world.kubectl("get", everything, "-o", "json") + world.operator_log()
    assert CANARY not in seen


def give(world: TestNamespace, name: str, values: dict[str, str]) -> None:
    """Make a Secret, or change it."""
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": values}
    world.kubectl("apply", "-f", "-", stdin=json.dumps(body))


def with_model(name: str, uri: str, *, login: str = "right", **fields: Any) -> ModelServiceBuilder:
    model = {"uri": uri, "credentials": {"secretRef": {"name": login}}, **fields}
    return SERVER.named(name).with_spec(model=model)


def predicts(world: TestNamespace, name: str) -> float:
    with forwarded_port(world.cluster, f"service/{name}", 80, namespace=world.namespace) as address:
        answer = httpx.get(f"{address}/prediction/", params={"f": "0.05"}, trust_env=False, timeout=10)
        return float(answer.raise_for_status().json()["prediction"])


def model_status(world: TestNamespace, name: str) -> dict[str, Any]:
    status: dict[str, Any] = world.service(name)["status"].get("model", {})
    return status


def told(world: TestNamespace, name: str, reason: str) -> Callable[[], bool]:
    """A condition: ModelLoaded and Ready both say why there is no model."""

    def holds() -> bool:
        conditions = world.condition(name, "ModelLoaded"), world.condition(name)
        return all((entry.get("status"), entry.get("reason")) == ("False", reason) for entry in conditions)

    return holds


def test_a_model_on_s3_is_there_before_the_server_starts(
    world: TestNamespace, stores: Stores, figure: Callable[[str], None]
) -> None:
    world.apply(with_model("store", "s3://models/diabetes/v1"))
    world.wait_ready("store", within=90)
    assert predicts(world, "store") == pytest.approx(199.6, abs=0.1)
    loaded = world.condition("store", "ModelLoaded")
    size = len(stores.model)
    assert loaded["message"] == f"The model was loaded from s3://models/diabetes/v1 (1 file, {size} bytes)."
    expected = {"uri": "s3://models/diabetes/v1", "resolvedURI": "s3://models/diabetes/v1", "digest": stores.digest}
    assert model_status(world, "store") == {**expected, "state": "Loaded"}
    figure(f"loader: a model of {size} bytes on S3 is loaded, {loaded['message']}")


def test_an_alias_of_the_registry_is_resolved(world: TestNamespace, stores: Stores) -> None:
    world.apply(with_model("alias", "models:/diabetes@champion", sha256=stores.digest.removeprefix("sha256:")))
    world.wait_ready("alias", within=90)
    assert predicts(world, "alias") == pytest.approx(199.6, abs=0.1)
    assert model_status(world, "alias")["resolvedURI"] == "models:/diabetes/1 (s3://models/diabetes/v1)"


def test_the_registry_hands_artifacts_out_without_a_cloud_key(world: TestNamespace, stores: Stores) -> None:
    version = stores.tracking.publish("handed-out", {"model.joblib": stores.model})
    give(world, "tracking", dict(stores.tracking.store.environment))
    world.apply(with_model("proxied", f"models:/handed-out/{version}", login="tracking"))
    world.wait_ready("proxied", within=90)
    assert predicts(world, "proxied") == pytest.approx(199.6, abs=0.1)


def test_a_wrong_key_is_told_and_heals(world: TestNamespace) -> None:
    world.apply(with_model("denied", "s3://models/diabetes/v1", login="stranger"))
    world.wait(told(world, "denied", "AccessDenied"), "AccessDenied", within=60, name="denied")
    assert world.condition("denied")["message"] == (
        "The only pod: the model cannot be loaded: s3://models/diabetes/v1 cannot be read with these credentials."
        " Grant them permission to read and list it, or use others in model.credentials."
    )
    assert model_status(world, "denied")["state"] == "Failed"
    world.apply(with_model("denied", "s3://models/diabetes/v1"))
    world.wait_ready("denied", within=90)
    assert world.condition("denied", "ModelLoaded")["status"] == "True"


def test_credentials_that_the_store_does_not_know_are_told(world: TestNamespace) -> None:
    world.apply(with_model("unknown", "s3://models/diabetes/v1", login="wrong"))
    world.wait(told(world, "unknown", "InvalidCredentials"), "InvalidCredentials", within=60, name="unknown")
    pods = world.kubectl("get", "pods", "--selector=app.kubernetes.io/instance=unknown", "-o", "name").split()
    assert CANARY not in world.kubectl("logs", pods[0], "-c", "model-loader")


def test_a_missing_model_is_told_and_heals_when_it_is_uploaded(world: TestNamespace, stores: Stores) -> None:
    world.apply(with_model("late", "s3://models/diabetes/v2"))
    world.wait(told(world, "late", "ModelNotFound"), "ModelNotFound", within=60, name="late")
    assert "There is no file at s3://models/diabetes/v2." in world.condition("late")["message"]
    write(stores.bucket / "diabetes" / "v2", {"model.joblib": stores.model})
    world.wait_ready("late", within=120)


def test_a_model_that_does_not_fit_is_refused_before_the_first_byte(world: TestNamespace) -> None:
    world.apply(with_model("large", "s3://models/diabetes/v1", cache={"emptyDir": {"sizeLimit": "100"}}))
    world.wait(told(world, "large", "TooLarge"), "TooLarge", within=60, name="large")
    assert "at most 100 are allowed" in world.condition("large")["message"]


def test_replicas_share_a_claim_and_fetch_once(world: TestNamespace, stores: Stores) -> None:
    a_claim(world, "shared", stores.bucket.parents[2] / "claim")
    cache = {"persistentVolumeClaim": {"claimName": "shared", "subPath": "models"}}
    world.apply(with_model("shared", "s3://models/diabetes/v1", cache=cache).with_spec(replicas=2))
    world.wait_ready("shared", within=90)
    assert predicts(world, "shared") == pytest.approx(199.6, abs=0.1)
    said = reports(world, "shared")
    assert sorted(report["reason"] for report in said) == ["Cached", "Loaded"]
    assert {report["digest"] for report in said} == {stores.digest}
    # A pod that is started anew finds the model where it was, with the store gone.
    store_is_away = stores.bucket.with_name("away")
    stores.bucket.rename(store_is_away)
    world.kubectl("delete", "pods", "--selector=app.kubernetes.io/instance=shared", "--wait=true")
    world.wait_ready("shared", within=90)
    assert {report["reason"] for report in reports(world, "shared")} == {"Cached"}
    store_is_away.rename(stores.bucket)


def test_a_claim_that_holds_a_model_is_mounted(world: TestNamespace, stores: Stores) -> None:
    folder = stores.bucket.parents[2] / "filled"
    a_claim(world, "filled", folder)
    write(folder, {"models/diabetes/model.joblib": stores.model})
    world.apply(SERVER.named("mounted").with_spec(model={"uri": "pvc://filled/models/diabetes"}))
    world.wait_ready("mounted", within=60)
    assert predicts(world, "mounted") == pytest.approx(199.6, abs=0.1)
    assert world.condition("mounted", "ModelLoaded")["message"] == "The model is mounted."


def test_an_image_that_holds_a_model_is_mounted(world: TestNamespace, stores: Stores, tmp_path: Path) -> None:
    archive, name = tmp_path / "model.tar", "modelservice.dev/tests/model:1"
    content = {"models/model.joblib": stores.model}
    write_archive(archive, name, content, entrypoint=("/none",), architecture=goarch())
    world.cluster.load_image(archive)
    world.apply(SERVER.named("modelcar").with_spec(model={"uri": f"oci://{name}"}))
    world.wait_ready("modelcar", within=60)
    assert predicts(world, "modelcar") == pytest.approx(199.6, abs=0.1)
    assert world.condition("modelcar", "ModelLoaded")["status"] == "True"


def test_an_alias_that_moves_rolls_the_pods_and_an_unmoved_one_does_nothing(
    world: TestNamespace, stores: Stores
) -> None:
    tracking, folder = stores.tracking, f"s3://{s3.BUCKET}/followed"
    for number in ("1", "2"):
        write(stores.bucket / "followed" / number, {"model.joblib": stores.model})
        assert tracking.register("followed", f"{folder}/{number}") == number
    tracking.point("followed", "champion", "1")
    world.apply(with_model("followed", "models:/followed@champion", updatePolicy="Auto", refreshIntervalSeconds=86_400))
    world.wait_ready("followed", within=90)
    assert model_status(world, "followed")["resolvedURI"] == f"models:/followed/1 ({folder}/1)"

    before = look(world, "followed", "unmoved")
    assert untouched(world, "followed") == before
    tracking.point("followed", "champion", "2")
    look(world, "followed", "moved")

    def rolled() -> bool:
        resolved = model_status(world, "followed").get("resolvedURI") == f"models:/followed/2 ({folder}/2)"
        return resolved and world.is_ready("followed")

    world.wait(rolled, "rollout to version 2", within=90, name="followed")
    before = look(world, "followed", "again")
    assert untouched(world, "followed") == before


def look(world: TestNamespace, name: str, job: str) -> tuple[str, str]:
    """Have the CronJob's pod look now; return how the objects were before."""
    before = untouched(world, name)
    world.kubectl("create", "job", job, f"--from=cronjob/{name}")
    world.kubectl("wait", f"job/{job}", "--for=condition=Complete", "--timeout=60s")
    return before


def untouched(world: TestNamespace, name: str) -> tuple[str, str]:
    """Versions that grow with each write of the operator's."""
    service, deployment = world.service(name), world.get("deployment", name)
    return service["metadata"]["resourceVersion"], str(deployment["metadata"]["generation"])


def a_claim(world: TestNamespace, name: str, folder: Path) -> None:
    """Make a claim of a folder of the node that many pods may write."""
    folder.mkdir()
    folder.chmod(0o777)
    volume_name = f"{name}-{world.namespace}"
    size, modes = {"storage": "1Gi"}, ["ReadWriteMany"]
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": volume_name},
        "spec": {
            "capacity": size,
            "accessModes": modes,
            "hostPath": {"path": str(folder)},
            "claimRef": {"namespace": world.namespace, "name": name},
        },
    }
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {
            "accessModes": modes,
            "storageClassName": "",
            "volumeName": volume_name,
            "resources": {"requests": size},
        },
    }
    for body in (volume, claim):
        world.kubectl("apply", "-f", "-", stdin=json.dumps(body))


def reports(world: TestNamespace, name: str) -> list[dict[str, Any]]:
    """What the loaders of the running pods said at their ends."""
    pods = json.loads(world.kubectl("get", "pods", f"--selector=app.kubernetes.io/instance={name}", "-o", "json"))
    alive = [pod for pod in pods["items"] if not pod["metadata"].get("deletionTimestamp")]
    ends = [pod["status"]["initContainerStatuses"][0]["state"]["terminated"]["message"] for pod in alive]
    return [json.loads(text) for text in ends]

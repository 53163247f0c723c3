"""Models from stores in real pods, independent of the server's image."""

import hashlib
import json
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from blake3 import blake3

from model_loader.pack import pack_directory
from tests.environment import images
from tests.environment.cluster import Cluster
from tests.environment.cluster.build import goarch
from tests.environment.images import ImageName
from tests.environment.stores import mlflow, s3
from tests.environment.stores.serving import Store, in_node, write
from tests.support.builders import IMAGE, ModelServiceBuilder
from tests.support.forwarding import port_forward
from tests.support.image_files import read_image_file
from tests.support.namespace import NamespaceFixture

SMALL_RESOURCES = {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}}
SERVER = ModelServiceBuilder().with_spec(
    image=IMAGE,
    imagePullPolicy="IfNotPresent",
    resources=SMALL_RESOURCES,
    probes={"readiness": {"httpGet": {"path": "/isAlive"}}},
)
CANARY = "canary-9f31c6d2"
KEY = "AWS_SECRET_ACCESS_KEY"


@dataclass(frozen=True)
class Stores:
    """The stores of the node, with the example's model on S3 and in the MLflow registry."""

    s3: Store
    bucket: Path
    tracking: mlflow.Tracking
    model: bytes

    @property
    def digest(self) -> str:
        return f"blake3:{blake3(self.model).hexdigest()}"

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.model).hexdigest()


@pytest.fixture(scope="module")
def stores(node_cluster: Cluster) -> Stores:
    place = in_node(node_cluster)
    store, bucket = s3.start(place)
    tracking = mlflow.start(place)
    model = read_image_file(images.build(ImageName.DIABETES)[ImageName.DIABETES], "app/model.joblib")
    write(bucket / "diabetes" / "v1", {"model.joblib": model})
    tracking.point("diabetes", "champion", tracking.register("diabetes", f"s3://{s3.BUCKET}/diabetes/v1"))
    return Stores(store, bucket, tracking, model)


@pytest.fixture(scope="module", autouse=True)
def secrets(ns: NamespaceFixture, stores: Stores) -> None:
    apply_secret(ns, "right", {**stores.s3.environment, **stores.tracking.store.environment})
    apply_secret(ns, "wrong", stores.s3.but(AWS_SECRET_ACCESS_KEY=CANARY))
    apply_secret(
        ns, "stranger", stores.s3.but(AWS_ACCESS_KEY_ID=s3.STRANGER_KEY, AWS_SECRET_ACCESS_KEY=s3.STRANGER_SECRET)
    )


@pytest.fixture(autouse=True)
def free_node(ns: NamespaceFixture) -> Iterator[None]:
    """Delete the ModelServices of a test: the node has no CPU for the pods of all of them. None shows the canary."""
    yield
    everything = "modelservices,deployments,replicasets,pods,services,events"
    assert CANARY not in ns.kubectl("get", everything, "-o", "json") + ns.operator_log()
    ns.kubectl("delete", "modelservices", "--all", "--wait=false")


def apply_secret(ns: NamespaceFixture, name: str, values: dict[str, str]) -> None:
    """Create or change a Secret."""
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": values}
    ns.kubectl("apply", "-f", "-", stdin=json.dumps(body))


def with_model(name: str, uri: str, *, login: str = "right", **fields: Any) -> ModelServiceBuilder:
    model = {"uri": uri, "credentials": {"secretRef": {"name": login}}, **fields}
    return SERVER.named(name).with_spec(model=model)


def predict(ns: NamespaceFixture, name: str) -> float:
    with port_forward(ns.cluster, f"service/{name}", 80, namespace=ns.namespace) as address:
        answer = httpx.get(f"{address}/prediction/", params={"f": "0.05"}, trust_env=False, timeout=30)
        return float(answer.raise_for_status().json()["prediction"])


def model_status(ns: NamespaceFixture, name: str) -> dict[str, Any]:
    status: dict[str, Any] = ns.get_model_service(name)["status"].get("model", {})
    return status


def reports_reason(ns: NamespaceFixture, name: str, reason: str) -> Callable[[], bool]:
    """Return a predicate: ModelLoaded and Ready both report why no model is loaded."""

    def holds() -> bool:
        conditions = ns.condition(name, "ModelLoaded"), ns.condition(name)
        return all((entry.get("status"), entry.get("reason")) == ("False", reason) for entry in conditions)

    return holds


def test_s3_model_is_loaded_before_the_server_starts(
    ns: NamespaceFixture, stores: Stores, figure: Callable[[str], None]
) -> None:
    ns.apply(with_model("store", "s3://models/diabetes/v1"))
    ns.wait_ready("store", within=120)
    assert predict(ns, "store") == pytest.approx(199.6, abs=0.1)
    loaded = ns.condition("store", "ModelLoaded")
    size = len(stores.model)
    assert loaded["message"] == f"The model was loaded from s3://models/diabetes/v1 (1 file, {size} bytes)."
    expected = {"uri": "s3://models/diabetes/v1", "resolvedURI": "s3://models/diabetes/v1", "digest": stores.digest}
    assert model_status(ns, "store") == {**expected, "state": "Loaded"}
    figure(f"loader: a model of {size} bytes on S3 is loaded, {loaded['message']}")


def test_registry_alias_is_resolved(ns: NamespaceFixture, stores: Stores) -> None:
    ns.apply(with_model("alias", "models:/diabetes@champion", sha256=stores.sha256))
    ns.wait_ready("alias", within=120)
    assert predict(ns, "alias") == pytest.approx(199.6, abs=0.1)
    assert model_status(ns, "alias")["resolvedURI"] == "models:/diabetes/1 (s3://models/diabetes/v1)"


def test_registry_proxies_artifacts_without_cloud_keys(ns: NamespaceFixture, stores: Stores) -> None:
    version = stores.tracking.publish("handed-out", {"model.joblib": stores.model})
    apply_secret(ns, "tracking", dict(stores.tracking.store.environment))
    ns.apply(with_model("proxied", f"models:/handed-out/{version}", login="tracking"))
    ns.wait_ready("proxied", within=120)
    assert predict(ns, "proxied") == pytest.approx(199.6, abs=0.1)


def test_access_denied_is_reported_and_recovers(ns: NamespaceFixture) -> None:
    ns.apply(with_model("denied", "s3://models/diabetes/v1", login="stranger"))
    ns.wait(reports_reason(ns, "denied", "AccessDenied"), "AccessDenied", within=120, name="denied")
    assert ns.condition("denied")["message"] == (
        "The only pod: the model cannot be loaded: s3://models/diabetes/v1 cannot be read with these credentials."
        " Grant them permission to read and list it, or use others in model.credentials."
    )
    assert model_status(ns, "denied")["state"] == "Failed"
    ns.apply(with_model("denied", "s3://models/diabetes/v1"))
    ns.wait_ready("denied", within=120)
    assert ns.condition("denied", "ModelLoaded")["status"] == "True"


def test_unknown_credentials_are_reported(ns: NamespaceFixture) -> None:
    ns.apply(with_model("unknown", "s3://models/diabetes/v1", login="wrong"))
    ns.wait(reports_reason(ns, "unknown", "InvalidCredentials"), "InvalidCredentials", within=120, name="unknown")
    pods = ns.kubectl("get", "pods", "--selector=app.kubernetes.io/instance=unknown", "-o", "name").split()
    assert CANARY not in ns.kubectl("logs", pods[0], "-c", "model-loader")


SEE_PROCESSES = """
import pathlib
for file in pathlib.Path("/proc").glob("[0-9]*/*"):
    if file.name in {"environ", "cmdline", "mountinfo"}:
        try: print(file.read_bytes().decode(errors="replace"))
        except OSError: pass
"""
"""Prints the environment, the arguments and the mounts of all processes of a container."""


def test_credentials_stay_in_the_loader(ns: NamespaceFixture, stores: Stores) -> None:
    """The Secret has more than the model needs; nothing of it is in the server, and only the loader mounts it."""
    login = {"auths": {"registry.example.com": {"auth": b64encode(f"robot:{CANARY}".encode()).decode()}}}
    values = {"HF_TOKEN": CANARY, ".dockerconfigjson": json.dumps(login), "unknown.key": CANARY}
    apply_secret(ns, "more", {**stores.s3.environment, **values})
    ns.apply(with_model("secret", "s3://models/diabetes/v1", login="more"))
    ns.wait_ready("secret", within=120)
    seen = ns.kubectl("exec", "deployment/secret", "-c", "model", "--", "python3", "-c", SEE_PROCESSES)
    assert "MODEL_PATH=" in seen
    for hidden in (CANARY, b64encode(f"robot:{CANARY}".encode()).decode(), stores.s3.environment[KEY], "/model-creden"):
        assert hidden not in seen
    pods = ns.kubectl("get", "pods", "--selector=app.kubernetes.io/instance=secret", "-o", "json")
    [pod] = json.loads(pods)["items"]
    containers = pod["spec"]["initContainers"] + pod["spec"]["containers"]
    assert [one["name"] for one in containers if "model-credentials" in str(one["volumeMounts"])] == ["model-loader"]
    log = ns.kubectl("logs", pod["metadata"]["name"], "-c", "model-loader")
    assert '"keys": "unknown.key"' in log
    assert CANARY not in log


@pytest.mark.parametrize("user", [{"runAsUser": 20_001}, {"runAsUser": 20_001, "runAsGroup": 0}, {"fsGroup": 30_001}])
def test_every_user_can_read_the_credentials(ns: NamespaceFixture, user: dict[str, int]) -> None:
    name = f"user-{'-'.join(str(number) for number in user.values())}"
    ns.apply(with_model(name, "s3://models/diabetes/v1").with_spec(**user))
    ns.wait_ready(name, within=120)


def test_dangerous_key_of_a_secret_is_reported(ns: NamespaceFixture, stores: Stores) -> None:
    apply_secret(ns, "preload", stores.s3.but(LD_PRELOAD=f"/model-cache/{CANARY}.so"))
    ns.apply(with_model("preload", "s3://models/diabetes/v1", login="preload"))
    ns.wait(reports_reason(ns, "preload", "InvalidCredentials"), "InvalidCredentials", within=120, name="preload")
    assert "has the key LD_PRELOAD, which can change how programs run" in ns.condition("preload")["message"]


READ_ADAPTERS = """
import pathlib
for path in ("/mnt/models-extra/chat", "/opt/adapters/sql"):
    print(path, (pathlib.Path(path) / "adapter.bin").read_text())
"""


def test_extra_models_are_loaded_beside_the_model(ns: NamespaceFixture, stores: Stores) -> None:
    names = ("chat", "sql")
    for name in names:
        write(stores.bucket / "adapters" / name, {"adapter.bin": name.encode()})
    login = {"credentials": {"secretRef": {"name": "right"}}}
    extra = [{"name": name, "uri": f"s3://models/adapters/{name}", **login} for name in names]
    extra[1] |= {"path": "/opt/adapters/sql"}
    ns.apply(with_model("extra", "s3://models/diabetes/v1", extra=extra))
    ns.wait_ready("extra", within=120)
    assert predict(ns, "extra") == pytest.approx(199.6, abs=0.1)
    seen = ns.kubectl("exec", "deployment/extra", "-c", "model", "--", "python3", "-c", READ_ADAPTERS)
    assert seen.split() == ["/mnt/models-extra/chat", "chat", "/opt/adapters/sql", "sql"]
    assert model_status(ns, "extra")["digest"] == stores.digest
    assert model_status(ns, "extra")["extra"] == [
        {
            "name": name,
            "uri": f"s3://models/adapters/{name}",
            "resolvedURI": f"s3://models/adapters/{name}",
            "digest": f"blake3:{blake3(name.encode()).hexdigest()}",
            "state": "Loaded",
        }
        for name in names
    ]
    message = ns.condition("extra", "ModelLoaded")["message"]
    assert message.endswith("Extra models loaded: chat, sql.")


def test_missing_extra_model_is_reported(ns: NamespaceFixture) -> None:
    login = {"credentials": {"secretRef": {"name": "right"}}}
    extra = [{"name": name, "uri": f"s3://models/adapters/no-{name}", **login} for name in ("chat", "sql")]
    ns.apply(with_model("no-extra", "s3://models/diabetes/v1", extra=extra))
    ns.wait(reports_reason(ns, "no-extra", "ModelNotFound"), "ModelNotFound", within=120, name="no-extra")
    assert "the extra model chat cannot be loaded" in ns.condition("no-extra", "ModelLoaded")["message"]
    assert model_status(ns, "no-extra")["state"] == "Loaded"
    assert [one["state"] for one in model_status(ns, "no-extra")["extra"]] == ["Failed", "Pending"]


def test_missing_model_is_reported_until_uploaded(ns: NamespaceFixture, stores: Stores) -> None:
    ns.apply(with_model("late", "s3://models/diabetes/v2"))
    ns.wait(reports_reason(ns, "late", "ModelNotFound"), "ModelNotFound", within=120, name="late")
    assert "There is no file at s3://models/diabetes/v2." in ns.condition("late")["message"]
    write(stores.bucket / "diabetes" / "v2", {"model.joblib": stores.model})
    ns.wait_ready("late", within=120)


def test_too_large_model_is_rejected_before_download(ns: NamespaceFixture) -> None:
    ns.apply(with_model("large", "s3://models/diabetes/v1", cache={"emptyDir": {"sizeLimit": "100"}}))
    ns.wait(reports_reason(ns, "large", "TooLarge"), "TooLarge", within=120, name="large")
    assert "at most 100 are allowed" in ns.condition("large")["message"]


def test_replicas_share_a_cache_and_download_once(ns: NamespaceFixture, stores: Stores) -> None:
    create_claim(ns, "shared", stores.bucket.parents[2] / "claim")
    cache = {"persistentVolumeClaim": {"claimName": "shared", "subPath": "models"}}
    ns.apply(with_model("shared", "s3://models/diabetes/v1", cache=cache).with_spec(replicas=2))
    ns.wait_ready("shared", within=120)
    assert predict(ns, "shared") == pytest.approx(199.6, abs=0.1)
    said = loader_reports(ns, "shared")
    assert sorted(report["reason"] for report in said) == ["Cached", "Loaded"]
    assert {report["digest"] for report in said} == {stores.digest}
    # A new pod finds the model in the cache while the store is unavailable.
    store_is_away = stores.bucket.with_name("away")
    stores.bucket.rename(store_is_away)
    ns.kubectl("delete", "pods", "--selector=app.kubernetes.io/instance=shared", "--wait=true")
    ns.wait_ready("shared", within=120)
    assert {report["reason"] for report in loader_reports(ns, "shared")} == {"Cached"}
    store_is_away.rename(stores.bucket)


SLOW_STORE = """
import sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(50 << 16))
        self.end_headers()
        for _ in range(50):
            self.wfile.write(b"weights." * 8192)
            time.sleep(1)
ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
"""
"""A file of 50 times 64 KiB, one each second."""


def test_status_shows_the_progress_of_a_slow_load(ns: NamespaceFixture, node_cluster: Cluster) -> None:
    place = in_node(node_cluster)
    port = place.port()
    command = [sys.executable, "-c", SLOW_STORE, place.host, str(port)]
    place.start("slow-store", command, ready=lambda: place.listens(port))
    ns.apply(SERVER.named("slow").with_spec(model={"uri": f"http://{place.host}:{port}/model.bin"}))
    ns.wait(lambda: "secondsLeft" in model_status(ns, "slow").get("progress", {}), "progress", within=90, name="slow")
    progress = model_status(ns, "slow")["progress"]
    assert progress["totalBytes"] == 50 << 16
    assert 0 < progress["percent"] < 100
    assert 0 < progress["secondsLeft"] <= 50
    ns.wait(lambda: model_status(ns, "slow").get("state") == "Loaded", "the model", within=90, name="slow")
    assert "progress" not in model_status(ns, "slow")


def test_pvc_model_is_mounted(ns: NamespaceFixture, stores: Stores) -> None:
    directory = stores.bucket.parents[2] / "filled"
    create_claim(ns, "filled", directory)
    write(directory, {"models/diabetes/model.joblib": stores.model})
    ns.apply(SERVER.named("mounted").with_spec(model={"uri": "pvc://filled/models/diabetes"}))
    ns.wait_ready("mounted", within=120)
    assert predict(ns, "mounted") == pytest.approx(199.6, abs=0.1)
    assert ns.condition("mounted", "ModelLoaded")["message"] == "The model is mounted."


def test_packed_model_is_mounted(ns: NamespaceFixture, stores: Stores, tmp_path: Path) -> None:
    """The node has the image: both pods are ready, although no registry has that name."""
    archive, name = tmp_path / "model.tar", "modelservice.dev/tests/model:1"
    write(tmp_path / "model", {"model.joblib": stores.model})
    pack_directory(tmp_path / "model", archive, name=name, architecture=goarch())
    ns.cluster.load_image(archive)
    ns.apply(SERVER.named("modelcar").with_spec(model={"uri": f"oci://{name}"}, replicas=2))
    ns.wait_ready("modelcar", within=120)
    assert predict(ns, "modelcar") == pytest.approx(199.6, abs=0.1)
    assert ns.condition("modelcar", "ModelLoaded")["status"] == "True"


def test_moved_registry_alias_rolls_the_pods(ns: NamespaceFixture, stores: Stores) -> None:
    tracking, directory = stores.tracking, f"s3://{s3.BUCKET}/followed"
    for number in ("1", "2"):
        write(stores.bucket / "followed" / number, {"model.joblib": stores.model})
        assert tracking.register("followed", f"{directory}/{number}") == number
    tracking.point("followed", "champion", "1")
    ns.apply(with_model("followed", "models:/followed@champion", updatePolicy="Auto", refreshIntervalSeconds=86_400))
    ns.wait_ready("followed", within=120)
    assert model_status(ns, "followed")["resolvedURI"] == f"models:/followed/1 ({directory}/1)"
    run_resolver_job(ns, "followed", "first")
    ns.wait(lambda: is_tracked(ns, "followed"), "report of the first check", name="followed")

    before = run_resolver_job(ns, "followed", "unmoved")
    assert written_versions(ns, "followed") == before
    tracking.point("followed", "champion", "2")
    run_resolver_job(ns, "followed", "moved")

    def rolled() -> bool:
        resolved = model_status(ns, "followed").get("resolvedURI") == f"models:/followed/2 ({directory}/2)"
        return resolved and ns.is_ready("followed")

    ns.wait(rolled, "rollout to version 2", within=120, name="followed")
    before = run_resolver_job(ns, "followed", "again")
    assert written_versions(ns, "followed") == before


def is_tracked(ns: NamespaceFixture, name: str) -> bool:
    return bool(ns.condition(name, "ModelTracked").get("status") == "True")


def run_resolver_job(ns: NamespaceFixture, name: str, job: str) -> tuple[str, str]:
    """Run the CronJob's pod now; return the object versions from before."""
    before = written_versions(ns, name)
    ns.kubectl("create", "job", job, f"--from=cronjob/{name}")
    ns.kubectl("wait", f"job/{job}", "--for=condition=Complete", "--timeout=120s")
    return before


def written_versions(ns: NamespaceFixture, name: str) -> tuple[str, str]:
    """Return the versions that change with each write of the operator."""
    service, deployment = ns.get_model_service(name), ns.get("deployment", name)
    return service["metadata"]["resourceVersion"], str(deployment["metadata"]["generation"])


def create_claim(ns: NamespaceFixture, name: str, directory: Path) -> None:
    """Create a ReadWriteMany claim for a directory of the node."""
    directory.mkdir()
    directory.chmod(0o777)
    volume_name = f"{name}-{ns.namespace}"
    size, modes = {"storage": "1Gi"}, ["ReadWriteMany"]
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": volume_name},
        "spec": {
            "capacity": size,
            "accessModes": modes,
            "hostPath": {"path": str(directory)},
            "claimRef": {"namespace": ns.namespace, "name": name},
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
        ns.kubectl("apply", "-f", "-", stdin=json.dumps(body))


def loader_reports(ns: NamespaceFixture, name: str) -> list[dict[str, Any]]:
    """Return the termination messages of the loaders of the running pods."""
    pods = json.loads(ns.kubectl("get", "pods", f"--selector=app.kubernetes.io/instance={name}", "-o", "json"))
    alive = [pod for pod in pods["items"] if not pod["metadata"].get("deletionTimestamp")]
    ends = [pod["status"]["initContainerStatuses"][0]["state"]["terminated"]["message"] for pod in alive]
    return [json.loads(text) for text in ends]

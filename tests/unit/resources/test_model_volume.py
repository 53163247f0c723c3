"""Parts of a pod that provide its model."""

from typing import Any

import pytest

from modelservice_operator.resources import build_children
from modelservice_operator.resources.model_volume import cache_key
from modelservice_operator.settings import LoaderSettings
from tests.support.builders import model_service
from tests.support.uri_forms import ACCEPTED_URIS

S3 = "s3://models/iris"


def template(*, resolution: str | None = None, settings: LoaderSettings | None = None, **model: Any) -> dict[str, Any]:
    service = model_service().with_spec(model={"uri": S3, **model}).parsed()
    [deployment, *_] = build_children(service, loader=settings or LoaderSettings(), resolution=resolution)
    spec: dict[str, Any] = deployment.body["spec"]
    return spec


def environment(spec: dict[str, Any]) -> dict[str, str]:
    [container] = spec["template"]["spec"]["initContainers"]
    return {entry["name"]: entry.get("value", "") for entry in container["env"]}


def mount(spec: dict[str, Any]) -> dict[str, Any]:
    found = spec["template"]["spec"]["containers"][0]["volumeMounts"]
    return next(entry for entry in found if entry["name"] == "model")


def volume(spec: dict[str, Any]) -> dict[str, Any]:
    return next(entry for entry in spec["template"]["spec"]["volumes"] if entry["name"] == "model")


def test_server_mounts_only_the_published_directory() -> None:
    spec = template()
    folder = environment(spec)["MODEL_PATH"].removeprefix("/model-cache/")
    assert mount(spec) == {"name": "model", "mountPath": "/mnt/models", "subPath": folder, "readOnly": True}
    assert volume(spec) == {"name": "model", "emptyDir": {"sizeLimit": "10Gi"}}


@pytest.mark.parametrize("uri", ACCEPTED_URIS)
def test_model_of_each_downloaded_scheme_has_a_loader(uri: str) -> None:
    assert environment(template(uri=uri))["MODEL_URI"] == uri


@pytest.mark.parametrize(
    "model",
    [
        {"uri": "s3://models/rose"},
        {"revision": "2"},
        {"sha256": "0" * 64},
        {"loader": {"allowPatterns": ["a"]}},
        {"loader": {"ignorePatterns": ["a"]}},
        {"loader": {"extract": True}},
    ],
)
def test_cache_key_depends_on_the_content_settings(model: dict[str, Any]) -> None:
    assert mount(template(**model))["subPath"] != mount(template())["subPath"]


@pytest.mark.parametrize("model", [{"path": "/x"}, {"name": "x"}, {"cache": {"emptyDir": {"sizeLimit": "1Gi"}}}])
def test_cache_key_ignores_other_settings(model: dict[str, Any]) -> None:
    assert mount(template(**model))["subPath"] == mount(template())["subPath"]


def test_cache_key_depends_on_the_resolution() -> None:
    one, other = template(resolution="models:/iris/1"), template(resolution="models:/iris/2")
    assert mount(one)["subPath"] != mount(other)["subPath"]
    assert environment(one)["MODEL_RESOLUTION"] == "models:/iris/1"


CREDENTIALS = {"secretRef": {"name": "store"}}


def test_credentials_are_files_of_the_loader_only() -> None:
    """The Secret has any keys: in an environment they could change how a process runs, and its children inherit it."""
    model = {"uri": S3, "credentials": CREDENTIALS}
    service = model_service().with_spec(
        model=model,
        initContainers=[{"name": "warm-up", "image": "a", "mounts": [{"name": "model", "mountPath": "/m"}]}],
        sidecars=[{"name": "proxy", "image": "b"}],
    )
    pod = build_children(service.parsed())[0].body["spec"]["template"]["spec"]
    [loader] = [one for one in pod["initContainers"] if one["name"] == "model-loader"]
    # Root owns the files, and their group is the fsGroup of the pod.
    assert [one for one in pod["volumes"] if "store" in str(one)] == [
        {"name": "model-credentials", "secret": {"secretName": "store", "defaultMode": 0o440}}
    ]
    assert {"name": "model-credentials", "mountPath": "/model-credentials", "readOnly": True} in loader["volumeMounts"]
    others = [one for one in [*pod["containers"], *pod["initContainers"]] if one is not loader]
    assert len(others) == 3
    assert "model-credentials" not in str(others)
    assert "secretRef" not in str(pod)
    assert pod["securityContext"]["fsGroup"] == pod["securityContext"]["runAsUser"] == 10_001


def test_operator_sets_all_variables_of_the_loader() -> None:
    spec = template(credentials=CREDENTIALS)
    assert environment(spec)["MODEL_CREDENTIALS_DIR"] == "/model-credentials"
    assert "MODEL_CREDENTIALS_DIR" not in environment(template())
    assert {name for name in environment(spec) if name.startswith("MODEL_")} >= {
        *("MODEL_URI", "MODEL_PATH", "MODEL_REVISION", "MODEL_SHA256", "MODEL_RESOLUTION", "MODEL_ALLOW_PATTERNS"),
        *("MODEL_IGNORE_PATTERNS", "MODEL_EXTRACT", "MODEL_MAX_BYTES", "MODEL_TIMEOUT_SECONDS"),
        *("MODEL_ALLOWED_CIDRS", "MODEL_IDENTITY", "MODEL_MAX_FILES"),
    }


def test_only_the_loader_gets_credentials() -> None:
    spec = template(credentials=CREDENTIALS)
    assert "store" not in str(spec["template"]["spec"]["containers"])


@pytest.mark.parametrize(
    ("cache", "most"),
    [
        (None, 10 << 30),
        ({"emptyDir": {"sizeLimit": "1Gi"}}, 1 << 30),
        ({"emptyDir": {}}, 10 << 30),
        ({"persistentVolumeClaim": {"claimName": "c"}}, 1 << 60),
    ],
)
def test_cache_size_limits_the_download(cache: dict[str, Any] | None, most: int) -> None:
    spec = template(cache=cache) if cache else template()
    assert environment(spec)["MODEL_MAX_BYTES"] == str(most)


def test_cache_in_memory_raises_the_memory_limit() -> None:
    spec = template(cache={"emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}})
    [container] = spec["template"]["spec"]["initContainers"]
    assert container["resources"]["limits"]["memory"] == str((512 << 20) + (1 << 30))
    assert volume(spec)["emptyDir"] == {"sizeLimit": "1Gi", "medium": "Memory"}


def test_claim_is_shared_below_its_sub_path() -> None:
    spec = template(cache={"persistentVolumeClaim": {"claimName": "models", "subPath": "team"}})
    [container] = spec["template"]["spec"]["initContainers"]
    assert container["volumeMounts"] == [{"name": "model", "mountPath": "/model-cache", "subPath": "team"}]
    folder = environment(spec)["MODEL_PATH"].removeprefix("/model-cache/")
    assert mount(spec)["subPath"] == f"team/{folder}"


def test_progress_deadline_includes_the_download() -> None:
    plain = build_children(model_service().parsed())[0].body["spec"]["progressDeadlineSeconds"]
    assert template(settings=LoaderSettings(timeout_seconds=900))["progressDeadlineSeconds"] == plain + 900
    service = model_service().with_spec(model={"uri": S3, "loader": {"timeoutSeconds": 60}}).parsed()
    assert build_children(service)[0].body["spec"]["progressDeadlineSeconds"] == plain + 60


def test_operator_settings_reach_the_loader() -> None:
    settings = LoaderSettings(
        image="registry.local/loader:1", timeout_seconds=60, allowed_cidrs=("10.0.0.0/8", "fc00::/7")
    )
    spec = template(settings=settings)
    assert environment(spec)["MODEL_ALLOWED_CIDRS"] == "10.0.0.0/8 fc00::/7"
    assert environment(spec)["MODEL_TIMEOUT_SECONDS"] == "60"
    assert spec["template"]["spec"]["initContainers"][0]["image"] == "registry.local/loader:1"


def test_network_settings_reach_the_loader() -> None:
    settings = LoaderSettings(
        proxy="http://proxy:3128", no_proxy=("10.0.0.0/8", ".svc"), ca_bundle="company-ca/trust-bundle.pem"
    )
    spec = template(settings=settings)
    assert {name: text for name, text in environment(spec).items() if "PROXY" in name or "CA_BUNDLE" in name} == {
        "MODEL_PROXY": "http://proxy:3128",
        "MODEL_NO_PROXY": "10.0.0.0/8,.svc",
        "MODEL_CA_BUNDLE": "/model-ca-bundle/ca-bundle.crt",
    }
    [loader] = spec["template"]["spec"]["initContainers"]
    assert {"name": "model-ca-bundle", "mountPath": "/model-ca-bundle", "readOnly": True} in loader["volumeMounts"]
    items = [{"key": "trust-bundle.pem", "path": "ca-bundle.crt"}]
    assert spec["template"]["spec"]["volumes"][-1] == {
        "name": "model-ca-bundle",
        "configMap": {"name": "company-ca", "items": items, "optional": True},
    }


@pytest.mark.parametrize("credentials", [None, CREDENTIALS])
@pytest.mark.parametrize("account", [None, "reader"])
def test_only_a_named_service_account_is_an_identity(account: str | None, credentials: dict[str, Any] | None) -> None:
    """A pod without one runs as `default`, whose cloud identity is not meant for the model."""
    model = {"uri": "gs://models/iris", "credentials": credentials}
    service = model_service().with_spec(serviceAccountName=account, model=model).parsed()
    [deployment, *_] = build_children(service)
    assert environment(deployment.body["spec"])["MODEL_IDENTITY"] == ("ServiceAccount" if account else "")


def test_dollar_signs_are_escaped() -> None:
    assert environment(template(uri="https://a/$(PATH)"))["MODEL_URI"] == "https://a/$$(PATH)"


def test_model_in_the_image_has_no_loader() -> None:
    service = model_service().with_spec(model={"uri": "file:///app/model"}).parsed()
    [deployment, *_] = build_children(service)
    assert "initContainers" not in deployment.body["spec"]["template"]["spec"]


def test_cache_key_is_stable() -> None:
    model = model_service().with_spec(model={"uri": S3}).parsed().spec.model
    assert model is not None
    assert cache_key(model, None) == cache_key(model, None)
    assert len(cache_key(model, None)) == 16

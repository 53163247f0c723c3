"""Extra models: a loader, a volume and a mount each."""

from dataclasses import replace
from typing import Any

import pytest

from modelservice_operator.resources import build_children
from modelservice_operator.resources.model_volume import has_loader
from modelservice_operator.resources.retained import Retained, build_deployment_with_retained
from modelservice_operator.settings import LoaderSettings
from tests.support.builders import model_service

S3 = "s3://models/llama"
SQL: dict[str, Any] = {"name": "sql", "uri": "s3://adapters/sql"}
CHAT: dict[str, Any] = {"name": "chat", "uri": "hf://org/chat"}
CLAIM = {"persistentVolumeClaim": {"claimName": "models", "subPath": "shared"}}
LONGEST = "a" * 40


def template(*extra: dict[str, Any], settings: LoaderSettings | None = None, **model: Any) -> dict[str, Any]:
    service = model_service().with_spec(model={"uri": S3, "extra": list(extra), **model}).parsed()
    spec: dict[str, Any] = build_children(service, loader=settings or LoaderSettings())[0].body["spec"]
    return spec


def pod_of(spec: dict[str, Any]) -> dict[str, Any]:
    pod: dict[str, Any] = spec["template"]["spec"]
    return pod


def named(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    [found] = [entry for entry in entries if entry["name"] == name]
    return found


def environment(container: dict[str, Any]) -> dict[str, str]:
    return {entry["name"]: entry.get("value", "") for entry in container["env"]}


def test_loaders_run_in_the_order_of_their_names() -> None:
    """Another order of the list, as by two field managers, starts no rollout."""
    names = [container["name"] for container in pod_of(template(SQL, CHAT))["initContainers"]]
    assert names == ["model-loader", "model-loader-chat", "model-loader-sql"]
    assert template(SQL, CHAT) == template(CHAT, SQL)


def test_empty_list_changes_no_template() -> None:
    service = model_service().with_spec(model={"uri": S3}).parsed()
    assert template() == build_children(service)[0].body["spec"]


def test_server_mounts_each_extra_model_read_only() -> None:
    pod = pod_of(template(SQL, CHAT | {"path": "/opt/chat"}))
    for name, path in (("sql", "/mnt/models-extra/sql"), ("chat", "/opt/chat")):
        loader = named(pod["initContainers"], f"model-loader-{name}")
        directory = environment(loader)["MODEL_PATH"].removeprefix("/model-cache/")
        mount = {"name": f"model-extra-{name}", "mountPath": path, "subPath": directory, "readOnly": True}
        assert named(pod["containers"][0]["volumeMounts"], f"model-extra-{name}") == mount
        assert named(pod["volumes"], f"model-extra-{name}")["emptyDir"] == {"sizeLimit": "10Gi"}
        assert loader["volumeMounts"] == [{"name": f"model-extra-{name}", "mountPath": "/model-cache"}]


def test_loaders_on_a_claim_share_its_volume() -> None:
    """The kubelet may wait forever for a second volume of a claim."""
    pod = pod_of(template(SQL, CHAT, cache=CLAIM))
    assert [volume["name"] for volume in pod["volumes"] if "persistentVolumeClaim" in volume] == ["model"]
    mounts = [mount for mount in pod["containers"][0]["volumeMounts"] if mount["name"] == "model"]
    assert [mount["mountPath"] for mount in mounts] == [
        "/mnt/models",
        "/mnt/models-extra/chat",
        "/mnt/models-extra/sql",
    ]
    assert len({mount["subPath"] for mount in mounts}) == 3
    assert all(mount["subPath"].startswith("shared/") for mount in mounts)


@pytest.mark.parametrize("uri", ["pvc://models/llama", "oci://registry.example.com/llama:1", "file:///app/llama", None])
def test_extra_model_beside_one_that_is_not_downloaded(uri: str | None) -> None:
    pod = pod_of(template(SQL, uri=uri))
    assert [container["name"] for container in pod["initContainers"]] == ["model-loader-sql"]
    assert named(pod["volumes"], "model-extra-sql")["emptyDir"] == {"sizeLimit": "10Gi"}


def test_only_three_options_of_the_loader_apply() -> None:
    loader = {"image": "loader:1", "resources": {"limits": {"memory": "1Gi"}}, "timeoutSeconds": 60}
    patterns = {"allowPatterns": ["*.bin"], "ignorePatterns": ["*.md"], "extract": True}
    pod = pod_of(template(SQL, loader=loader | patterns))
    main, extra = pod["initContainers"]
    assert (extra["image"], extra["resources"]) == (main["image"], main["resources"])
    found = environment(extra)
    assert (found["MODEL_URI"], found["MODEL_TIMEOUT_SECONDS"]) == (SQL["uri"], "60")
    assert {found[name] for name in ("MODEL_ALLOW_PATTERNS", "MODEL_IGNORE_PATTERNS", "MODEL_EXTRACT")} == {""}


def test_credentials_of_one_loader_are_in_no_other_container() -> None:
    own = SQL | {"credentials": {"secretRef": {"name": "adapters"}}, "sha256": "0" * 64, "revision": "3"}
    pod = pod_of(template(own, CHAT, credentials={"secretRef": {"name": "models"}}))
    containers = pod["initContainers"] + pod["containers"]
    holders = {
        volume: [one["name"] for one in containers if volume in {mount["name"] for mount in one["volumeMounts"]}]
        for volume in ("model-credentials", "model-credentials-sql")
    }
    assert holders == {"model-credentials": ["model-loader"], "model-credentials-sql": ["model-loader-sql"]}
    assert named(pod["volumes"], "model-credentials-sql")["secret"]["secretName"] == "adapters"
    chat, sql = pod["initContainers"][1:]
    assert "MODEL_CREDENTIALS_DIR" not in environment(chat)
    assert environment(sql)["MODEL_CREDENTIALS_DIR"] == "/model-credentials"
    assert (environment(sql)["MODEL_SHA256"], environment(sql)["MODEL_REVISION"]) == ("0" * 64, "3")


def test_authorities_are_one_volume_of_all_loaders() -> None:
    pod = pod_of(template(SQL, CHAT, settings=LoaderSettings(ca_bundle="trust/ca.crt")))
    assert len([volume for volume in pod["volumes"] if volume["name"] == "model-ca-bundle"]) == 1
    mounted = [[mount["name"] for mount in loader["volumeMounts"]] for loader in pod["initContainers"]]
    assert [names[-1] for names in mounted] == ["model-ca-bundle"] * 3


def test_longest_names_are_labels() -> None:
    pod = pod_of(template(SQL | {"name": LONGEST, "credentials": {"secretRef": {"name": "a"}}}))
    names = [entry["name"] for entry in pod["initContainers"] + pod["volumes"]]
    assert max(len(name) for name in names) <= 63


def test_deadline_includes_every_download() -> None:
    loader = {"timeoutSeconds": 500}
    alone, both = template(loader=loader), template(SQL, CHAT, loader=loader)
    assert both["progressDeadlineSeconds"] - alone["progressDeadlineSeconds"] == 1000


def test_sidecar_with_the_model_has_no_extra_mount() -> None:
    proxy = {"name": "proxy", "image": "a", "mounts": [{"name": "model", "mountPath": "/m"}]}
    service = model_service().with_spec(model={"uri": S3, "extra": [SQL]}, sidecars=[proxy]).parsed()
    pod = pod_of(build_children(service)[0].body["spec"])
    assert [container["name"] for container in pod["initContainers"]] == ["model-loader", "model-loader-sql", "proxy"]
    assert "model-extra-sql" not in {mount["name"] for mount in pod["initContainers"][-1]["volumeMounts"]}


def test_settings_of_extra_loaders_are_retained() -> None:
    """An operator with another loader image restarts no pod, also of a model that is not downloaded."""
    service = model_service().with_spec(model={"uri": "pvc://models/llama", "extra": [SQL]}).parsed()
    assert has_loader(service)
    old = LoaderSettings(image="loader:1")
    first = build_deployment_with_retained(service, old, None, None)
    retained = Retained.of(first.body)
    assert retained is not None
    second = build_deployment_with_retained(service, replace(old, image="loader:2"), None, retained)
    assert second.body["spec"]["template"] == first.body["spec"]["template"]

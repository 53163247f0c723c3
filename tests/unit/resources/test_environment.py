from typing import Any

import pytest

from modelservice_operator.resources.deployment import build_deployment
from modelservice_operator.resources.volumes import TMP_PATH
from tests.support.builders import model_service


def pod_with(**spec: Any) -> Any:
    return build_deployment(model_service().with_spec(**spec).parsed()).body["spec"]["template"]["spec"]


def environment(**spec: Any) -> dict[str, Any]:
    [container] = pod_with(**spec)["containers"]
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in container["env"]}


FIELD = {"fieldRef": {"fieldPath": "metadata.name"}}


@pytest.mark.parametrize(
    ("own", "home", "cache"),
    [
        ([], "/home/model", "/home/model/.cache"),
        ([{"name": "HOME", "value": "/data"}], "/data", "$(HOME)/.cache"),
        ([{"name": "HOME", "valueFrom": FIELD}], FIELD | {"fieldRef": FIELD["fieldRef"] | {"apiVersion": "v1"}}, None),
        ([{"name": "HOME"}], None, None),
        ([{"name": "HOME", "value": "/data"}, {"name": "XDG_CACHE_HOME", "value": "/c"}], "/data", "/c"),
        ([{"name": "XDG_CACHE_HOME", "value": "/c"}], "/home/model", "/c"),
    ],
)
def test_own_home_takes_precedence(own: list[Any], home: Any, cache: Any) -> None:
    variables = environment(env=own)
    assert (variables["HOME"], variables.get("XDG_CACHE_HOME")) == (home, cache)


def test_own_variables_replace_those_of_the_operator() -> None:
    own = {"USER": "me", "PORT": "8080", "MODEL_NAME": "mine", "MODEL_URI": "hf://a/b", "MODEL_PATH": "/m"}
    variables = environment(env=[{"name": name, "value": value} for name, value in own.items()])
    assert variables == own | {"HOME": "/home/model", "XDG_CACHE_HOME": "/home/model/.cache"}


def test_own_variables_are_last() -> None:
    """The kubelet expands $(NAME) only to a variable before it."""
    assert list(environment(env=[{"name": "A", "value": "$(PORT)"}]))[-1] == "A"


@pytest.mark.parametrize(
    ("spec", "volumes"),
    [
        ({}, ["tmp", "home"]),
        ({"env": [{"name": "HOME", "value": "/data"}]}, ["tmp"]),
        ({"mounts": [{"name": "a", "mountPath": f"{TMP_PATH}/", "emptyDir": {}}]}, ["home", "a"]),
        ({"mounts": [{"name": "a", "mountPath": "/home/model", "emptyDir": {}}]}, ["tmp", "a"]),
        ({"mounts": [{"name": "a", "mountPath": "/home/model/.cache", "emptyDir": {}}]}, ["tmp", "home", "a"]),
    ],
)
def test_scratch_volumes_give_way_to_own_mounts(spec: Any, volumes: list[str]) -> None:
    pod = pod_with(**spec)
    assert [volume["name"] for volume in pod["volumes"]] == volumes
    assert [mount["name"] for mount in pod["containers"][0]["volumeMounts"]] == volumes


def test_whole_secrets_are_copied() -> None:
    sources = [{"prefix": "A_", "secretRef": {"name": "a", "optional": True}}, {"configMapRef": {"name": "b"}}]
    assert pod_with(envFrom=sources)["containers"][0]["envFrom"] == sources


def test_resource_field_has_the_default_divisor() -> None:
    source = {"resourceFieldRef": {"resource": "limits.memory"}}
    variables = environment(env=[{"name": "A", "valueFrom": source}])
    assert variables["A"] == {"resourceFieldRef": {"resource": "limits.memory", "divisor": "0"}}


@pytest.mark.parametrize(("writable", "read_only"), [(None, True), (False, True), (True, False)])
def test_root_filesystem_is_read_only_by_default(writable: object, read_only: object) -> None:
    [container] = pod_with(writableRootFilesystem=writable)["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is read_only


@pytest.mark.parametrize(
    ("spec", "ids"),
    [
        ({}, (10001, 10001, 10001)),
        ({"runAsUser": 1000}, (1000, 1000, 1000)),
        ({"runAsUser": 1000, "runAsGroup": 0}, (1000, 0, 0)),
        ({"runAsGroup": 5, "fsGroup": 0}, (10001, 5, 0)),
    ],
)
def test_groups_default_to_the_user_and_may_be_zero(spec: Any, ids: tuple[int, ...]) -> None:
    context = pod_with(**spec)["securityContext"]
    assert (context["runAsUser"], context["runAsGroup"], context["fsGroup"]) == ids

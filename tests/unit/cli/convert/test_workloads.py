"""Objects that belong to a Deployment, and the sentence for inputs of which no ModelService can be written."""

import copy
from typing import Any

import pytest

from modelservice_cli.convert.conversion import Options, convert
from modelservice_cli.errors import CliError, ExitCode
from tests.support.migration.public import smallest_input

Object = dict[str, Any]


def renamed(name: str) -> list[Object]:
    """Return the smallest input with another name for everything."""
    text = copy.deepcopy(smallest_input())
    text[0]["metadata"]["name"] = text[1]["metadata"]["name"] = name
    text[0]["spec"]["selector"]["matchLabels"] = {"app": name}
    text[0]["spec"]["template"]["metadata"]["labels"] = {"app": name}
    text[1]["spec"]["selector"] = {"app": name}
    return text


def said(objects: list[Object], **options: Any) -> str:
    conversions, common = convert(objects, Options(**options))
    notes = [str(note) for conversion in conversions for note in conversion.notes]
    return "\n".join([*notes, *map(str, common)])


def error_of(objects: list[Object], **options: Any) -> CliError:
    with pytest.raises(CliError) as caught:
        convert(objects, Options(**options))
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    return caught.value


@pytest.mark.parametrize(
    "kind", ["StatefulSet", "DaemonSet", "Job", "CronJob", "Pod", "ReplicaSet", "InferenceService"]
)
def test_other_workloads_are_refused_with_a_reason(kind: str) -> None:
    error = error_of([{"apiVersion": "x/v1", "kind": kind, "metadata": {"name": "iris"}}])
    assert str(error).startswith(f"{kind}/iris cannot become a ModelService: ")
    assert error.code == ExitCode.NEGATIVE


def test_input_without_workload_names_its_kinds() -> None:
    error = error_of([{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}, smallest_input()[1]])
    assert str(error) == (
        "The input has no Deployment, from which a ModelService could be written. Its kinds are: ConfigMap, Service."
    )


def test_other_workloads_next_to_a_deployment_are_noted() -> None:
    text = said([*smallest_input(), {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"}}])
    assert "left out: StatefulSet/db: it cannot become a ModelService" in text


def test_service_of_two_deployments_is_refused() -> None:
    first, service = smallest_input()
    second = copy.deepcopy(first)
    second["metadata"]["name"] = "petals-canary"
    error = error_of([first, second, service])
    assert "Service/petals selects the pods of the Deployments petals and petals-canary" in str(error)
    text = said([first, second, service], only=("petals",))
    assert "the Service also selects the pods of petals-canary" in text


def test_unknown_names_list_the_known_ones() -> None:
    error = error_of(smallest_input(), only=("rose",))
    assert (str(error), error.code) == (
        "The input has no Deployment rose: its Deployments are petals.",
        ExitCode.NOT_FOUND,
    )
    assert "has no container web: its containers are server" in str(error_of(smallest_input(), container="web"))


def test_name_is_for_one_model_service() -> None:
    assert "--name is for one ModelService" in str(error_of([*smallest_input(), *renamed("iris")], name="a"))


def test_deployment_without_containers_is_refused() -> None:
    objects = smallest_input()
    objects[0]["spec"]["template"]["spec"] = {}
    assert "Deployment/petals has no containers" in str(error_of(objects))


def test_deployment_without_image_has_a_placeholder() -> None:
    objects = smallest_input()
    del objects[0]["spec"]["template"]["spec"]["containers"][0]["image"]
    [conversion], _ = convert(objects)
    assert conversion.model_service["spec"]["image"] == "IMAGE"
    assert "the image is missing" in said(objects)


def test_second_service_is_kept_by_the_user() -> None:
    deployment, service = smallest_input()
    second = copy.deepcopy(service)
    second["metadata"]["name"] = "petals-public"
    text = said([deployment, second, service])
    assert "left out: Service/petals-public: a ModelService has one Service, which is petals" in text


def test_objects_of_another_namespace_do_not_belong() -> None:
    deployment, service = smallest_input()
    deployment["metadata"]["namespace"], service["metadata"]["namespace"] = "a", "b"
    text = said([deployment, service])
    assert "left out: Service/petals: its selector matches the pods of no Deployment" in text


def test_kinds_that_stay_have_a_sentence_each() -> None:
    kinds = ("ConfigMap", "Secret", "PersistentVolumeClaim", "ServiceAccount", "Role", "Widget")
    others = [{"apiVersion": "v1", "kind": kind, "metadata": {"name": "x"}} for kind in kinds]
    text = said([*smallest_input(), *others])
    for kind in kinds:
        assert f"to keep: {kind}/x: " in text


def test_container_of_the_service_is_the_model_server() -> None:
    objects = smallest_input()
    pod = objects[0]["spec"]["template"]["spec"]
    pod["containers"].insert(0, {"name": "proxy", "image": "registry.example.com/proxy:1"})
    [conversion], _ = convert(objects)
    assert conversion.model_service["spec"]["image"] == "registry.example.com/petals:1.0"
    assert conversion.model_service["spec"]["sidecars"] == [{"name": "proxy", "image": "registry.example.com/proxy:1"}]
    assert "server is the model server, because the Service leads to its port" in said(objects)
    [other], _ = convert(objects, Options(container="proxy"))
    assert other.model_service["spec"]["image"] == "registry.example.com/proxy:1"


def test_scaled_object_means_an_external_autoscaler() -> None:
    scaled = {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": "petals"},
        "spec": {"scaleTargetRef": {"name": "petals"}},
    }
    [conversion], _ = convert([*smallest_input(), scaled])
    assert conversion.model_service["spec"]["autoscaling"] == {"managedBy": "External"}
    assert "to keep: ScaledObject/petals" in said([*smallest_input(), scaled])


@pytest.mark.parametrize(
    ("port", "args", "number"),
    [
        ({"port": 80}, [], 8000),
        ({"port": 80, "targetPort": 80}, [], 8000),
        ({"port": 80, "targetPort": 9000}, [], 9000),
        ({"port": 80, "targetPort": 9000}, ["--port", "8000"], 8000),
        ({"port": 80, "targetPort": 80}, ["--bind=0.0.0.0:80"], 80),
        ({"port": 80, "targetPort": "web"}, [], 8000),
        ({"port": 80, "targetPort": "8000"}, [], 8000),
    ],
    ids=["forgotten", "equal", "written", "contradicted", "confirmed", "unknown", "text"],
)
def test_port_of_the_server_is_found(port: Object, args: list[str], number: int) -> None:
    objects = smallest_input()
    objects[0]["spec"]["template"]["spec"]["containers"][0]["args"] = args
    objects[1]["spec"]["ports"] = [port]
    [conversion], _ = convert(objects)
    assert conversion.model_service["spec"]["containerPort"] == number

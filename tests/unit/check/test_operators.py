"""The Deployment of an operator is read as Kubernetes and the command line read it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from modelservice_operator.apimachinery.objects import NamespacedName
from modelservice_operator.check.operators import ArgumentsError, install_of, overlap
from modelservice_operator.cli.check import parse_arguments

ROOT = Path(__file__).parents[3]


def deployment(*arguments: str, **changes: Any) -> Any:
    """Return the Deployment of manifests/, with other arguments if there are any."""
    [file] = ROOT.glob("manifests/*/deployment.yaml")
    body = yaml.safe_load(file.read_text())
    body["metadata"]["namespace"] = "operators"
    [container] = body["spec"]["template"]["spec"]["containers"]
    container["args"] = list(arguments) or container["args"]
    container |= changes
    return body


def test_deployment_of_the_manifests_serves_all_namespaces() -> None:
    found = install_of(deployment(), parse_arguments)
    assert found is not None
    assert found.arguments_error == ""
    assert found.arguments.namespaces == ()
    assert found.arguments.lease == NamespacedName("operators", "modelservice-operator")
    assert found.user == "system:serviceaccount:operators:modelservice-operator"


def test_variables_of_arguments_are_expanded() -> None:
    found = install_of(deployment("run", "-n", "$(POD_NAMESPACE)"), parse_arguments)
    assert found is not None
    assert found.arguments.namespaces == ("operators",)


@pytest.mark.parametrize(("word", "expected"), [("$$(POD_NAMESPACE)", "'$(POD_NAMESPACE)'"), ("$(NO)", "'$(NO)'")])
def test_other_references_are_literal(word: str, expected: str) -> None:
    found = install_of(deployment("run", "-n", word), parse_arguments)
    assert found is not None
    assert expected in found.arguments_error


def test_loader_image_is_that_of_the_environment() -> None:
    environment = [{"name": "LOADER_IMAGE", "value": "registry.example.com/loader:1"}]
    found = install_of(deployment("run", env=environment), parse_arguments)
    assert found is not None
    assert found.arguments.loader_image == "registry.example.com/loader:1"
    option = install_of(deployment("run", "--loader-image", "other:2", env=environment), parse_arguments)
    assert option is not None
    assert option.arguments.loader_image == "other:2"


def test_deployment_without_the_container_is_no_install() -> None:
    assert install_of(deployment(name="other"), parse_arguments) is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "--workers", "0"), "argument --workers: '0' is not a positive integer"),
        (("run", "--bogus"), "unrecognized arguments: --bogus"),
        (("run", "--help"), "they end the process with exit code 0"),
        (("crd",), "the command is crd and not run"),
    ],
)
def test_wrong_arguments_are_explained(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(ArgumentsError) as caught:
        parse_arguments(arguments)
    assert str(caught.value) == message
    found = install_of(deployment(*arguments), parse_arguments)
    assert found is not None
    assert found.arguments_error == message


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [((), (), True), ((), ("ml",), True), (("ml",), ("dev",), False), (("ml", "dev"), ("dev",), True)],
)
def test_installs_overlap_in_common_namespaces(one: tuple[str, ...], other: tuple[str, ...], expected: bool) -> None:  # noqa: FBT001
    assert overlap(one, other) is overlap(other, one) is expected

"""Inputs and the children of their ModelServices as a real API server stores them, found by dry-run requests."""

from collections.abc import Sequence
from typing import Any

from modelservice_cli.convert.conversion import Conversion, Options, convert
from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.apimachinery.kinds import BUILT_IN_CHILD_KINDS, MODEL_SERVICE
from modelservice_operator.resources import build_children
from tests.support.dry_run import DryRunClient
from tests.support.migration.losses import silent_losses

Object = dict[str, Any]
KINDS = {kind.kind: kind for kind in BUILT_IN_CHILD_KINDS}


def placed(body: Object, namespace: str) -> Object:
    return body | {"metadata": body["metadata"] | {"namespace": namespace}}


def stored(server: DryRunClient, bodies: Sequence[Object], namespace: str) -> list[Object]:
    """Return objects as the API server would store them. Ports of nodes that it assigns are not part of them."""
    found = []
    for body in bodies:
        if body["kind"] not in KINDS:
            continue
        answer = server.create(KINDS[body["kind"]].path(namespace=namespace), placed(body, namespace))
        assert answer.is_accepted, f"{body['kind']}: {answer.message}"
        live = {"apiVersion": body["apiVersion"], "kind": body["kind"]} | answer.body
        if body["kind"] == "Service":
            for port, own in zip(live["spec"].get("ports", ()), body["spec"].get("ports", ()), strict=True):
                if "nodePort" not in own:
                    port.pop("nodePort", None)
        found.append(live)
    return found


def stored_children(server: DryRunClient, conversion: Conversion, namespace: str) -> list[Object]:
    """Return the children of the result as the API server would store them. It must accept the result first."""
    body = placed(conversion.model_service, namespace)
    answer = server.create(MODEL_SERVICE.path(namespace=namespace), body)
    assert answer.is_accepted, answer.message
    children = [child.create_body() for child in build_children(ModelService.parse(answer.body))]
    return stored(server, children, namespace)


def losses(server: DryRunClient, objects: list[Object], namespace: str, options: Options) -> tuple[int, list[str]]:
    """Return the number of lost values with a sentence, and those without, of all workloads of an input."""
    conversions, _ = convert(objects, options)
    named, silent = 0, []
    for conversion in conversions:
        before = stored(server, conversion.before, namespace)
        count, lost = silent_losses(conversion, before, stored_children(server, conversion, namespace))
        named += count
        silent += lost
    return named, silent


def check_inputs(
    server: DryRunClient, inputs: Sequence[tuple[str, list[Object]]], namespace: str, options: Options | None = None
) -> tuple[int, list[str]]:
    named, problems = 0, []
    for name, objects in inputs:
        try:
            count, silent = losses(server, objects, namespace, options or Options())
        except AssertionError as error:
            problems.append(f"{name}: {str(error)[:400]}")
            continue
        named += count
        problems += [f"{name}: {line}" for line in silent]
    return named, problems

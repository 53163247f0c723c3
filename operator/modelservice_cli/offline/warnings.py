"""The warnings about settings that are valid but often a mistake (docs/warnings.md), without an API server.

They are the ValidatingAdmissionPolicy `modelservice-warnings` of the manifests, of which the package has a copy.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from modelservice_cli.offline.expressions import EvaluationError, compile_expression
from modelservice_cli.offline.field_errors import Steps
from modelservice_cli.offline.judge import Finding
from modelservice_operator.apimachinery.objects import Object

POLICY_FILE = "warnings.yaml"
"""Copy of manifests/components/policies/warnings.yaml; `make generate` writes it."""
_VARIABLES = ("object", "oldObject", "request", "variables")
_PATH = re.compile(r"[a-z][A-Za-z]*(?:\.[A-Za-z]+|\[[^\]]+\])*")


def warnings_of(body: Object) -> Iterator[Finding]:
    """Yield the warnings for an object that is created. `body` has the defaults of the API server."""
    policy = _policy()
    activation: dict[str, Any] = {
        "object": body,
        "oldObject": None,
        "request": {"operation": "CREATE"},
        "variables": {},
    }
    for variable in policy.get("variables", ()):
        # A variable that cannot be evaluated fails only the expressions that use it.
        try:
            value = compile_expression(variable["expression"], _VARIABLES).evaluate(activation)
        except EvaluationError:
            continue
        activation["variables"] = activation["variables"] | {variable["name"]: value}
    for validation in policy["validations"]:
        try:
            is_kept = compile_expression(validation["expression"], _VARIABLES).evaluate(activation)
            message = "" if is_kept else _message(validation, activation)
        except EvaluationError:
            continue  # failurePolicy: Ignore
        if message:
            yield Finding(message, _steps(message, body))


def _message(validation: Mapping[str, Any], activation: Mapping[str, Any]) -> str:
    if "messageExpression" in validation:
        return str(compile_expression(validation["messageExpression"], _VARIABLES).evaluate(activation)).strip()
    return str(validation["message"]).strip()


def _steps(message: str, body: Object) -> Steps:
    """Return the path of the field with which a message begins, as far as the object has it."""
    match = _PATH.match(message)
    steps: list[str | int] = ["spec"]
    node: Any = body.get("spec", {})
    for name in re.findall(r"[A-Za-z]+", match.group()) if match else ():
        if not isinstance(node, dict) or name not in node:
            break
        node = node[name]
        steps.append(name)
    return tuple(steps)


@cache
def _policy() -> Mapping[str, Any]:
    import yaml

    text = files("modelservice_cli.offline").joinpath(POLICY_FILE).read_text(encoding="utf-8")
    policy = next(one for one in yaml.safe_load_all(text) if one["kind"] == "ValidatingAdmissionPolicy")
    spec: Mapping[str, Any] = policy["spec"]
    return spec

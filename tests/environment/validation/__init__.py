"""Validates the CRD and the policies with the code of each supported Kubernetes version, without an API server.

The program of a version is built from the modules of its control plane (tests/environment/cluster/tools/kubernetes*).
"""

import json
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.alias_generators import to_camel

from tests.environment.cluster.go_program import go_program
from tests.environment.cluster.programs import Program, source_of

SOURCE = Path(__file__).parent / "program"

Object = dict[str, Any]


class Rule(BaseModel):
    """A CEL rule of the CRD."""

    path: str
    rule: str
    cost: float
    """Estimated cost as a fraction of the limit of a rule."""


class Definition(BaseModel):
    """Result for the CRD."""

    errors: list[str]
    cost: float
    """Estimated cost of all rules as a fraction of the limit of a schema."""
    rules: list[Rule]

    @property
    def dearest(self) -> Rule:
        """The rule of the highest cost."""
        return max(self.rules, key=lambda rule: rule.cost)


class Manifest(BaseModel, alias_generator=to_camel):
    """Result for a policy or a binding."""

    kind: str
    name: str
    errors: list[str]
    warnings: list[str]
    """Warnings of the type checker, which the API server writes to the policy's status."""
    match_cost: float
    """Cost of the match conditions, as a fraction of the limit of a request."""
    validation_cost: float
    """Cost of the validations, as a fraction of the limit of a request."""


class Validation(BaseModel):
    """Result of one Kubernetes version."""

    definition: Definition
    manifests: list[Manifest]


def build_program(minor: str) -> Path:
    """Return the program of a minor version such as 1.33, building it if the cache has none."""
    module = source_of(Program.APISERVER, minor).path
    return go_program(SOURCE, f"kubernetes-validation-{minor}", module=module)


def validate(
    minor: str, definition: Object, manifests: Iterable[Object] = (), service: Object | None = None
) -> Validation:
    """Validate as the API server of a minor version does; the cost of policies is that of the creation of `service`."""
    request = {"definition": definition, "manifests": list(manifests), "object": service}
    result = subprocess.run(
        [build_program(minor)],
        input=json.dumps(request),
        # A program of one second: fewer garbage collections save a quarter of its CPU time, for 30 MiB.
        env=os.environ | {"GOGC": "400"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if result.returncode:
        raise AssertionError(f"Kubernetes {minor}: {result.stderr}")
    return Validation.model_validate_json(result.stdout)

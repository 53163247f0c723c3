"""The list of permissions in the code is the role of the manifests, in both directions."""

from pathlib import Path
from typing import Any

import yaml

from modelservice_operator.client.permissions import LEASE_PERMISSIONS, NEEDED_PERMISSIONS, Permission

ROOT = Path(__file__).parents[3]


def roles() -> dict[str, Any]:
    [file] = ROOT.glob("manifests/*/operator-role.yaml")
    bodies = yaml.safe_load_all(file.read_text())
    return {body["metadata"]["name"]: body for body in bodies if "rules" in body}


def granted(role: Any) -> list[Permission]:
    return [
        Permission(verb, resource, group)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    ]


def test_role_grants_what_the_code_needs() -> None:
    assert sorted(granted(roles()["modelservice-operator"])) == sorted(NEEDED_PERMISSIONS)


def test_role_for_the_lease_grants_what_the_code_needs() -> None:
    assert sorted(granted(roles()["modelservice-operator-lease"])) == sorted(LEASE_PERMISSIONS)

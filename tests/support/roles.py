"""The operator's permissions, whole or with parts removed, granted in single namespaces."""

from collections.abc import Iterable
from typing import Any

import yaml

from modelservice_operator.client.permissions import Permission
from tests.environment.cluster import Cluster
from tests.support.installation import ACCOUNT, ROOT

ROLE_NAME = "modelservice-operator"
REVIEW_ROLE = "modelservice-operator-metrics-auth"


def operator_roles() -> dict[str, Any]:
    """Return the roles of the operator in manifests/base by their names."""
    bodies = yaml.safe_load_all((ROOT / "manifests" / "base" / "operator-role.yaml").read_text())
    return {body["metadata"]["name"]: body for body in bodies if "rules" in body}


def granted(role: Any) -> list[Permission]:
    """Return every permission of a role."""
    return [
        Permission(verb, resource, group)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    ]


def operator_permissions() -> list[Permission]:
    """Return every permission of the role in manifests/base, apart from that for the Lease."""
    return granted(operator_roles()[ROLE_NAME])


def without(*removed: Permission) -> list[Permission]:
    """Return the operator's permissions without some."""
    return [permission for permission in operator_permissions() if permission not in removed]


def role_manifests(namespace: str, permissions: Iterable[Permission], *, account_namespace: str) -> list[Any]:
    """Return a Role and its binding to the account of the operator in `account_namespace`."""
    rules = [{"apiGroups": [one.group], "resources": [one.resource], "verbs": [one.verb]} for one in permissions]
    metadata = {"name": ROLE_NAME, "namespace": namespace}
    api = "rbac.authorization.k8s.io"
    return [
        {"apiVersion": f"{api}/v1", "kind": "Role", "metadata": metadata, "rules": rules},
        {
            "apiVersion": f"{api}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": api, "kind": "Role", "name": ROLE_NAME},
            "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": account_namespace}],
        },
    ]


def grant(cluster: Cluster, namespace: str, permissions: Iterable[Permission], *, account_namespace: str) -> None:
    """Grant exactly these permissions in a namespace."""
    apply_all(cluster, role_manifests(namespace, permissions, account_namespace=account_namespace))


def create_account(cluster: Cluster, namespace: str) -> None:
    """Create an account of the operator's name, without any permission."""
    metadata = {"name": ACCOUNT, "namespace": namespace}
    apply_all(cluster, [{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}])


def apply_all(cluster: Cluster, bodies: Iterable[Any]) -> None:
    """Apply objects with one kubectl."""
    cluster.run_kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(bodies))


def cluster_role_binding(role: str, account: str, namespace: str) -> Any:
    """Return a ClusterRoleBinding of a service account, with a name that no other one has."""
    api = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{api}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": f"{role}-{namespace}-{account}"},
        "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
    }


def review_roles() -> dict[str, Any]:
    """Return the ClusterRoles of components/secure-metrics by their names."""
    bodies = yaml.safe_load_all((ROOT / "manifests" / "components" / "secure-metrics" / "roles.yaml").read_text())
    return {body["metadata"]["name"]: body for body in bodies if "rules" in body}


def create_review_roles(cluster: Cluster) -> None:
    """Create the ClusterRoles of components/secure-metrics, without a binding."""
    apply_all(cluster, review_roles().values())


def grant_reviews(cluster: Cluster, namespace: str) -> None:
    """Allow the account of the operator in a namespace to review tokens and rights."""
    create_review_roles(cluster)
    apply_all(cluster, [cluster_role_binding(REVIEW_ROLE, ACCOUNT, namespace)])

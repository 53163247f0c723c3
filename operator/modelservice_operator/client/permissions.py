"""The permissions that the operator needs: the one list for `check`, and for the test of the role in the manifests."""

from collections.abc import Iterator
from typing import NamedTuple

from modelservice_operator.apimachinery.kinds import (
    CHILD_KINDS,
    DEPLOYMENT,
    LEASE,
    MODEL_SERVICE,
    OPTIONAL_CHILD_KINDS,
    POD,
    REPLICA_SET,
    ResourceKind,
)

_READ = ("list", "watch")
_MANAGE = ("get", "list", "watch", "create", "patch")
_MANAGE_AND_DELETE = (*_MANAGE, "delete")


class Permission(NamedTuple):
    """A verb on a resource; a subresource is part of its name, as in `deployments/scale`."""

    verb: str
    resource: str
    group: str = ""

    def __str__(self) -> str:
        """Name verb and resource: `list cronjobs.batch`."""
        return f"{self.verb} {self.group_resource}"

    @property
    def group_resource(self) -> str:
        """`resource.group`; only the resource for the core group."""
        return f"{self.resource}.{self.group}" if self.group else self.resource


def _on(kind: ResourceKind, *verbs: str, subresource: str = "") -> Iterator[Permission]:
    resource = f"{kind.plural}/{subresource}" if subresource else kind.plural
    return (Permission(verb, resource, kind.group) for verb in verbs)


NEEDED_PERMISSIONS = (
    *_on(MODEL_SERVICE, "get", *_READ),
    *_on(MODEL_SERVICE, "update", subresource="status"),
    # Only checked, by the admission plugin OwnerReferencesPermissionEnforcement.
    *_on(MODEL_SERVICE, "update", subresource="finalizers"),
    *_on(DEPLOYMENT, *_MANAGE),
    *_on(DEPLOYMENT, "patch", subresource="scale"),
    *(one for kind in CHILD_KINDS if kind is not DEPLOYMENT for one in _on(kind, *_MANAGE_AND_DELETE)),
    *_on(POD, *_READ),
    *_on(REPLICA_SET, *_READ),
    Permission("list", "events"),
    Permission("create", "events", "events.k8s.io"),
)
"""Needed in each namespace that the operator serves, or in all of them."""
LEASE_PERMISSIONS = tuple(_on(LEASE, "get", "create", "update"))
"""Needed in the namespace of the Lease, with leader election."""
REVIEW_PERMISSIONS = (
    Permission("create", "tokenreviews", "authentication.k8s.io"),
    Permission("create", "subjectaccessreviews", "authorization.k8s.io"),
)
"""Needed in the whole cluster with --secure-metrics-port."""
OPTIONAL_GROUPS = frozenset(kind.group for kind in OPTIONAL_CHILD_KINDS)
"""API groups whose permissions are needed only where the cluster serves the kind."""

"""The facts of an install, as read from one API server. Other modules of this package judge them without I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from modelservice_operator.apimachinery.kinds import ResourceKind
from modelservice_operator.apimachinery.objects import NamespacedName, Object
from modelservice_operator.check.operators import Install
from modelservice_operator.client.permissions import Permission
from modelservice_operator.client.server_clock import ClockReading


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A question that the API server did not answer."""

    reason: str
    """A sentence for the user."""


Read: TypeAlias = Object | Unreadable | None
"""An object; None if it does not exist."""
ReadList: TypeAlias = tuple[Object, ...] | Unreadable


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseState:
    """A Lease of a leader election."""

    key: NamespacedName
    holder: str
    """Empty after a release."""
    version: str
    """Version of the operator that wrote it; empty if unknown."""
    is_fresh: bool
    """It was renewed within its duration."""


@dataclass(frozen=True, slots=True)
class AccessReview:
    """The answer of the authorizers about one permission of one account. An empty namespace means all of them."""

    user: str
    permission: Permission
    namespace: str
    is_allowed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that the checks need to know."""

    version: str
    """Version of this program."""
    user: str = ""
    """Name of the user who runs the check; empty if unknown."""
    scope: str = ""
    """Namespace to which the search for operators was restricted; empty for none."""
    kubernetes: str | Unreadable
    """Version of the API server (apimachinery.versions.server_version)."""
    clock: ClockReading | Unreadable
    crd: Read
    published_schema: Read = None
    """Schema in the OpenAPI document, read if the CRD is unreadable."""
    installs: tuple[Install, ...]
    installs_unreadable: Unreadable | None = None
    """Why operators in other namespaces are unknown."""
    pods: Mapping[NamespacedName, ReadList] = field(default_factory=dict)
    """Pods of each install, by the name of its Deployment."""
    leases: Mapping[NamespacedName, LeaseState | Unreadable | None] = field(default_factory=dict)
    namespaces: Mapping[str, Read] = field(default_factory=dict)
    reviews: tuple[AccessReview, ...] | Unreadable = ()
    served: Mapping[ResourceKind, bool | Unreadable] = field(default_factory=dict)
    policies: Mapping[str, Read] = field(default_factory=dict)
    bindings: ReadList = ()
    metrics_api: bool | Unreadable = True
    """False if no server is registered for it; Unreadable if the registered one does not answer."""
    webhooks: ReadList = ()
    """Configurations of admission webhooks."""
    endpoints: Mapping[NamespacedName, bool | Unreadable] = field(default_factory=dict)
    """True for a Service with a ready endpoint; those that webhooks name."""
    model_pods: ReadList = ()
    """Pods of ModelServices: those that are pending, and some of the others."""

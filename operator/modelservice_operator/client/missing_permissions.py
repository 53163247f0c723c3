"""Reports each permission that the operator lacks: once, at level ERROR, whatever request needed it."""

import logging
import re
from typing import NamedTuple

from cachetools import TTLCache

from modelservice_operator.apimachinery.clock import SYSTEM_CLOCK, Clock
from modelservice_operator.apimachinery.kinds import MODEL_SERVICE
from modelservice_operator.client.permissions import REVIEW_PERMISSIONS, Permission
from modelservice_operator.errors import ForbiddenError, OperatorError

logger = logging.getLogger(__name__)

REPEAT_SECONDS = 3600.0
"""Time until a permission that is still missing is reported again."""
_MAX_PERMISSIONS = 1024
_DENIAL = re.compile(
    r'cannot (?P<verb>\w+) resource "(?P<resource>[^"]+)" in API group "(?P<group>[^"]*)"'
    r'(?: in the namespace "(?P<namespace>[^"]+)")?'
)
"""The sentence of every authorizer (k8s.io/apiserver, handlers/responsewriters, forbiddenMessage)."""
_FINALIZERS_CHECK = (
    "cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on"
)
_DELETE_CHECK = "cannot set an ownerRef on a resource you can't delete"
"""Refusals of the admission plugin OwnerReferencesPermissionEnforcement (plugin/pkg/admission/gc), which OpenShift
enables. They do not name the permission."""
_BASE_ROLE = "manifests/base/operator-role.yaml"
_ROLES = dict.fromkeys(REVIEW_PERMISSIONS, "manifests/components/secure-metrics/roles.yaml")
"""File with the role that grants a permission, if it is not that of every install."""
_OBJECT_PATH = re.compile(r"/apis?(?:/(?P<group>[^/]+))?/v[^/]+/namespaces/(?P<namespace>[^/]+)/(?P<resource>[^/]+)")


class MissingPermission(NamedTuple):
    """A verb on a resource that an authorizer denied. An empty namespace means all of them."""

    verb: str
    resource: str
    group: str
    namespace: str

    @classmethod
    def of(cls, error: OperatorError) -> "MissingPermission | None":
        """Parse an error; None if it is not the denial of an authorizer, as for a quota or an admission policy."""
        found = _DENIAL.search(str(error)) if isinstance(error, ForbiddenError) else None
        return cls(**found.groupdict(default="")) if found else None

    @classmethod
    def of_owner(cls, error: OperatorError, path: str) -> "MissingPermission | None":
        """Return what a request to `path` lacks according to the admission plugin for owner references, if anything."""
        target = _OBJECT_PATH.match(path) if isinstance(error, ForbiddenError) else None
        if target is None:
            return None
        if _FINALIZERS_CHECK in str(error):
            return cls("update", f"{MODEL_SERVICE.plural}/finalizers", MODEL_SERVICE.group, target["namespace"])
        if _DELETE_CHECK in str(error):
            return cls("delete", target["resource"], target["group"] or "", target["namespace"])
        return None

    def __str__(self) -> str:
        """Name verb, resource and namespace: `list cronjobs.batch in namespace ml`."""
        resource = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{self.verb} {resource} in {f'namespace {self.namespace}' if self.namespace else 'all namespaces'}"


class MissingPermissionLog:
    """Logs each missing permission at most once an hour."""

    def __init__(self, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._reported: TTLCache[MissingPermission, bool] = TTLCache(
            _MAX_PERMISSIONS, REPEAT_SECONDS, timer=clock.monotonic
        )

    def report(self, error: OperatorError, path: str = "") -> OperatorError:
        """Log the permission that `error` is about, unless that was done a short time ago.

        Return the error, with the permission if the API server has not named it. `path`: that of the request.
        """
        missing = MissingPermission.of(error) or MissingPermission.of_owner(error, path)
        if missing is None:
            return error
        self._log(missing)
        if MissingPermission.of(error) is not None:
            return error
        text = f"{str(error).removesuffix('.')}. The operator is not allowed to {missing}: grant it."
        return ForbiddenError(text, status=error.status)

    def _log(self, missing: MissingPermission) -> None:
        if missing in self._reported:
            return
        self._reported[missing] = True
        logger.error(
            "Missing permission: the operator is not allowed to %s. What needs it does not work until its role grants"
            " it (%s).",
            missing,
            _ROLES.get(Permission(missing.verb, missing.resource, missing.group), _BASE_ROLE),
        )

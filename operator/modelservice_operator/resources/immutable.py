"""Limits of children that a mutable field of the spec can meet: names, and fields that no update may change.

The fields are those of ValidateServiceUpdate (core/v1). The selector of a Deployment is immutable too, but depends only
on the name of the ModelService.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from modelservice_operator.apimachinery.kinds import SERVICE, ResourceKind
from modelservice_operator.errors import InvalidRequestError
from modelservice_operator.resources.metadata import CLUSTER_IP_NONE

MAX_CRON_JOB_NAME_LENGTH = 52
"""Characters of a CronJob's name (batch/v1, ValidateCronJobCreate): the names of its Jobs are 11 characters longer."""
_HASH_LENGTH = 8

IMMUTABLE_FIELDS: Mapping[ResourceKind, tuple[str, ...]] = {
    SERVICE: ("spec.clusterIPs[0]", "spec.ipFamilies[0]", "spec.ipFamilyPolicy", "spec.loadBalancerClass")
}
"""Fields as the API server names them when it rejects their update; the child is deleted and created instead.

ipFamilyPolicy is one while a Service gets one IP family less without the policy SingleStack."""


def cron_job_name(name: str) -> str:
    """Return the name of the CronJob of a ModelService: a long one is cut, and its hash appended."""
    if len(name) <= MAX_CRON_JOB_NAME_LENGTH:
        return name
    kept = name[: MAX_CRON_JOB_NAME_LENGTH - _HASH_LENGTH - 1].rstrip("-")
    return f"{kept}-{hashlib.sha256(name.encode()).hexdigest()[:_HASH_LENGTH]}"


def differs_in_immutable_field(kind: ResourceKind, desired: Mapping[str, Any], live: Mapping[str, Any]) -> bool:
    """Return True if an update of `live` is rejected or ignored: a Service becomes headless or gets another IP family.

    The IP family of a headless Service can be changed, for it has no address.
    loadBalancerClass is not compared: a webhook may have set one, and then only the API server knows whether it leaves.
    """
    if kind is not SERVICE:
        return False
    wanted, current = desired["spec"], live["spec"]
    is_headless, was_headless = (spec.get("clusterIP") == CLUSTER_IP_NONE for spec in (wanted, current))
    if is_headless != was_headless:
        return True
    family, current_family = _primary_family(wanted), _primary_family(current)
    return not is_headless and bool(family and current_family) and family != current_family


def is_refused_as_immutable(kind: ResourceKind, error: InvalidRequestError) -> bool:
    """Return True if the API server rejected an update because of an immutable field."""
    return any(error.has_cause(field=field) for field in IMMUTABLE_FIELDS.get(kind, ()))


def _primary_family(service_spec: Mapping[str, Any]) -> str | None:
    return next(iter(service_spec.get("ipFamilies") or ()), None)

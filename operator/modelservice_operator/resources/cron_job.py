"""Builds the CronJob of updatePolicy Auto: its pods resolve the model's URI periodically.

They use the loader's image and credentials, so the operator needs neither. The resolver reports in its termination
message, which the operator reads from the cached pod, as it does for a loader. While the model does not change, nothing
is written.
"""

import hashlib
from typing import Any

from modelservice_operator.api.v1alpha1.model import ModelSource
from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.apimachinery.kinds import CRON_JOB
from modelservice_operator.apimachinery.well_known import INSTANCE_LABEL, MANAGED_BY_LABEL
from modelservice_operator.resources.desired import DesiredChild
from modelservice_operator.resources.immutable import cron_job_name
from modelservice_operator.resources.metadata import (
    MODEL_CACHE_KEY_LABEL,
    child_metadata,
    image_pull_secrets,
    labels,
    omit_none,
    type_meta,
)
from modelservice_operator.resources.model_volume import (
    build_input_volumes,
    build_resolver_container,
    cache_key,
    is_downloaded,
)
from modelservice_operator.resources.security_context import mounts_token, pod_security, service_account
from modelservice_operator.settings import LoaderSettings

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_RESOLVE_TIMEOUT_SECONDS = 600


def tracks_updates(service: ModelService) -> bool:
    """Return True if the model's URI is resolved periodically."""
    model = service.spec.model
    return model is not None and model.update_policy == "Auto" and is_downloaded(service)


def build_cron_job(service: ModelService, settings: LoaderSettings) -> DesiredChild | None:
    """Return the CronJob; None if the model is not updated automatically."""
    model = service.spec.model
    if model is None or not tracks_updates(service):
        return None
    seconds = model.refresh_interval_seconds or settings.refresh_interval_seconds
    pod_labels = labels(service) | {
        # Not the name in the selectors of the Service and the Deployment.
        "app.kubernetes.io/name": "modelservice-refresh",
        MODEL_CACHE_KEY_LABEL: cache_key(model, None),
    }
    body = {
        **type_meta(CRON_JOB),
        "metadata": child_metadata(service, name=cron_job_name(service.metadata.name)),
        "spec": {
            "schedule": cron_schedule(seconds, seed=service.metadata.uid),
            "concurrencyPolicy": "Forbid",
            "suspend": service.spec.suspend,
            "successfulJobsHistoryLimit": 1,
            "failedJobsHistoryLimit": 1,
            "jobTemplate": {
                "metadata": {"labels": {name: pod_labels[name] for name in (INSTANCE_LABEL, MANAGED_BY_LABEL)}},
                "spec": {
                    "backoffLimit": 0,
                    "activeDeadlineSeconds": _RESOLVE_TIMEOUT_SECONDS,
                    "template": {
                        "metadata": {"labels": pod_labels},
                        "spec": _build_resolver_pod_spec(service, settings),
                    },
                },
            },
        },
    }
    return DesiredChild.of(CRON_JOB, body)


def _build_resolver_pod_spec(service: ModelService, settings: LoaderSettings) -> dict[str, Any]:
    spec = service.spec
    volumes = build_input_volumes(spec.model or ModelSource.default(), settings)
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": mounts_token(spec),
        "enableServiceLinks": False,
        "securityContext": pod_security(spec, sysctls=False),
        "containers": [build_resolver_container(service, settings)],
        **omit_none(volumes=volumes or None, imagePullSecrets=image_pull_secrets(spec)),
        **service_account(spec),
    }


def cron_schedule(seconds: int, *, seed: str) -> str:
    """Return a cron schedule of about every `seconds`. `seed` spreads many schedules over hour and day."""
    number = int(hashlib.sha256(seed.encode()).hexdigest(), 16)
    minute, hour = number % 60, number // 60 % 24
    if seconds < _HOUR:
        step = max(1, round(seconds / _MINUTE))
        return "* * * * *" if step == 1 else f"{number % step}-59/{step} * * * *"
    if seconds < _DAY:
        step = max(1, round(seconds / _HOUR))
        return f"{minute} * * * *" if step == 1 else f"{minute} {number % step}-23/{step} * * *"
    step = max(1, round(seconds / _DAY))
    return f"{minute} {hour} * * *" if step == 1 else f"{minute} {hour} */{min(step, 31)} * *"

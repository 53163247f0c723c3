"""Builds the Deployment. Its pods comply with the Pod Security Standard "restricted"."""

from typing import Any

from modelservice_operator.api.v1alpha1.scaling import RolloutOptions
from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.apimachinery.kinds import DEPLOYMENT
from modelservice_operator.apimachinery.objects import Json
from modelservice_operator.resources.canonical import canonical_form
from modelservice_operator.resources.containers import build_init_containers, build_server_container
from modelservice_operator.resources.desired import DesiredChild, content_hash
from modelservice_operator.resources.lifecycle import grace_period_seconds
from modelservice_operator.resources.metadata import (
    LOADER_SETTINGS_ANNOTATION,
    SUSPENDED_ANNOTATION,
    TEMPLATE_HASH_ANNOTATION,
    child_metadata,
    dump,
    dump_all,
    image_pull_secrets,
    int_or_string,
    labels,
    omit_none,
    selector,
    type_meta,
)
from modelservice_operator.resources.model_volume import NO_MODEL_VOLUME, ModelVolume
from modelservice_operator.resources.probes import startup_seconds
from modelservice_operator.resources.replicas import ReplicaOwner, initial_replicas, replica_owner
from modelservice_operator.resources.security_context import mounts_token, pod_security, service_account
from modelservice_operator.resources.volumes import build_scratch_volumes, build_volume

_DEADLINE_MARGIN_SECONDS = 300
_REVISION_HISTORY_LIMIT = 3


def build_deployment(
    service: ModelService, model_volume: ModelVolume = NO_MODEL_VOLUME, *, loader_settings: str | None = None
) -> DesiredChild:
    """Return the Deployment. Replicas are set only at creation and by scaling; an apply never contains them.

    `loader_settings` are recorded with the hash of the template (see `retained`).
    """
    replicas, owner = initial_replicas(service), replica_owner(service)
    suspended = replicas == 0 and owner is not ReplicaOwner.EXTERNAL
    template = {"metadata": _build_pod_metadata(service), "spec": _build_pod_spec(service, model_volume)}
    annotations = {SUSPENDED_ANNOTATION: "true"} if suspended else {}
    if loader_settings is not None:
        template = canonical_form(template)
        annotations |= {LOADER_SETTINGS_ANNOTATION: loader_settings, TEMPLATE_HASH_ANNOTATION: content_hash(template)}
    body = {
        **type_meta(DEPLOYMENT),
        "metadata": child_metadata(service, annotations=annotations),
        "spec": {
            "selector": {"matchLabels": selector(service)},
            **_rollout_fields(service, model_volume),
            "template": template,
        },
    }
    return DesiredChild.of(
        DEPLOYMENT, body, replicas=replicas, fixed_replicas=owner in {ReplicaOwner.FIXED, ReplicaOwner.SUSPENDED}
    )


def _rollout_fields(service: ModelService, model_volume: ModelVolume) -> dict[str, Any]:
    options = service.spec.rollout or RolloutOptions.default()
    startup = model_volume.timeout_seconds + startup_seconds(service.spec)
    deadline = startup + (options.min_ready_seconds or 0) + _DEADLINE_MARGIN_SECONDS
    history = options.revision_history_limit
    return {
        "strategy": _build_strategy(options),
        "revisionHistoryLimit": _REVISION_HISTORY_LIMIT if history is None else history,
        "progressDeadlineSeconds": options.progress_deadline_seconds or deadline,
        **omit_none(minReadySeconds=options.min_ready_seconds or None),
    }


def _build_strategy(options: RolloutOptions) -> dict[str, Any]:
    if options.type == "Recreate":
        return {"type": "Recreate"}
    limits = {
        "maxSurge": int_or_string(options.max_surge or "1"),
        "maxUnavailable": int_or_string(options.max_unavailable or "0"),
    }
    return {"type": "RollingUpdate", "rollingUpdate": limits}


def _build_pod_metadata(service: ModelService) -> dict[str, Any]:
    # The operator's labels take precedence: the selectors of the Service and the Deployment match them.
    merged = {**(service.spec.pod_labels or {}), **labels(service)}
    return {"labels": merged, **omit_none(annotations=service.spec.pod_annotations or None)}


def _build_pod_spec(service: ModelService, model_volume: ModelVolume) -> dict[str, Any]:
    spec = service.spec
    server = build_server_container(service, model_volume)
    init_containers = build_init_containers(service, model_volume)
    return {
        "automountServiceAccountToken": mounts_token(spec),
        "enableServiceLinks": bool(spec.enable_service_links),
        "securityContext": pod_security(spec),
        "containers": [server],
        "volumes": [
            *build_scratch_volumes([server, *init_containers]),
            *model_volume.volumes,
            *(build_volume(mount) for mount in spec.mounts or ()),
        ],
        **omit_none(initContainers=init_containers or None, imagePullSecrets=image_pull_secrets(spec)),
        **_copied_fields(service),
    }


def _build_affinity(affinity: Json) -> Json:
    """Return the affinity without empty parts; None if nothing is left.

    An apply that empties a part removes it, so that a second one, and a second rollout, would add it as an empty part.
    """
    return {name: terms for name, terms in (affinity or {}).items() if terms} or None


def _copied_fields(service: ModelService) -> dict[str, Any]:
    """Return the fields that have the same name and form in a PodSpec (core/v1)."""
    spec = service.spec
    spreads = [
        dump(spread) | {"labelSelector": {"matchLabels": selector(service)}}
        for spread in spec.topology_spread_constraints or ()
    ]
    return omit_none(
        **service_account(spec),
        nodeSelector=spec.node_selector,
        affinity=_build_affinity(spec.affinity),
        schedulerName=spec.scheduler_name,
        resourceClaims=dump_all(spec.resource_claims),
        hostAliases=dump_all(spec.host_aliases),
        dnsPolicy=spec.dns_policy,
        dnsConfig=(dump(spec.dns_config) if spec.dns_config is not None else None) or None,
        priorityClassName=spec.priority_class_name,
        runtimeClassName=spec.runtime_class_name,
        terminationGracePeriodSeconds=grace_period_seconds(spec),
        tolerations=dump_all(spec.tolerations),
        topologySpreadConstraints=spreads or None,
    )

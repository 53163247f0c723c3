"""Describes settings of other clients that stop a child, each with the command that removes it.

The operator keeps fields that it does not set, so only a message tells a user that one of them is the cause.
"""

from collections.abc import Mapping
from typing import Any

from modelservice_operator.api.v1alpha1.scaling import Autoscaling, RolloutOptions
from modelservice_operator.resources.replicas import ReplicaOwner, replica_owner
from modelservice_operator.status.serving import required_count
from modelservice_operator.status.snapshot import Snapshot


def resume_command(snapshot: Snapshot) -> str:
    """Return the command that resumes a paused Deployment."""
    return f"kubectl rollout resume -n {snapshot.service.metadata.namespace} {_deployment(snapshot)}"


def paused_message(snapshot: Snapshot) -> str:
    """Return a sentence about a paused Deployment that is complete; empty if it is not paused."""
    if snapshot.rollout is None or not snapshot.rollout.paused:
        return ""
    return f"The Deployment is paused: changes are not rolled out until it is resumed: {resume_command(snapshot)}."


def scaled_to_zero_manually_message(snapshot: Snapshot) -> str:
    """Return the message about a Deployment that another client has scaled to zero."""
    autoscaled = replica_owner(snapshot.service) is ReplicaOwner.AUTOSCALED
    hint = ", and a HorizontalPodAutoscaler does not scale up from 0" if autoscaled else ""
    replicas = max(1, required_count(snapshot))
    command = f"kubectl scale -n {snapshot.service.metadata.namespace} {_deployment(snapshot)} --replicas={replicas}"
    return f"The Deployment was scaled to 0 manually{hint}. To resume: {command}. To keep it at 0, set suspend: true."


def min_ready_seconds_message(snapshot: Snapshot) -> str:
    """Return a sentence if minReadySeconds of another client delays ready pods; otherwise empty."""
    rollout, options = snapshot.rollout, snapshot.service.spec.rollout or RolloutOptions.default()
    if rollout is None or not rollout.min_ready_seconds or options.min_ready_seconds:
        return ""
    if rollout.ready <= rollout.available:
        return ""
    return (
        f"Another client has set minReadySeconds of the Deployment to {rollout.min_ready_seconds}: a pod counts as"
        f" available only after that many seconds of readiness. To reset it: kubectl patch -n"
        f' {snapshot.service.metadata.namespace} {_deployment(snapshot)} -p \'{{"spec":{{"minReadySeconds":0}}}}\'.'
    )


def disables_scale_up(snapshot: Snapshot) -> bool:
    """Return True if another client has disabled scaling up in the HorizontalPodAutoscaler."""
    options = snapshot.service.spec.autoscaling or Autoscaling.default()
    live = ((snapshot.autoscaler or {}).get("spec") or {}).get("behavior")
    return _scale_up_policy(live) == "Disabled" != _scale_up_policy(options.behavior)


def scale_up_disabled_message(snapshot: Snapshot) -> str:
    """Return the message about a HorizontalPodAutoscaler in which another client has disabled scaling up."""
    metadata = snapshot.service.metadata
    patch = '[{"op":"remove","path":"/spec/behavior/scaleUp/selectPolicy"}]'
    return (
        "Another client has disabled scaling up: behavior.scaleUp.selectPolicy of the HorizontalPodAutoscaler. To reset"
        f" it: kubectl patch -n {metadata.namespace} hpa/{metadata.name} --type=json -p '{patch}'."
    )


def _scale_up_policy(behavior: Mapping[str, Any] | None) -> str | None:
    return ((behavior or {}).get("scaleUp") or {}).get("selectPolicy")


def suspended_message(snapshot: Snapshot) -> str:
    """Return the message about a CronJob that another client has suspended, and that could not be resumed."""
    name = ((snapshot.cron_job or {}).get("metadata") or {}).get("name")
    command = (
        f'kubectl patch -n {snapshot.service.metadata.namespace} cronjob/{name} -p \'{{"spec":{{"suspend":false}}}}\''
    )
    return f"Another client has suspended the CronJob, so model.uri is not checked. To resume: {command}."


def _deployment(snapshot: Snapshot) -> str:
    return f"deployment/{snapshot.service.metadata.name}"

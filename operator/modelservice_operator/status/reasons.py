"""The closed vocabulary of condition types and reasons (KEP-1623: a reason is one CamelCase word for programs)."""

from enum import StrEnum


class ConditionType(StrEnum):
    """Types of conditions; `Reconciling` and `Stalled` are present only while True (kstatus)."""

    READY = "Ready"
    AVAILABLE = "Available"
    PROGRESSING = "Progressing"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"


class Reason(StrEnum):
    """Why a condition has its status."""

    ROLLOUT_COMPLETE = "RolloutComplete"
    """Every replica of this generation is available."""
    SCALED_TO_ZERO = "ScaledToZero"
    """No replica is asked for."""
    ROLLOUT_IN_PROGRESS = "RolloutInProgress"
    """Replicas of this generation are on their way."""
    DEPLOYMENT_PENDING = "DeploymentPending"
    """The Deployment is not there yet, or not yet seen by its controller."""
    PROGRESS_DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"
    """The rollout made no progress for longer than its deadline."""
    REPLICA_FAILURE = "ReplicaFailure"
    """Pods cannot be created: quota, admission."""
    INVALID_SPEC = "InvalidSpec"
    """The object does not follow the schema."""
    KIND_UNAVAILABLE = "KindUnavailable"
    """The cluster does not serve the kind of a child."""
    DRIFT_DETECTED = "DriftDetected"
    """Somebody reverts each correction of a child; it is left alone for a while."""
    NAME_CONFLICT = "NameConflict"
    """A child's name is taken by an object that is not ours."""
    FORBIDDEN = "Forbidden"
    """The API server forbids the operator what it has to do."""
    REJECTED = "Rejected"
    """The API server does not accept a child."""
    RETRYING = "Retrying"
    """A step failed and is tried again."""
    MINIMUM_REPLICAS_AVAILABLE = "MinimumReplicasAvailable"
    """At least one replica serves, possibly of an earlier generation."""
    NO_REPLICAS_AVAILABLE = "NoReplicasAvailable"
    """No replica serves."""

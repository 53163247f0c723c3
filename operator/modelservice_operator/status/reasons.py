"""The closed vocabulary of condition types and reasons (KEP-1623: a reason is one CamelCase word for programs).

docs/runbook.md says of each reason what it means and what to do.
"""

from enum import StrEnum


class ConditionType(StrEnum):
    """Types of conditions; `Reconciling` and `Stalled` are present only while True (kstatus)."""

    READY = "Ready"
    AVAILABLE = "Available"
    PROGRESSING = "Progressing"
    MODEL_LOADED = "ModelLoaded"
    """Absent where no loader brings the model."""
    AUTOSCALER_READY = "AutoscalerReady"
    """Absent where there is no autoscaler to speak of."""
    RECONCILING = "Reconciling"
    STALLED = "Stalled"


class Reason(StrEnum):
    """Why a condition has its status."""

    ROLLOUT_COMPLETE = "RolloutComplete"
    """Every replica of this generation is available."""
    SCALED_TO_ZERO = "ScaledToZero"
    """No replica is asked for."""
    MINIMUM_REPLICAS_AVAILABLE = "MinimumReplicasAvailable"
    """At least one replica serves, possibly of an earlier generation."""
    NO_REPLICAS_AVAILABLE = "NoReplicasAvailable"
    """No replicas are available."""

    INVALID_SPEC = "InvalidSpec"
    """The object does not follow the schema."""
    NAME_CONFLICT = "NameConflict"
    """A child's name is taken by an object that is not ours."""
    KIND_UNAVAILABLE = "KindUnavailable"
    """The cluster does not serve the kind of a child."""
    DRIFT_DETECTED = "DriftDetected"
    """Somebody reverts each correction of a child; it is left alone for a while."""
    FORBIDDEN = "Forbidden"
    """The API server forbids the operator what it has to do."""
    REJECTED = "Rejected"
    """The API server does not accept a child."""
    RETRYING = "Retrying"
    """A step failed and is tried again."""

    DEPLOYMENT_PENDING = "DeploymentPending"
    """The Deployment is not there yet, or not yet seen by its controller."""
    ROLLOUT_IN_PROGRESS = "RolloutInProgress"
    """Replicas of this generation are on their way."""
    PROGRESS_DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"
    """The rollout made no progress for longer than its deadline."""

    UNSCHEDULABLE = "Unschedulable"
    """No node takes the pod."""
    QUOTA_EXCEEDED = "QuotaExceeded"
    """The namespace's ResourceQuota leaves no room."""
    ADMISSION_DENIED = "AdmissionDenied"
    """Pod Security, a webhook or another admission plugin refuses the pods."""
    REPLICA_FAILURE = "ReplicaFailure"
    """Pods cannot be created for another cause."""
    IMAGE_PULL = "ImagePull"
    """An image cannot be pulled."""
    CREATE_CONTAINER_CONFIG_ERROR = "CreateContainerConfigError"
    """What a container needs is missing: a Secret, a ConfigMap, a key of one; or its user is not allowed."""
    CONTAINER_START_ERROR = "ContainerStartError"
    """The container runtime cannot start the container: mostly its command."""

    MODEL_NOT_FOUND = "ModelNotFound"
    """Loader: there is no model at the URI."""
    ACCESS_DENIED = "AccessDenied"
    """Loader: the credentials do not allow to read the model."""
    INVALID_CREDENTIALS = "InvalidCredentials"
    """Loader: the store does not know the credentials."""
    STORE_QUOTA_EXCEEDED = "StoreQuotaExceeded"
    """Loader: the store limits how much is read."""
    UNSUPPORTED_KEY = "UnsupportedKey"
    """Loader: the name of a file of the model is not safe to write."""
    DIGEST_MISMATCH = "DigestMismatch"
    """Loader: what was fetched is not what was expected."""
    TIMEOUT = "Timeout"
    """Loader: it took too long."""
    TOO_LARGE = "TooLarge"
    """Loader: the model exceeds a limit."""
    BAD_URI = "BadURI"
    """Loader: the URI cannot be read."""
    UNREACHABLE = "Unreachable"
    """Loader: the store does not answer."""
    LOADER_FAILED = "LoaderFailed"
    """Loader: anything else."""

    MODEL_LOADED = "ModelLoaded"
    """The model of this revision is there."""
    MODEL_LOADING = "ModelLoading"
    """A loader is at work."""
    MODEL_PENDING = "ModelPending"
    """No loader has begun, or no pod has mounted the model."""
    IMAGE_VOLUMES_UNSUPPORTED = "ImageVolumesUnsupported"
    """The cluster cannot mount an image as a volume."""

    OOM_KILLED = "OOMKilled"
    """A container used more memory than it may."""
    CRASH_LOOP = "CrashLoop"
    """A container ends again and again."""
    PROBE_FAILING = "ProbeFailing"
    """The server runs, but its probe does not succeed."""
    POD_NOT_READY = "PodNotReady"
    """The containers are ready, the pod is not: its node is lost, or a readiness gate is closed."""
    VOLUME_PENDING = "VolumePending"
    """A volume cannot be bound or mounted."""
    POD_FAILED = "PodFailed"
    """A pod was ended from outside: evicted, refused by its node."""
    STARTING = "Starting"
    """Pods are being started; the model is being loaded."""

    AUTOSCALER_ACTIVE = "AutoscalerActive"
    """The HorizontalPodAutoscaler is active."""
    AUTOSCALER_STARTING = "AutoscalerStarting"
    """The autoscaler is new: metrics need a minute."""
    AUTOSCALER_FAILED = "AutoscalerFailed"
    """The autoscaler cannot act, in words of its own."""
    FOREIGN_AUTOSCALER = "ForeignAutoscaler"
    """An autoscaler of somebody else targets our Deployment."""
    SCALE_TO_ZERO_UNSUPPORTED = "ScaleToZeroUnsupported"
    """The cluster does not allow minReplicas 0."""
    SCALING_DISABLED = "ScalingDisabled"
    """The count was set to 0 by hand, where an autoscaler does nothing."""
    FAILED_GET_SCALE = "FailedGetScale"
    """The autoscaler cannot read the Deployment's count."""
    FAILED_UPDATE_SCALE = "FailedUpdateScale"
    """The autoscaler cannot set the Deployment's count."""
    FAILED_GET_RESOURCE_METRIC = "FailedGetResourceMetric"
    """No CPU or memory figures of the pods."""
    FAILED_GET_CONTAINER_RESOURCE_METRIC = "FailedGetContainerResourceMetric"
    """No CPU or memory figures of the container."""
    FAILED_GET_PODS_METRIC = "FailedGetPodsMetric"
    """No figures of a metric of the pods."""
    FAILED_GET_OBJECT_METRIC = "FailedGetObjectMetric"
    """No figures of a metric of an object."""
    FAILED_GET_EXTERNAL_METRIC = "FailedGetExternalMetric"
    """No figures of an external metric."""
    INVALID_METRIC_SOURCE_TYPE = "InvalidMetricSourceType"
    """The autoscaler does not know the type of a metric."""
    INVALID_SELECTOR = "InvalidSelector"
    """The Deployment's selector cannot be used."""
    AMBIGUOUS_SELECTOR = "AmbiguousSelector"
    """Several autoscalers select the same pods."""


LOADER_REASONS = frozenset(
    {
        Reason.MODEL_NOT_FOUND,
        Reason.ACCESS_DENIED,
        Reason.INVALID_CREDENTIALS,
        Reason.STORE_QUOTA_EXCEEDED,
        Reason.UNSUPPORTED_KEY,
        Reason.DIGEST_MISMATCH,
        Reason.TIMEOUT,
        Reason.TOO_LARGE,
        Reason.BAD_URI,
        Reason.UNREACHABLE,
    }
)
"""What a loader may name in its termination message."""

AUTOSCALER_REASONS = frozenset(
    {
        Reason.SCALING_DISABLED,
        Reason.FAILED_GET_SCALE,
        Reason.FAILED_UPDATE_SCALE,
        Reason.FAILED_GET_RESOURCE_METRIC,
        Reason.FAILED_GET_CONTAINER_RESOURCE_METRIC,
        Reason.FAILED_GET_PODS_METRIC,
        Reason.FAILED_GET_OBJECT_METRIC,
        Reason.FAILED_GET_EXTERNAL_METRIC,
        Reason.INVALID_METRIC_SOURCE_TYPE,
        Reason.INVALID_SELECTOR,
        Reason.AMBIGUOUS_SELECTOR,
    }
)
"""Reasons of a HorizontalPodAutoscaler's own conditions (pkg/controller/podautoscaler) that are copied."""

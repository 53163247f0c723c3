"""Condition types and reasons. A reason is machine-readable, one word in CamelCase (KEP-1623).

docs/runbook.md describes the meaning of each reason, and what to do.
"""

from enum import StrEnum


class ConditionType(StrEnum):
    """Types of conditions; `Reconciling` and `Stalled` are present only while True (kstatus)."""

    READY = "Ready"
    AVAILABLE = "Available"
    PROGRESSING = "Progressing"
    MODEL_LOADED = "ModelLoaded"
    """Only if the operator downloads or mounts the model."""
    MODEL_TRACKED = "ModelTracked"
    """Only if the model is updated automatically."""
    AUTOSCALER_READY = "AutoscalerReady"
    """Only if an autoscaler targets the Deployment, or should."""
    EXPOSED = "Exposed"
    """Only if the Service has type LoadBalancer, or the model is exposed by an Ingress or HTTPRoute."""
    RECONCILING = "Reconciling"
    STALLED = "Stalled"


class Reason(StrEnum):
    """Reasons of conditions."""

    ROLLOUT_COMPLETE = "RolloutComplete"
    """This generation was rolled out, and the required replicas are available."""
    SCALED_TO_ZERO = "ScaledToZero"
    """The desired number of replicas is 0."""
    MINIMUM_REPLICAS_AVAILABLE = "MinimumReplicasAvailable"
    """At least one replica is available, possibly of an earlier generation."""
    NO_REPLICAS_AVAILABLE = "NoReplicasAvailable"
    """No replicas are available."""

    INVALID_SPEC = "InvalidSpec"
    """The object does not match the schema."""
    NAME_CONFLICT = "NameConflict"
    """An object with the name of a child exists and is not owned by the ModelService."""
    KIND_UNAVAILABLE = "KindUnavailable"
    """The cluster does not serve the kind of a child."""
    FIELD_UNSUPPORTED = "FieldUnsupported"
    """The cluster is too old for a field of the spec, or its feature is disabled."""
    DRIFT_DETECTED = "DriftDetected"
    """Another client undoes each correction of a child; the operator pauses its corrections."""
    FORBIDDEN = "Forbidden"
    """The API server forbids a request of the operator."""
    REJECTED = "Rejected"
    """The API server rejects a child."""
    RETRYING = "Retrying"
    """A request failed and is retried."""

    DEPLOYMENT_PENDING = "DeploymentPending"
    """The Deployment does not exist yet, or its controller has not observed it."""
    ROLLOUT_IN_PROGRESS = "RolloutInProgress"
    """The rollout of this generation is not complete."""
    ROLLOUT_PAUSED = "RolloutPaused"
    """A user has paused the Deployment, so this generation is not rolled out."""
    PROGRESS_DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"
    """The rollout made no progress for longer than its deadline."""

    UNSCHEDULABLE = "Unschedulable"
    """The pod cannot be scheduled."""
    SCHEDULING_GATED = "SchedulingGated"
    """Another controller holds the pod back until it removes its scheduling gate."""
    QUOTA_EXCEEDED = "QuotaExceeded"
    """The ResourceQuota of the namespace is exceeded."""
    ADMISSION_DENIED = "AdmissionDenied"
    """Pod Security, a webhook or another admission plugin denies the pods."""
    REPLICA_FAILURE = "ReplicaFailure"
    """Pods cannot be created for another reason."""
    IMAGE_PULL = "ImagePull"
    """An image cannot be pulled."""
    CREATE_CONTAINER_CONFIG_ERROR = "CreateContainerConfigError"
    """A Secret, a ConfigMap or a key of one is missing, or the user of the image is not allowed."""
    CONTAINER_START_ERROR = "ContainerStartError"
    """The container runtime cannot start the container, usually because of its command."""

    MODEL_NOT_FOUND = "ModelNotFound"
    """Loader: there is no model at the URI."""
    ACCESS_DENIED = "AccessDenied"
    """Loader: the credentials do not allow reading the model."""
    INVALID_CREDENTIALS = "InvalidCredentials"
    """Loader: the store rejects the credentials."""
    STORE_QUOTA_EXCEEDED = "StoreQuotaExceeded"
    """Loader: the store limits the rate of requests."""
    UNSUPPORTED_KEY = "UnsupportedKey"
    """Loader: a file name of the model is not safe to write."""
    NOT_A_MODEL = "NotAModel"
    """Loader: a file is an HTML page, a pointer of Git LFS, or all files are empty."""
    DIGEST_MISMATCH = "DigestMismatch"
    """Loader: the digest of the downloaded model differs from the expected one."""
    TIMEOUT = "Timeout"
    """Loader: the download timed out."""
    TOO_LARGE = "TooLarge"
    """Loader: the model exceeds a limit."""
    BAD_URI = "BadURI"
    """Loader: the URI cannot be parsed."""
    UNREACHABLE = "Unreachable"
    """Loader: the store does not respond."""
    LOADER_FAILED = "LoaderFailed"
    """Loader: another error."""

    MODEL_LOADED = "ModelLoaded"
    """The model of this revision is loaded."""
    MODEL_LOADING = "ModelLoading"
    """A loader is running."""
    MODEL_PENDING = "ModelPending"
    """No loader has started, or no pod has mounted the model."""

    TRACKING_ACTIVE = "TrackingActive"
    """The newest check of the URI of an auto-updated model succeeded."""
    TRACKING_PENDING = "TrackingPending"
    """No check of the URI has ended yet."""
    TRACKING_SUSPENDED = "TrackingSuspended"
    """Another client has suspended the CronJob."""
    CHECK_NOT_STARTED = "CheckNotStarted"
    """The Job of a check cannot create its pod."""
    CHECK_NOT_ENDING = "CheckNotEnding"
    """The pod of a check does not end."""

    OOM_KILLED = "OOMKilled"
    """A container used more memory than allowed."""
    CRASH_LOOP = "CrashLoop"
    """A container exits repeatedly."""
    PROBE_FAILING = "ProbeFailing"
    """The server is running but its probe fails."""
    POD_NOT_READY = "PodNotReady"
    """The containers are ready but the pod is not: its node is lost, or a readiness gate is not set."""
    VOLUME_PENDING = "VolumePending"
    """A volume cannot be bound or mounted."""
    POD_FAILED = "PodFailed"
    """A pod failed as a whole: it was evicted, or rejected by its node."""
    STARTING = "Starting"
    """Pods are starting, or the model is being loaded."""

    AUTOSCALER_ACTIVE = "AutoscalerActive"
    """The HorizontalPodAutoscaler is active."""
    AT_MAXIMUM = "AtMaximum"
    """The autoscaler is active and requires more replicas than maxReplicas."""
    TARGET_UNREACHABLE = "TargetUnreachable"
    """The limits of the container keep its utilization below the target: the autoscaler never adds a replica."""
    AUTOSCALER_STARTING = "AutoscalerStarting"
    """The autoscaler was created recently; metrics can take up to a minute."""
    AUTOSCALER_FAILED = "AutoscalerFailed"
    """The autoscaler cannot scale, for a reason that is not listed here."""
    FOREIGN_AUTOSCALER = "ForeignAutoscaler"
    """An autoscaler that is not managed by the ModelService targets its Deployment."""
    SCALE_TO_ZERO_UNSUPPORTED = "ScaleToZeroUnsupported"
    """The cluster does not allow minReplicas 0."""
    SCALING_DISABLED = "ScalingDisabled"
    """The Deployment was scaled to 0 manually, or another client has disabled scaling up."""
    FAILED_GET_SCALE = "FailedGetScale"
    """The autoscaler cannot read the scale of the Deployment."""
    FAILED_UPDATE_SCALE = "FailedUpdateScale"
    """The autoscaler cannot set the scale of the Deployment."""
    FAILED_GET_RESOURCE_METRIC = "FailedGetResourceMetric"
    """No CPU or memory metrics of the pods."""
    FAILED_GET_CONTAINER_RESOURCE_METRIC = "FailedGetContainerResourceMetric"
    """No CPU or memory metrics of the container."""
    FAILED_GET_PODS_METRIC = "FailedGetPodsMetric"
    """A metric of the pods is not available."""
    FAILED_GET_OBJECT_METRIC = "FailedGetObjectMetric"
    """A metric of an object is not available."""
    FAILED_GET_EXTERNAL_METRIC = "FailedGetExternalMetric"
    """An external metric is not available."""
    INVALID_METRIC_SOURCE_TYPE = "InvalidMetricSourceType"
    """The autoscaler does not support the type of a metric."""
    INVALID_SELECTOR = "InvalidSelector"
    """The selector of the Deployment is invalid."""
    AMBIGUOUS_SELECTOR = "AmbiguousSelector"
    """Multiple autoscalers select the same pods."""

    ADDRESS_ASSIGNED = "AddressAssigned"
    """The Service or the Ingress has an address outside of the cluster."""
    ADDRESS_PENDING = "AddressPending"
    """The Service or the Ingress has no address outside of the cluster yet."""
    ROUTE_ACCEPTED = "RouteAccepted"
    """The Gateway accepts the HTTPRoute."""
    ROUTE_PENDING = "RoutePending"
    """No Gateway has accepted the HTTPRoute yet."""
    ROUTE_NOT_ACCEPTED = "RouteNotAccepted"
    """A Gateway does not accept the HTTPRoute, or cannot resolve its references."""


LOADER_REASONS = frozenset(
    {
        Reason.MODEL_NOT_FOUND,
        Reason.ACCESS_DENIED,
        Reason.INVALID_CREDENTIALS,
        Reason.STORE_QUOTA_EXCEEDED,
        Reason.UNSUPPORTED_KEY,
        Reason.NOT_A_MODEL,
        Reason.DIGEST_MISMATCH,
        Reason.TIMEOUT,
        Reason.TOO_LARGE,
        Reason.BAD_URI,
        Reason.UNREACHABLE,
    }
)
"""Reasons that a loader may report in its termination message."""

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
"""Reasons of the conditions of a HorizontalPodAutoscaler (pkg/controller/podautoscaler) that are copied."""

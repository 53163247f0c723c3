"""Meaning of each reason and what to do: the hand-written half of docs/runbook.md."""

from collections.abc import Mapping

from modelservice_operator.status.reasons import Reason

WORDS: Mapping[Reason, str] = {
    Reason.ROLLOUT_COMPLETE: "All replicas of the current generation are available. No action is needed.",
    Reason.SCALED_TO_ZERO: (
        "No replicas are running, because `replicas` is 0, `suspend` is set, or the Deployment was scaled to 0. Raise "
        "`replicas` or remove `suspend`; for a Deployment that was scaled manually see ScalingDisabled."
    ),
    Reason.MINIMUM_REPLICAS_AVAILABLE: (
        "On Available: at least one replica is available, possibly of an earlier revision."
    ),
    Reason.NO_REPLICAS_AVAILABLE: "On Available: no replica is available. See the Ready condition for the cause.",
    Reason.INVALID_SPEC: (
        "The stored object does not match the schema: it was written under an older schema. Correct the field that "
        "the message names. Existing children keep running."
    ),
    Reason.NAME_CONFLICT: (
        "An object with the name of a child already exists and is not managed by this ModelService; it is not "
        "modified. Delete or rename it, or give the ModelService another name."
    ),
    Reason.KIND_UNAVAILABLE: (
        "The kind of a child is not available to the operator. Install its CRD, or grant the operator list and watch "
        "on it."
    ),
    Reason.DRIFT_DETECTED: (
        "Another client reverts a field of a child each time the operator corrects it, so the operator stops "
        "correcting it for 10 minutes. Find the other field manager with `kubectl get ... --show-managed-fields` and "
        "stop one of the two from setting the field."
    ),
    Reason.FORBIDDEN: (
        "The API server forbids a request of the operator. The usual cause is a changed ClusterRole: install the "
        "manifests again."
    ),
    Reason.REJECTED: (
        "The API server rejected a child object; the message has the details. Correct the field of the spec that "
        "caused it."
    ),
    Reason.RETRYING: (
        "A request failed with a temporary error and is retried. If this continues, check the operator's log."
    ),
    Reason.DEPLOYMENT_PENDING: (
        "The Deployment does not exist yet, or its controller has not observed the latest generation. If this "
        "continues, check kube-controller-manager."
    ),
    Reason.ROLLOUT_IN_PROGRESS: (
        "Replicas of the current generation are being rolled out, and no pod reports a problem. Wait."
    ),
    Reason.PROGRESS_DEADLINE_EXCEEDED: (
        "The rollout made no progress for longer than `rollout.progressDeadlineSeconds`. See the Ready condition for "
        "the cause and correct it; the rollout then continues automatically."
    ),
    Reason.UNSCHEDULABLE: (
        "The pod cannot be scheduled. Lower `resources.requests`, set `tolerations`, relax `nodeSelector`, "
        "`affinity` or `topologySpreadConstraints`, or add nodes."
    ),
    Reason.QUOTA_EXCEEDED: (
        "The ResourceQuota of the namespace has no room for a pod or a child, or requires `resources` to be set. "
        "Lower `replicas` or `resources`, or ask for a higher quota."
    ),
    Reason.ADMISSION_DENIED: (
        "Pod Security, a LimitRange, a webhook or an admission policy denied the pods or a child. Change what the "
        "message names, or contact the owner of the policy."
    ),
    Reason.REPLICA_FAILURE: "Pods cannot be created for another reason, which the message names.",
    Reason.IMAGE_PULL: (
        "An image cannot be pulled. Correct the name or the tag; for a private registry set `imagePullSecrets`; "
        "otherwise check the network connection from the nodes to the registry."
    ),
    Reason.CREATE_CONTAINER_CONFIG_ERROR: (
        "A container references a Secret, a ConfigMap or a key that does not exist. Create it; pods recover "
        "automatically. The same reason is reported if `runAsUser` does not allow the user of the image."
    ),
    Reason.CONTAINER_START_ERROR: (
        "The container runtime cannot start the container. Usually `command` names a file that is not in the image or "
        "is not executable."
    ),
    Reason.MODEL_NOT_FOUND: "There is no model at `model.uri`. Correct the URI, or upload the model.",
    Reason.ACCESS_DENIED: (
        "The store accepts the credentials but does not allow them to read the model. Grant read and list on it."
    ),
    Reason.INVALID_CREDENTIALS: "The store rejects the credentials. Correct the Secret in `model.credentials`.",
    Reason.STORE_QUOTA_EXCEEDED: "The store limits the rate of requests. Wait, or ask for a higher limit.",
    Reason.UNSUPPORTED_KEY: (
        "A file name of the model is not safe to write (absolute, with `..`, or too long). Rename the file in the "
        "store."
    ),
    Reason.DIGEST_MISMATCH: (
        "The downloaded model does not match `model.sha256` or the digest of the store. Correct the digest, or find "
        "out who changed the model."
    ),
    Reason.TIMEOUT: "Loading took longer than `model.loader.timeoutSeconds`. Raise it, or make the model smaller.",
    Reason.TOO_LARGE: (
        "The model exceeds a limit of the loader or the size of its volume. Raise the size in `model.cache`."
    ),
    Reason.BAD_URI: "The loader cannot parse `model.uri`. Correct it.",
    Reason.UNREACHABLE: "The store does not respond. Check its address, its certificate and the network.",
    Reason.MODEL_LOADED: "On ModelLoaded: the model of this revision is loaded in a pod. `status.model` describes it.",
    Reason.MODEL_LOADING: (
        "On ModelLoaded: a loader is running. Its log shows the progress: `kubectl logs POD -c model-loader`."
    ),
    Reason.MODEL_PENDING: (
        "On ModelLoaded: no pod has started loading the model yet. See the Ready condition for the cause."
    ),
    Reason.IMAGE_VOLUMES_UNSUPPORTED: (
        "On ModelLoaded: the cluster cannot mount images as volumes (`oci://`). Enable the feature gate ImageVolume, "
        "or use another model source."
    ),
    Reason.LOADER_FAILED: "The loader failed for another reason; the message contains its last log line.",
    Reason.OOM_KILLED: (
        "A container used more memory than allowed. Raise `resources.limits.memory` (for the loader: "
        "`model.loader.resources`)."
    ),
    Reason.CRASH_LOOP: (
        "A container exits repeatedly; a server that exits with code 0 counts too. The message contains its last log "
        "line; `kubectl logs --previous` shows the log."
    ),
    Reason.PROBE_FAILING: (
        "The server is running but its probe fails. Make the server listen on `containerPort` and on all addresses "
        "(0.0.0.0), or change `probes`."
    ),
    Reason.VOLUME_PENDING: (
        "A volume cannot be bound or mounted. Create the claim, Secret or ConfigMap, or set an existing StorageClass "
        "on the claim."
    ),
    Reason.POD_NOT_READY: (
        "The containers are ready but the pod is not: its node is lost, or a readiness gate is not set."
    ),
    Reason.POD_FAILED: (
        "A pod failed as a whole, usually because it was evicted. A replacement is being created; if it happens often, "
        "raise `resources.requests`."
    ),
    Reason.STARTING: (
        "Pods are starting: volumes are being mounted, the model is being loaded, or the startup probe has not passed "
        "yet. Wait."
    ),
    Reason.AUTOSCALER_ACTIVE: (
        "On AutoscalerReady: the HorizontalPodAutoscaler is active. Being at `minReplicas` or `maxReplicas` is not a "
        "problem."
    ),
    Reason.AUTOSCALER_STARTING: (
        "On AutoscalerReady: the HorizontalPodAutoscaler was created less than a minute ago, or its controller has not "
        "processed it. Wait."
    ),
    Reason.AUTOSCALER_FAILED: (
        "On AutoscalerReady: the HorizontalPodAutoscaler cannot scale, for the reason in the message."
    ),
    Reason.FOREIGN_AUTOSCALER: (
        "On AutoscalerReady: a HorizontalPodAutoscaler that is not managed by this ModelService targets the "
        "Deployment. Delete it, or set `autoscaling.managedBy: External` to let it manage the replicas."
    ),
    Reason.SCALE_TO_ZERO_UNSUPPORTED: (
        "On AutoscalerReady: the cluster does not allow `minReplicas: 0` (feature gate HPAScaleToZero). Set it to 1."
    ),
    Reason.SCALING_DISABLED: (
        "On AutoscalerReady: the Deployment was scaled to 0 manually, and a HorizontalPodAutoscaler does not scale up "
        "from 0. Scale it to 1; to keep it at 0, set `suspend: true`."
    ),
    Reason.FAILED_GET_SCALE: (
        "On AutoscalerReady: the HorizontalPodAutoscaler cannot read the scale of the Deployment. Check the "
        "permissions of kube-controller-manager."
    ),
    Reason.FAILED_UPDATE_SCALE: (
        "On AutoscalerReady: the HorizontalPodAutoscaler cannot set the scale of the Deployment. Check for a webhook "
        "or an admission policy that denies it."
    ),
    Reason.FAILED_GET_RESOURCE_METRIC: (
        "On AutoscalerReady: there are no CPU or memory metrics of the pods. Install metrics-server, and wait until a "
        "replica is ready."
    ),
    Reason.FAILED_GET_CONTAINER_RESOURCE_METRIC: (
        "On AutoscalerReady: there are no CPU or memory metrics of the model container. Install metrics-server, and "
        "wait until a replica is ready; `resources.requests` must be set for the target resource."
    ),
    Reason.FAILED_GET_PODS_METRIC: (
        "On AutoscalerReady: a metric of type Pods is not available. Check the metrics adapter."
    ),
    Reason.FAILED_GET_OBJECT_METRIC: (
        "On AutoscalerReady: a metric of type Object is not available. Check the metrics adapter and the object."
    ),
    Reason.FAILED_GET_EXTERNAL_METRIC: (
        "On AutoscalerReady: a metric of type External is not available. Check the metrics adapter."
    ),
    Reason.INVALID_METRIC_SOURCE_TYPE: (
        "On AutoscalerReady: the cluster does not support the type of a metric. Change `autoscaling.metrics`."
    ),
    Reason.INVALID_SELECTOR: (
        "On AutoscalerReady: the selector of the Deployment is invalid. The operator sets it: please report a bug."
    ),
    Reason.AMBIGUOUS_SELECTOR: (
        "On AutoscalerReady: multiple autoscalers select the same pods. Delete all but one of them."
    ),
}

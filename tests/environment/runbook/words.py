"""Meaning of each reason and the action to take: the hand-written half of docs/runbook.md."""

from collections.abc import Mapping

from modelservice_operator.status.reasons import Reason

WORDS: Mapping[Reason, str] = {
    Reason.ROLLOUT_COMPLETE: "Every replica of this generation is available. Nothing is to be done.",
    Reason.SCALED_TO_ZERO: (
        "No replica runs, because none is asked for or because the Deployment was scaled to 0. Raise "
        "`replicas`, remove `suspend`, or see ScalingDisabled."
    ),
    Reason.MINIMUM_REPLICAS_AVAILABLE: "On Available: at least one replica serves, possibly of an earlier revision.",
    Reason.NO_REPLICAS_AVAILABLE: "On Available: no replica serves. Ready says why.",
    Reason.INVALID_SPEC: (
        "The object does not follow the schema; it was written past an older one. Correct the field that the "
        "message names. What ran before still runs."
    ),
    Reason.NAME_CONFLICT: (
        "A child's name is taken by an object that is not ours, and that is left untouched. Delete or rename "
        "it, or give the ModelService another name."
    ),
    Reason.KIND_UNAVAILABLE: (
        "The cluster does not serve the kind of a child to the operator. Install its CRD, or give the "
        "operator the right to read it."
    ),
    Reason.DRIFT_DETECTED: (
        "Somebody changes a field of a child back each time that it is corrected, so it is left alone for a "
        "while. Find who it is (`kubectl get --show-managed-fields`) and make one of both stop."
    ),
    Reason.FORBIDDEN: (
        "The API server forbids the operator a write. Mostly its ClusterRole was changed: install the manifests again."
    ),
    Reason.REJECTED: (
        "The API server does not accept a child, in the words of the message. Correct the field of the spec "
        "from which it comes."
    ),
    Reason.RETRYING: (
        "A request failed in a way that heals by itself, and is made again. When it lasts, look at the operator's log."
    ),
    Reason.DEPLOYMENT_PENDING: (
        "The Deployment is not there yet, or its controller has not looked at it. When it lasts, look at "
        "kube-controller-manager."
    ),
    Reason.ROLLOUT_IN_PROGRESS: "Replicas of this generation are on their way, and none of them is in trouble. Wait.",
    Reason.PROGRESS_DEADLINE_EXCEEDED: (
        "The rollout made no progress for longer than `rollout.progressDeadlineSeconds`. Ready names the "
        "cause: act on that. The rollout goes on by itself when the cause is gone."
    ),
    Reason.UNSCHEDULABLE: (
        "No node takes the pod. Lower `resources.requests`, set `tolerations`, loosen `nodeSelector`, "
        "`affinity` or `topologySpreadConstraints`, or add nodes."
    ),
    Reason.QUOTA_EXCEEDED: (
        "The ResourceQuota of the namespace leaves no room for a pod or a child, or wants `resources` to be "
        "set. Lower `replicas` or `resources`, or have the quota raised."
    ),
    Reason.ADMISSION_DENIED: (
        "Pod Security, a LimitRange, a webhook or a policy of the cluster refuses the pods or a child. Follow "
        "what the message says, or ask who set the policy."
    ),
    Reason.REPLICA_FAILURE: "Pods cannot be created for another cause, which the message names.",
    Reason.IMAGE_PULL: (
        "An image cannot be pulled. Correct the name or the tag; for a private registry name a Secret in "
        "`imagePullSecrets`; otherwise look at the nodes' way to the registry."
    ),
    Reason.CREATE_CONTAINER_CONFIG_ERROR: (
        "What a container needs is missing: a Secret, a ConfigMap, or a key of one. Create it; the pods go on "
        "by themselves. Also: the image's user is not allowed by `runAsUser`."
    ),
    Reason.CONTAINER_START_ERROR: (
        "The container runtime cannot start the container; mostly `command` names a file that is not in the "
        "image or is not executable."
    ),
    Reason.MODEL_NOT_FOUND: "There is no model at `model.uri`. Correct it, or upload the model.",
    Reason.ACCESS_DENIED: (
        "The store knows the credentials and does not allow them to read the model. Grant read and list on it."
    ),
    Reason.INVALID_CREDENTIALS: "The store does not know the credentials. Correct the Secret in `model.credentials`.",
    Reason.STORE_QUOTA_EXCEEDED: "The store limits how much is read. Wait, or have the limit raised.",
    Reason.UNSUPPORTED_KEY: (
        "The name of a file of the model is not safe to write (absolute, with `..`, too long). Rename it in the store."
    ),
    Reason.DIGEST_MISMATCH: (
        "What was fetched is not what `model.sha256` or the store's own digest says. Correct the digest, or "
        "find out who changed the model."
    ),
    Reason.TIMEOUT: "Loading took longer than `model.loader.timeoutSeconds`. Raise it, or make the model smaller.",
    Reason.TOO_LARGE: "The model exceeds the loader's limits or the size of its volume. Raise `model.cache`.",
    Reason.BAD_URI: "The loader cannot read `model.uri`. Correct it.",
    Reason.UNREACHABLE: "The store does not answer. Look at its address, its certificate and the network.",
    Reason.MODEL_LOADED: "On ModelLoaded: the model of this revision is in a pod. `status.model` says which it is.",
    Reason.MODEL_LOADING: (
        "On ModelLoaded: a loader is at work. Its log says how far it is: `kubectl logs POD -c model-loader`."
    ),
    Reason.MODEL_PENDING: "On ModelLoaded: no pod has come so far. Ready says what is in the way.",
    Reason.IMAGE_VOLUMES_UNSUPPORTED: (
        "On ModelLoaded: the cluster cannot mount an image as a volume (`oci://`). Have the feature ImageVolume "
        "switched on, or keep the model in a store."
    ),
    Reason.LOADER_FAILED: "The loader ended in another way; the message holds its last words.",
    Reason.OOM_KILLED: (
        "A container used more memory than it may. Raise `resources.limits.memory` (for the loader: "
        "`model.loader.resources`)."
    ),
    Reason.CRASH_LOOP: (
        "A container ends again and again; a server that ends with code 0 counts too. Its last words are in "
        "the message, its log in `kubectl logs --previous`."
    ),
    Reason.PROBE_FAILING: (
        "The server runs and its probe does not succeed. Make the server listen on `containerPort` and on all "
        "addresses (0.0.0.0), or change `probes`."
    ),
    Reason.VOLUME_PENDING: (
        "A volume cannot be bound or mounted. Create the claim, Secret or ConfigMap, or give the claim a "
        "StorageClass that exists."
    ),
    Reason.POD_NOT_READY: (
        "The containers are ready and the pod is not: its node is lost, or a readiness gate is closed."
    ),
    Reason.POD_FAILED: (
        "A pod was ended from outside, mostly evicted. Another one takes its place; when it happens often, "
        "raise `resources.requests`."
    ),
    Reason.STARTING: (
        "Pods are being started: volumes are mounted, the model is loaded, the startup probe is waited for. Wait."
    ),
    Reason.AUTOSCALER_ACTIVE: (
        "On AutoscalerReady: the autoscaler follows its metrics. That it is at one of its bounds is no trouble."
    ),
    Reason.AUTOSCALER_STARTING: (
        "On AutoscalerReady: the autoscaler was made less than a minute ago, or its controller has not looked "
        "at it. Wait."
    ),
    Reason.AUTOSCALER_FAILED: "On AutoscalerReady: the autoscaler cannot act, in words of its own.",
    Reason.FOREIGN_AUTOSCALER: (
        "On AutoscalerReady: a HorizontalPodAutoscaler of somebody else targets the Deployment. Delete it, or "
        "set `autoscaling.managedBy: External` to leave the replicas to it."
    ),
    Reason.SCALE_TO_ZERO_UNSUPPORTED: (
        "On AutoscalerReady: the cluster does not allow `minReplicas: 0` (feature gate HPAScaleToZero). Set 1."
    ),
    Reason.SCALING_DISABLED: (
        "On AutoscalerReady: the Deployment was set to 0 by hand, and an autoscaler never wakes it. Scale it "
        "to 1; to have no replica on purpose, set `suspend: true`."
    ),
    Reason.FAILED_GET_SCALE: (
        "On AutoscalerReady: the autoscaler cannot read the Deployment's count. Look at the rights of "
        "kube-controller-manager."
    ),
    Reason.FAILED_UPDATE_SCALE: (
        "On AutoscalerReady: the autoscaler cannot set the Deployment's count. Look for a webhook or policy "
        "that refuses it."
    ),
    Reason.FAILED_GET_RESOURCE_METRIC: (
        "On AutoscalerReady: there are no CPU or memory figures of the pods. Install metrics-server, and wait "
        "until a replica is ready."
    ),
    Reason.FAILED_GET_CONTAINER_RESOURCE_METRIC: (
        "On AutoscalerReady: there are no CPU or memory figures of the model container. As above; "
        "`resources.requests` must be set for what is the target."
    ),
    Reason.FAILED_GET_PODS_METRIC: (
        "On AutoscalerReady: a metric of type Pods has no figures. Look at the metrics adapter."
    ),
    Reason.FAILED_GET_OBJECT_METRIC: (
        "On AutoscalerReady: a metric of type Object has no figures. Look at the metrics adapter and at the object."
    ),
    Reason.FAILED_GET_EXTERNAL_METRIC: (
        "On AutoscalerReady: a metric of type External has no figures. Look at the metrics adapter."
    ),
    Reason.INVALID_METRIC_SOURCE_TYPE: (
        "On AutoscalerReady: the cluster's autoscaler does not know the type of a metric. Change `autoscaling.metrics`."
    ),
    Reason.INVALID_SELECTOR: (
        "On AutoscalerReady: the Deployment's selector cannot be used. It is ours; please report it."
    ),
    Reason.AMBIGUOUS_SELECTOR: "On AutoscalerReady: several autoscalers select the same pods. Keep one of them.",
}

"""Meaning of each reason and what to do: the hand-written half of docs/runbook.md."""

from collections.abc import Mapping

from modelservice_operator.status.reasons import Reason

WORDS: Mapping[Reason, str] = {
    Reason.ROLLOUT_COMPLETE: (
        "The current generation was rolled out, and the required replicas are available: all, or with autoscaling at "
        "least the minimum. No action is needed."
    ),
    Reason.SCALED_TO_ZERO: (
        "No replicas are running, because `replicas` is 0, `suspend` is set, or the Deployment was scaled to 0. Raise "
        "`replicas` or remove `suspend`. If Ready is False, another client scaled the Deployment to 0 although the "
        "spec requires replicas: run the command in the message."
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
        "modified. Give the ModelService another name; for a Service, set `service.name`. An object without a "
        "controller is adopted when you run the command of the message; its pods keep running."
    ),
    Reason.KIND_UNAVAILABLE: (
        "A kind that the ModelService needs is not available to the operator. Install its CRD, or grant the operator "
        "list and watch on it, as the message says; the operator notices within a minute."
    ),
    Reason.FIELD_UNSUPPORTED: (
        "The API server of the cluster drops a field that the spec needs: image volumes (`oci://`) need Kubernetes "
        "1.35, resource claims 1.34, a tolerance in `autoscaling.behavior` 1.35. Upgrade the cluster, enable the "
        "feature gate that the message names, or remove the field."
    ),
    Reason.DRIFT_DETECTED: (
        "Another client undoes each correction of a child: it reverts a field or the replica count, deletes the child, "
        "or creates one that the spec does not ask for. The operator retries after pauses of up to 10 minutes. Find the"
        " other field manager with `kubectl get ... --show-managed-fields`, or the client that deletes in the audit log"
        " of the API server, and stop one of the two. If another controller scales on purpose, set "
        "`autoscaling.managedBy: External`."
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
    Reason.ROLLOUT_PAUSED: (
        "A user has paused the Deployment (`kubectl rollout pause`), so a change of the spec is not rolled out. Run "
        "the command in the message to resume."
    ),
    Reason.PROGRESS_DEADLINE_EXCEEDED: (
        "The rollout made no progress for longer than `rollout.progressDeadlineSeconds`. See the Ready condition for "
        "the cause and correct it; the rollout then continues automatically."
    ),
    Reason.UNSCHEDULABLE: (
        "The pod cannot be scheduled. Lower `resources.requests`, set `tolerations`, relax `nodeSelector`, "
        "`affinity` or `topologySpreadConstraints`, or add nodes."
    ),
    Reason.SCHEDULING_GATED: (
        "Another controller, such as Kueue, holds the pods back with a scheduling gate until it admits them. This is "
        "not a failure: `rollout.progressDeadlineSeconds` does not limit the wait. For Kueue, check the queue with "
        "`kubectl get workloads`."
    ),
    Reason.QUOTA_EXCEEDED: (
        "The ResourceQuota of the namespace has no room for a pod or a child, or requires `resources` to be set. "
        "Lower `replicas` (if autoscaled: `minReplicas` or `maxReplicas`) or `resources`, or ask for a higher quota. "
        "On AutoscalerReady: the quota has no room for the replicas that the autoscaler has set."
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
        "A file name of the model is not safe to write (absolute, with `..`, or too long), or two names differ only in "
        "case or Unicode form. Rename the file in the store."
    ),
    Reason.NOT_A_MODEL: (
        "A file is an HTML page or a pointer of Git LFS, or all files are empty. Correct `model.uri`, or upload the "
        "files themselves. If the file is meant, name it in full in `model.loader.allowPatterns`."
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
        "On ModelLoaded: a loader is running. Its log shows the progress: `kubectl logs POD -c model-loader`, or"
        " `-c model-loader-NAME` for an extra model."
    ),
    Reason.MODEL_PENDING: (
        "On ModelLoaded: no pod has started loading the model yet. See the Ready condition for the cause."
    ),
    Reason.LOADER_FAILED: "The loader failed for another reason; the message contains its last log line.",
    Reason.TRACKING_ACTIVE: (
        "On ModelTracked: the newest check of the URI of a model with `updatePolicy: Auto` succeeded. No action is "
        "needed."
    ),
    Reason.TRACKING_PENDING: (
        "On ModelTracked: no check of the URI has ended yet. The first one starts within "
        "`model.refreshIntervalSeconds`."
    ),
    Reason.TRACKING_SUSPENDED: (
        "On ModelTracked: another client has suspended the CronJob and reverts the operator's correction, so the URI "
        "is not checked. Run the command in the message, and stop the other client."
    ),
    Reason.CHECK_NOT_STARTED: (
        "On ModelTracked: the Job of a check cannot create its pod, for example because of a ResourceQuota, Pod "
        "Security or an admission webhook. The Events of the Job have the cause. The pods keep their model."
    ),
    Reason.CHECK_NOT_ENDING: (
        "On ModelTracked: the pod of a check does not end. The usual cause is a sidecar that a service mesh injects: "
        "exclude pods with the label `app.kubernetes.io/name=modelservice-refresh` from the injection. A store that "
        "does not respond is another."
    ),
    Reason.OOM_KILLED: (
        "A container used more memory than allowed. Raise `resources.limits.memory` (for the loader: "
        "`model.loader.resources`)."
    ),
    Reason.CRASH_LOOP: (
        "A container exits repeatedly; a server that exits with code 0 counts too. The message contains the log "
        "line with the cause and the field to change, if they are known, or else the last line; `kubectl logs "
        "--previous` shows the log."
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
        "failure."
    ),
    Reason.AT_MAXIMUM: (
        "On AutoscalerReady: the HorizontalPodAutoscaler is active, but limited by `autoscaling.maxReplicas`. If this "
        "continues, raise it."
    ),
    Reason.TARGET_UNREACHABLE: (
        "On AutoscalerReady: `resources.limits` keep the utilization below the target, so the HorizontalPodAutoscaler "
        "never adds a replica. Raise the limit, lower the request, or lower the target."
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
        "Deployment. It sets the replica count, and `replicas` is not applied. Delete it, or set "
        "`autoscaling.managedBy: External` to let it manage the replicas."
    ),
    Reason.SCALE_TO_ZERO_UNSUPPORTED: (
        "On AutoscalerReady: the cluster does not allow `minReplicas: 0` (feature gate HPAScaleToZero). Set it to 1."
    ),
    Reason.SCALING_DISABLED: (
        "On AutoscalerReady: the Deployment was scaled to 0 manually, and a HorizontalPodAutoscaler does not scale up "
        "from 0; or another client has disabled scaling up in the HorizontalPodAutoscaler. Run the command in the "
        "message; to keep the Deployment at 0, set `suspend: true`."
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
    Reason.ADDRESS_ASSIGNED: "On Exposed: the load balancer or the Ingress has an address. No action is needed.",
    Reason.ADDRESS_PENDING: (
        "On Exposed: the Service of type LoadBalancer, or the Ingress, has no address. Clouds take a minute or two. A "
        "cluster without a load balancer implementation (kind, minikube, most bare-metal clusters) never assigns one: "
        "install one such as MetalLB, or use `service.type: NodePort` or an Ingress. An Ingress gets its address from "
        "its controller: check `expose.ingress.className`; some controllers publish no address unless configured to, "
        "although they serve the Ingress."
    ),
    Reason.ROUTE_ACCEPTED: "On Exposed: the Gateway accepts the HTTPRoute. No action is needed.",
    Reason.ROUTE_PENDING: (
        "On Exposed: no controller has reported on the HTTPRoute. Check that the Gateway in "
        "`expose.httpRoute.parentRefs` exists, and that its GatewayClass has a controller."
    ),
    Reason.ROUTE_NOT_ACCEPTED: (
        "On Exposed: a Gateway rejects the HTTPRoute, for the reason in the message. For a Gateway of another "
        "namespace, its owner has to admit yours: `allowedRoutes.namespaces` of the listener. Correct "
        "`expose.httpRoute` if the name, listener or port is wrong."
    ),
}

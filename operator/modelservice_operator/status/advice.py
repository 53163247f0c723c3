"""Advice by cause: tables of (pattern of the reported text, what to do). The first match applies."""

from modelservice_operator.api.v1alpha1.spec import ModelServiceSpec
from modelservice_operator.resources.model_volume import CREDENTIALS_VOLUME_NAME

Advice = tuple[tuple[str, str], ...]

NO_SURGE = "rollout.type: Recreate, or rollout.maxSurge: 0 and rollout.maxUnavailable: 1"
"""Fields for a rollout that stops old pods before it starts new ones."""
ADMISSION_ADVICE: Advice = (
    (r"must specify", "Set a value in resources for each resource that the quota limits."),
    (
        r"violates PodSecurity",
        "The Pod Security level of the namespace forbids these pods: change the spec or the level.",
    ),
    (r"failed calling webhook", "The admission webhook is not responding. Check the service behind it."),
    (r"admission webhook|AdmissionPolicy", "An admission policy denied the pods: change what the message names."),
    (r"serviceaccount .*not found", "Create the ServiceAccount, or correct serviceAccountName."),
    (r"PriorityClass", "Create the PriorityClass, or correct priorityClassName."),
    (r"RuntimeClass", "Create the RuntimeClass, or correct runtimeClassName."),
)
SCHEDULING_ADVICE: Advice = (
    (r"disk-pressure", "The disk of a node is full: free space on it, or add nodes."),
    (r"(memory|pid)-pressure", "A node has run out of memory or processes: lower its load, or add nodes."),
    (r"node\.kubernetes\.io/(not-ready|unreachable|network)", "A node is not ready: check kubectl get nodes."),
    (
        r"insufficient [\w.-]+/",
        "Lower the number in resources.limits, add nodes with free devices, or install the device plugin on the nodes.",
    ),
    (r"insufficient", "Lower resources.requests, or add nodes with more capacity."),
    (r"taint", "Set tolerations for the taint, or add nodes without it."),
    (r"affinity|selector", "Change nodeSelector or affinity to match the labels of a node."),
    (r"spread", "Relax topologySpreadConstraints, or add nodes."),
    (r"didn't have free ports", "Remove the host port of an injected container, or add nodes."),
    (r"unschedulable", "Uncordon the node, or add nodes."),
)
CLAIM_ADVICE: Advice = (
    (r"unbound", "Set an existing StorageClass on the claim, or create a PersistentVolume for it."),
    (r"not found", "Create the PersistentVolumeClaim, or correct the name of the claim."),
    (r"affinity", "The volume is restricted to nodes that cannot run the pod: free capacity on one of them."),
)
FAILED_POD_ADVICE: Advice = (
    (r"emptydir", "Raise the sizeLimit of this volume in mounts or model.cache."),
    (r"local (ephemeral )?storage (usage|limit)", "Raise resources.limits.ephemeral-storage."),
    (
        r"ephemeral-storage|disk|inode|nodefs|imagefs",
        "The disk of the node is full: set resources.requests.ephemeral-storage to what the server writes.",
    ),
    (r"low on resource: memory", "Set resources.requests.memory to what the server uses."),
    (r"preempt", "Pods of a higher priority need the node: set priorityClassName, or add nodes."),
    (r"device|OutOf\S+/", "The node has fewer healthy devices than it reports: check its device plugin."),
)
MOUNT_ADVICE: Advice = (
    (
        rf'volume "{CREDENTIALS_VOLUME_NAME}" : secret .*not found',
        "Create the Secret that model.credentials names; pods recover automatically.",
    ),
    (
        rf'volume "{CREDENTIALS_VOLUME_NAME}-[^"]+" : secret .*not found',
        "Create the Secret that credentials of this entry of model.extra names; pods recover automatically.",
    ),
    (r"Multi-Attach", f"A pod on another node uses the volume: set {NO_SURGE}, or use a claim with ReadWriteMany."),
    (r"CSI driver|driver name", "Install the CSI driver on the nodes, or correct its name."),
)
MISSING_SOURCE_ADVICE = "Create the Secret, ConfigMap or claim that the volume references; pods recover automatically."
CONFIG_ADVICE: Advice = (
    (r"find key", "Add the key, or correct its name in env; pods recover automatically."),
    (r"secret .*not found", "Create the Secret; pods recover automatically."),
    (r"configmap .*not found", "Create the ConfigMap; pods recover automatically."),
    (r"non-?root", "Leave runAsUser at its default, or set the UID of a non-root user of the image."),
)
START_ADVICE: Advice = (
    (r"exec format error", "Build the image for the architecture of the nodes, or set nodeSelector."),
    (r"no space left", "The disk of the node is full: free space on it."),
    (
        r"nvidia-container-cli",
        "The NVIDIA driver of the node is not loaded, or too old for the image: set nodeSelector to other nodes.",
    ),
    (r"not a directory", "Correct mountPath or subPath in mounts: one is a file, the other one a directory."),
    (r"chdir to cwd", "Set workingDir to a directory that runAsUser may access, such as /tmp."),
    (r"executable file not found|no such file", "Correct command, or use an image that contains it."),
    (r"permission denied", "Make the file that command names executable for runAsUser."),
)
AUTOSCALER_ADVICE: Advice = (
    (
        r"could not find the requested resource \(get pods\.metrics",
        "Install metrics-server.",
    ),
    (r"unable to handle the request \(get pods\.metrics", "metrics-server is not running: check its pods."),
    (
        r"no (custom|external) metrics API",
        "Install an adapter for this metric, such as prometheus-adapter, or use a CPU target.",
    ),
    (
        r"could not find the metric|no metrics returned from (custom|external)",
        "Correct the name of the metric, or make the server export it.",
    ),
    (
        r"did not receive metrics|no metrics returned|no recent",
        "metrics-server has no values of a pod: check kubectl top pods, and whether it reaches the node of the pod.",
    ),
    (r"missing request for", "Set resources.requests for this resource; for an injected container, its owner must."),
)
PULL_UNAUTHORIZED = (
    r"\b40[13]\b|unauthori[sz]ed|forbidden|authori[sz]ation|authentication|basic auth|access denied|pull access"
)
"""Pattern of pull errors that credentials can solve."""
PULL_ADVICE: Advice = (
    (r"no space left", "The disk of the node is full: free space on it, or use a smaller image."),
    (
        r"HTTP response to HTTPS client",
        "The registry does not use TLS: set it up, or allow HTTP for it in the container runtime of the nodes.",
    ),
    (
        r"too ?many ?requests|\b429\b",
        "The registry limits the pull rate: wait, or pull with credentials (imagePullSecrets).",
    ),
    (r"no match for platform", "Build the image for the architecture of the nodes."),
    (r"never", "imagePullPolicy is Never: load the image onto the node, or change the policy."),
    (r"not found|manifest unknown|invalid", "Correct the name or the tag of the image."),
    (
        r"no such host|timeout|timed out|refused|x509|tls|unreachable|no route|EOF",
        "The nodes cannot reach the registry: check its name, its certificate and the network.",
    ),
)


def with_default_requests(advice: str, spec: ModelServiceSpec) -> str:
    """Return the advice, with the default requests if they apply: the author of the spec did not choose them."""
    if spec.resources is not None:
        return advice
    return f"{advice} spec.resources is not set, so the defaults of 500m CPU and 512Mi memory apply."

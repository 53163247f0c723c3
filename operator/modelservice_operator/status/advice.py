"""Advice by cause: tables of (pattern of the reported text, what to do). The first match applies."""

Advice = tuple[tuple[str, str], ...]

ADMISSION_ADVICE: Advice = (
    (r"must specify", "Set a value in resources for each resource that the quota limits."),
    (r"quota", "Lower replicas or resources, or ask for a higher ResourceQuota in the namespace."),
    (
        r"violates PodSecurity",
        "The Pod Security level of the namespace forbids these pods: change the spec or the level.",
    ),
    (r"failed calling webhook", "The admission webhook is not responding. Check the service behind it."),
    (r"admission webhook|AdmissionPolicy", "An admission policy denied the pods: change what the message names."),
    (r"serviceaccount .*not found", "Create the ServiceAccount, or correct serviceAccountName."),
    (r"PriorityClass", "Create the PriorityClass, or correct priorityClassName."),
    (r"RuntimeClass", "Create the RuntimeClass, or correct runtimeClassName."),
    (r"(minimum|maximum) .* usage", "Change resources to what the LimitRange of the namespace allows."),
)
SCHEDULING_ADVICE: Advice = (
    (r"insufficient", "Lower resources.requests, or add nodes with more capacity."),
    (r"taint", "Set tolerations for the taint, or add nodes without it."),
    (r"affinity|selector", "Change nodeSelector or affinity to match the labels of a node."),
    (r"spread", "Relax topologySpreadConstraints, or add nodes."),
    (r"gate", "The controller that set the scheduling gate must remove it."),
)
CLAIM_ADVICE: Advice = (
    (r"unbound", "Set an existing StorageClass on the claim, or create a PersistentVolume for it."),
    (r"not found", "Create the PersistentVolumeClaim, or correct the name of the claim."),
    (r"affinity", "The volume is restricted to nodes that cannot run the pod: free capacity on one of them."),
)
MOUNT_ADVICE = "Create the Secret, ConfigMap or claim that the volume references; pods recover automatically."
CONFIG_ADVICE: Advice = (
    (r"find key", "Add the key, or correct its name in env; pods recover automatically."),
    (r"secret .*not found", "Create the Secret; pods recover automatically."),
    (r"configmap .*not found", "Create the ConfigMap; pods recover automatically."),
    (r"non-?root", "Leave runAsUser at its default, or set the UID of a non-root user of the image."),
)
START_ADVICE: Advice = (
    (r"executable file not found|no such file", "Correct command, or use an image that contains it."),
    (r"permission denied", "Make the file that command names executable for runAsUser."),
)
PULL_UNAUTHORIZED = (
    r"\b40[13]\b|unauthori[sz]ed|forbidden|authori[sz]ation|authentication|basic auth|access denied|pull access"
)
"""Pattern of pull errors that credentials can solve."""
PULL_ADVICE: Advice = (
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
EXIT_CODE_HINTS = {
    0: "a server must keep running",
    126: "the command is not executable",
    127: "the command was not found",
    137: "killed by SIGKILL",
    139: "segmentation fault",
    143: "terminated by SIGTERM",
}
"""Meaning of exit codes that do not come from the server itself."""

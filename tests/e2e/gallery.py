"""Failures of ModelServices in the failure gallery: the cause, the reported reason and message, and the fix."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from modelservice_operator.status.autoscaling import STARTUP_GRACE_SECONDS
from modelservice_operator.status.reasons import Reason
from tests.support.builders import ModelServiceBuilder, model_service

Object = dict[str, Any]
ObjectPredicate = Callable[[Object], bool]

PYTHON = "/usr/bin/python3"
SERVER_CODE = "import http.server as h; h.ThreadingHTTPServer(('', 8080), h.SimpleHTTPRequestHandler).serve_forever()"
FAST_PROBE = {"periodSeconds": 1, "failureThreshold": 60}
SMALL_RESOURCES = {"requests": {"cpu": "10m", "memory": "48Mi"}, "limits": {"memory": "256Mi"}}


def python_server(code: str, **fields: Any) -> ModelServiceBuilder:
    """Return a ModelService that runs Python code; it serves the empty directory /tmp."""
    command = [PYTHON, "-u", "-c", code]
    service = model_service().with_spec(command=command, workingDir="/tmp", resources=SMALL_RESOURCES)  # noqa: S108
    return service.with_spec(**fields)


SERVER = python_server(SERVER_CODE)


def is_waiting(*reasons: str) -> ObjectPredicate:
    """Return a predicate: a container of the pod is waiting for one of these reasons."""
    return lambda body: any(
        ((status.get("state") or {}).get("waiting") or {}).get("reason") in reasons
        for status in (body.get("status") or {}).get("containerStatuses") or ()
    )


def has_terminated(reason: str) -> ObjectPredicate:
    """Return a predicate: a container of the pod has terminated for this reason."""
    return lambda body: any(
        ((status.get(state) or {}).get("terminated") or {}).get("reason") == reason
        for status in (body.get("status") or {}).get("containerStatuses") or ()
        for state in ("state", "lastState")
    )


def has_condition(kind: str, status: str, words: str = "") -> ObjectPredicate:
    """Return a predicate: the object has this condition, and its message contains `words`."""
    return lambda body: any(
        entry["type"] == kind and entry["status"] == status and words in entry.get("message", "")
        for entry in (body.get("status") or {}).get("conditions") or ()
    )


def is_event(reason: str, words: str = "") -> ObjectPredicate:
    """Return a predicate: the object is an Event with this reason, and its message contains `words`."""
    return lambda body: body.get("kind") == "Event" and body.get("reason") == reason and words in body["message"]


@dataclass(frozen=True)
class FailureCase:
    """One entry of the gallery; `REGISTRY` in images and messages is replaced by the registry's address."""

    name: str
    title: str
    failing: ModelServiceBuilder
    reason: Reason
    message: str
    """Regular expression that matches the whole message."""
    cause: ObjectPredicate
    """Predicate that finds the first sign of the failure in pods, ReplicaSets, autoscalers and Events."""
    corrected: ModelServiceBuilder | None = SERVER
    """ModelService that the user applies as fix; None if the ModelService was correct and another object is fixed."""
    prerequisites: tuple[Object, ...] = ()
    """Objects that exist before the ModelService is applied."""
    denies_pods: bool = False
    """One of the prerequisites is an admission policy that denies pods."""
    gates_pods: bool = False
    """One of the prerequisites is an admission policy that adds a scheduling gate to pods."""
    fix: tuple[Object, ...] = ()
    """Objects that a user applies as fix."""
    kind: str = "Ready"
    needs_own_namespace: bool = False
    report_delay: float = 0.0
    """Seconds after its first sign in which the failure is deliberately not reported."""
    report_timeout: float = 120.0
    """Seconds until the failure must be reported."""

    @property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(self.message)

    def with_registry(self, registry: str) -> "FailureCase":
        """Return the case with the registry's address in images and message."""
        return replace(
            self,
            failing=_with_registry(self.failing, registry),
            corrected=None if self.corrected is None else _with_registry(self.corrected, registry),
            message=self.message.replace("REGISTRY", re.escape(registry)),
        )


def _with_registry(service: ModelServiceBuilder, registry: str) -> ModelServiceBuilder:
    return service.with_spec(image=service.spec["image"].replace("REGISTRY", registry))


def claim(name: str) -> Object:
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": name,
        "resources": {"requests": {"storage": "1Mi"}},
    }
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}


def volume(name: str) -> Object:
    spec = {
        "capacity": {"storage": "1Mi"},
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": name,
        "hostPath": {"path": "/run/gallery", "type": "DirectoryOrCreate"},
    }
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec}


def quota(pods: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "pods"},
        "spec": {"hard": {"pods": pods}},
    }


def policy(name: str) -> tuple[Object, ...]:
    """Return an admission policy that requires the label team on pods, in namespaces with the label gallery."""
    group = "admissionregistration.k8s.io/v1"
    pods = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    rule = {"expression": "'team' in object.metadata.labels", "message": "pods must carry the label team"}
    spec = {"matchConstraints": {"resourceRules": [pods]}, "validations": [rule], "failurePolicy": "Fail"}
    selector = {"namespaceSelector": {"matchLabels": {"gallery": name}}}
    binding = {"policyName": name, "validationActions": ["Deny"], "matchResources": selector}
    return (
        {"apiVersion": group, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name}, "spec": spec},
        {
            "apiVersion": group,
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name},
            "spec": binding,
        },
    )


QUEUE_LABEL = {"kueue.x-k8s.io/queue-name": "team-a"}


def gate_policy(name: str) -> tuple[Object, ...]:
    """Return an admission policy that adds the gate of Kueue to pods with its label, as Kueue does."""
    group = "admissionregistration.k8s.io/v1"
    pods = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    has_label = "has(object.metadata.labels) && 'kueue.x-k8s.io/queue-name' in object.metadata.labels"
    gate = "Object.spec.schedulingGates{name: 'kueue.x-k8s.io/admission'}"
    change = {"expression": f"Object{{spec: Object.spec{{schedulingGates: [{gate}]}}}}"}
    spec = {
        "matchConstraints": {"resourceRules": [pods]},
        "matchConditions": [{"name": "queue", "expression": has_label}],
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
        "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": change}],
    }
    selector = {"namespaceSelector": {"matchLabels": {"gallery": name}}}
    binding = {"policyName": name, "matchResources": selector}
    return (
        {"apiVersion": group, "kind": "MutatingAdmissionPolicy", "metadata": {"name": name}, "spec": spec},
        {"apiVersion": group, "kind": "MutatingAdmissionPolicyBinding", "metadata": {"name": name}, "spec": binding},
    )


def limit_range(**maximum: str) -> Object:
    spec = {"limits": [{"type": "Container", "max": maximum}]}
    return {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "small"}, "spec": spec}


REGISTRY_LOGIN = "registry-login"
CONFIG_MAP: Mapping[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {}}
SECRET: Mapping[str, Any] = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "token"},
    "stringData": {"value": "x"},
}
SECRET_VARIABLE = [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "token", "key": "value"}}}]
CONFIG_MAP_MOUNT = [{"name": "settings", "mountPath": "/settings", "configMap": {"name": "settings"}}]
CLAIM_MOUNT = [{"name": "data", "mountPath": "/data", "persistentVolumeClaim": {"claimName": "gallery"}}]
MISSING_CLAIM_MOUNT = [{"name": "data", "mountPath": "/data", "persistentVolumeClaim": {"claimName": "missing"}}]
CACHE_MOUNT = [{"name": "data", "mountPath": "/app/cache", "emptyDir": {}}]
SHM_MOUNT = [{"name": "shm", "mountPath": "/dev/shm", "emptyDir": {"medium": "Memory", "sizeLimit": "2Gi"}}]  # noqa: S108
WRONG_PATH_PROBE = {"readiness": {"httpGet": {"path": "/nothing-here"}, "periodSeconds": 1}}
ROOT_PATH_PROBE = {"readiness": {"httpGet": {"path": "/"}, "periodSeconds": 1}}
ONLY_POD = "The only pod: "
LOG = r"Logs: kubectl logs -n \S+ deployment/[\w-]+ -c model --previous\."
EXITED = ONLY_POD + r"container model exited with code 1\. Log line: "
MEMORY_CODE = f"x = b'x' * (96 << 20); {SERVER_CODE}"
CACHE_CODE = f"import os; os.makedirs('/app/cache', exist_ok=True); open('/app/cache/x', 'w').close(); {SERVER_CODE}"
USER_CODE = f"import os, pwd; pwd.getpwuid(os.getuid()); {SERVER_CODE}"
SWITCH_USER_CODE = "import os; os.setgroups([100])"
FORMAT_CODE = (
    "import os; path = '/tmp/server'; open(path, 'wb').write(bytes(9)); os.chmod(path, 0o700); os.execv(path, [path])"
)
SHM_CODE = (
    "import mmap; shm = open('/dev/shm/tensor', 'w+b'); shm.truncate(96 << 20); tensor = mmap.mmap(shm.fileno(), 0);"
    f" [tensor.write(bytes(1 << 20)) for _ in range(96)]; {SERVER_CODE}"
)
SLOW_START_CODE = f"import time; time.sleep(12); {SERVER_CODE}"
OTHER_PORT_CODE = SERVER_CODE.replace("8080", "5000")
MISSING_METRIC = [
    {"type": "Pods", "pods": {"metric": {"name": "queue"}, "target": {"type": "AverageValue", "averageValue": "1"}}}
]

CASES: tuple[FailureCase, ...] = (
    FailureCase(
        "no-image",
        "The image does not exist",
        SERVER.with_spec(image="REGISTRY/iris:nope", imagePullSecrets=[{"name": REGISTRY_LOGIN}]),
        Reason.IMAGE_PULL,
        ONLY_POD
        + r'image "REGISTRY/iris:nope" cannot be pulled: .*not found\. Correct the name or the tag of the image\.',
        is_waiting("ErrImagePull", "ImagePullBackOff"),
    ),
    FailureCase(
        "private",
        "The image is private, and no Secret is named",
        SERVER.with_spec(image="REGISTRY/iris:1", imagePullPolicy="Always"),
        Reason.IMAGE_PULL,
        ONLY_POD + r'image "REGISTRY/iris:1" cannot be pulled: .*(authorization|credentials).* '
        r"Set imagePullSecrets to a Secret with credentials for this registry, and check the name of the image\.",
        is_waiting("ErrImagePull", "ImagePullBackOff"),
        corrected=SERVER.with_spec(
            image="REGISTRY/iris:1", imagePullPolicy="Always", imagePullSecrets=[{"name": REGISTRY_LOGIN}]
        ),
    ),
    FailureCase(
        "command",
        "The command is not in the image",
        SERVER.with_spec(command=["/no/such/server"]),
        Reason.CONTAINER_START_ERROR,
        ONLY_POD + r"container model cannot be started: exec: \"/no/such/server\": .*no such file or directory\. "
        r"Correct command, or use an image that contains it\.",
        has_terminated("StartError"),
    ),
    FailureCase(
        "crash",
        "The server ends with a traceback",
        python_server("import serving_that_is_not_there"),
        Reason.CRASH_LOOP,
        ONLY_POD + r"container model exited with code 1\. Log line: \"ModuleNotFoundError: No module named "
        r"'serving_that_is_not_there'\"\. The program imports a module that is not in the image\. .*" + LOG,
        has_terminated("Error"),
    ),
    FailureCase(
        "read-only",
        "The server writes to a directory of the image",
        python_server(CACHE_CODE),
        Reason.CRASH_LOOP,
        EXITED
        + r"\"OSError: \[Errno 30\] Read-only file system: '/app/cache'\"\. The server writes to /app/cache\. The "
        r"root file system is read-only by default: add to mounts: {name: data, mountPath: /app/cache, emptyDir: {}}, "
        r"or set writableRootFilesystem: true, .*" + LOG,
        has_terminated("Error"),
        corrected=python_server(CACHE_CODE, mounts=CACHE_MOUNT),
    ),
    FailureCase(
        "user",
        "The server needs the name of its user",
        python_server(USER_CODE),
        Reason.CRASH_LOOP,
        EXITED
        + r"\"KeyError: 'getpwuid\(\): uid not found: 10001'\"\. The container runs as user 10001, the default of "
        r"runAsUser, who is not in /etc/passwd of the image\. Set runAsUser to a user of the image\. " + LOG,
        has_terminated("Error"),
        corrected=python_server(USER_CODE, runAsUser=65534),
    ),
    FailureCase(
        "root",
        "The image starts as root to switch to another user",
        python_server(SWITCH_USER_CODE),
        Reason.CRASH_LOOP,
        EXITED + r"\"PermissionError: \[Errno 1\] Operation not permitted\"\. The program needs root or a capability, "
        r".*\. Set command to the server .*" + LOG,
        has_terminated("Error"),
    ),
    FailureCase(
        "architecture",
        "The program is built for another architecture",
        python_server(FORMAT_CODE),
        Reason.CRASH_LOOP,
        EXITED + r"\"OSError: \[Errno 8\] Exec format error.*\"\. The program is built for another CPU architecture "
        r"than that of the node\. Build the image for the architecture of the nodes, .*" + LOG,
        has_terminated("Error"),
    ),
    FailureCase(
        "shared-memory",
        "The server needs more shared memory than 64 MiB",
        python_server(SHM_CODE),
        Reason.CRASH_LOOP,
        ONLY_POD
        + r"container model exited with code 135 \(bus error\)\. .*The shared memory of the container is full: "
        r"/dev/shm holds 64 MiB by default\. Add to mounts: {name: shm, mountPath: /dev/shm, emptyDir: .*" + LOG,
        has_terminated("Error"),
        corrected=python_server(SHM_CODE, mounts=SHM_MOUNT),
    ),
    FailureCase(
        "memory",
        "The server needs more memory than its limit",
        python_server(MEMORY_CODE, resources=SMALL_RESOURCES | {"limits": {"memory": "64Mi"}}),
        Reason.OOM_KILLED,
        ONLY_POD + r"container model was killed because it used more memory than allowed\. Its limit is 64Mi: "
        r"raise resources\.limits\.memory\.",
        has_terminated("OOMKilled"),
        corrected=python_server(MEMORY_CODE),
    ),
    FailureCase(
        "path",
        "The readiness probe asks for a path that is not served",
        SERVER.with_spec(probes=WRONG_PATH_PROBE),
        Reason.PROBE_FAILING,
        ONLY_POD
        + r"container model is running but fails its readiness probe: Readiness probe failed: HTTP probe failed with "
        r"statuscode: 404\. Make the server respond, or change containerPort or probes\.",
        is_event("Unhealthy", "statuscode: 404"),
        corrected=SERVER.with_spec(probes=ROOT_PATH_PROBE),
    ),
    FailureCase(
        "port",
        "The server listens on another port than containerPort",
        python_server(OTHER_PORT_CODE, probes={"startup": FAST_PROBE}),
        Reason.STARTING,
        ONLY_POD
        + r"container model is running but has not passed its startup probe: Startup probe failed: nothing listens "
        r"on port 8080\. If the server listens on a port other than 8080, change containerPort\.",
        is_event("Unhealthy", "connection refused"),
        corrected=python_server(OTHER_PORT_CODE, containerPort=5000),
    ),
    FailureCase(
        "cpu",
        "No node has so much CPU",
        SERVER.with_spec(resources={"requests": {"cpu": "1000"}}),
        Reason.UNSCHEDULABLE,
        ONLY_POD + r"cannot be scheduled: 0/1 nodes are available: 1 Insufficient cpu\. "
        r"Lower resources\.requests, or add nodes with more capacity\.",
        has_condition("PodScheduled", "False"),
    ),
    FailureCase(
        "secret",
        "A Secret in env does not exist",
        SERVER.with_spec(env=SECRET_VARIABLE),
        Reason.CREATE_CONTAINER_CONFIG_ERROR,
        ONLY_POD + r'container model cannot be created: secret "token" not found\. '
        r"Create the Secret; pods recover automatically\.",
        is_waiting("CreateContainerConfigError"),
        corrected=None,
        fix=(dict(SECRET),),
    ),
    FailureCase(
        "config",
        "A ConfigMap in mounts does not exist",
        SERVER.with_spec(mounts=CONFIG_MAP_MOUNT),
        Reason.VOLUME_PENDING,
        ONLY_POD + r'MountVolume\.SetUp failed for volume "settings" : configmap "settings" not found\. Create the '
        r"Secret, ConfigMap or claim that the volume references; pods recover automatically\.",
        is_event("FailedMount"),
        corrected=None,
        fix=(dict(CONFIG_MAP),),
        report_timeout=150.0,
    ),
    FailureCase(
        "credentials",
        "The Secret of model.credentials does not exist",
        SERVER.with_spec(model={"uri": "s3://models/iris", "credentials": {"secretRef": {"name": "model-store"}}}),
        Reason.VOLUME_PENDING,
        ONLY_POD + r'MountVolume\.SetUp failed for volume "model-credentials" : secret "model-store" not found\. '
        r"Create the Secret that model\.credentials names; pods recover automatically\.",
        is_event("FailedMount"),
        report_timeout=150.0,
    ),
    FailureCase(
        "claim",
        "A PersistentVolumeClaim is not bound",
        SERVER.with_spec(mounts=CLAIM_MOUNT),
        Reason.VOLUME_PENDING,
        ONLY_POD + r"0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims\. "
        r"Set an existing StorageClass on the claim, or create a PersistentVolume for it\.",
        has_condition("PodScheduled", "False"),
        corrected=None,
        prerequisites=(claim("gallery"),),
        fix=(volume("gallery"),),
        report_timeout=150.0,
    ),
    FailureCase(
        "missing-claim",
        "A PersistentVolumeClaim does not exist",
        SERVER.with_spec(mounts=MISSING_CLAIM_MOUNT),
        Reason.VOLUME_PENDING,
        ONLY_POD + r".*persistentvolumeclaim \"missing\" not found\. "
        r"Create the PersistentVolumeClaim, or correct the name of the claim\.",
        has_condition("PodScheduled", "False"),
        corrected=None,
        fix=(volume("missing"), claim("missing")),
        report_timeout=150.0,
    ),
    FailureCase(
        "gate",
        "The pods wait in a queue of Kueue",
        SERVER.with_spec(podLabels=QUEUE_LABEL),
        Reason.SCHEDULING_GATED,
        ONLY_POD
        + r"not scheduled yet because of the scheduling gate kueue\.x-k8s\.io/admission\. Kueue admits the pod "
        r"when it has quota in the queue team-a: kubectl get workloads -n \S+\.",
        has_condition("PodScheduled", "False"),
        prerequisites=gate_policy("gate"),
        gates_pods=True,
        needs_own_namespace=True,
    ),
    FailureCase(
        "limit-range",
        "A LimitRange allows less than the default requests",
        SERVER.without_spec("resources"),
        Reason.ADMISSION_DENIED,
        r"Pods cannot be created: .*must be less than or equal to cpu limit of 200m.* Set spec\.resources to what the "
        r"LimitRange of the namespace allows: kubectl get limitrange -n \S+ -o yaml\. spec\.resources is not set, so "
        r"the defaults of 500m CPU and 512Mi memory apply\.",
        has_condition("ReplicaFailure", "True"),
        prerequisites=(limit_range(cpu="200m", memory="256Mi"),),
        needs_own_namespace=True,
    ),
    FailureCase(
        "quota",
        "The namespace's quota is used up",
        SERVER,
        Reason.QUOTA_EXCEEDED,
        r"Pods cannot be created: exceeded quota: pods, requested: pods=1, used: pods=0, limited: pods=0\. "
        r"Lower replicas or resources, or ask for a higher ResourceQuota in the namespace\.",
        has_condition("ReplicaFailure", "True"),
        corrected=None,
        prerequisites=(quota("0"),),
        fix=(quota("9"),),
        needs_own_namespace=True,
    ),
    FailureCase(
        "policy",
        "A policy of the cluster denies the pods",
        SERVER,
        Reason.ADMISSION_DENIED,
        r"Pods cannot be created: ValidatingAdmissionPolicy 'policy' with binding 'policy' denied request: pods must "
        r"carry the label team\. An admission policy denied the pods: change what the message names\.",
        has_condition("ReplicaFailure", "True"),
        corrected=SERVER.with_spec(podLabels={"team": "ml"}),
        prerequisites=policy("policy"),
        denies_pods=True,
        needs_own_namespace=True,
    ),
    FailureCase(
        "metrics",
        "The autoscaler has no metrics",
        SERVER.with_spec(autoscaling={"maxReplicas": 3, "metrics": MISSING_METRIC}),
        Reason.FAILED_GET_PODS_METRIC,
        r"The HorizontalPodAutoscaler cannot scale: .*unable to get metric queue: .*",
        has_condition("ScalingActive", "False"),
        corrected=SERVER.with_spec(autoscaling={"maxReplicas": 3, "targetCPUUtilizationPercentage": 80}),
        kind="AutoscalerReady",
        report_delay=STARTUP_GRACE_SECONDS,
        report_timeout=180.0,
    ),
    FailureCase(
        "slow",
        "The server takes its time: no failure",
        python_server(SLOW_START_CODE, probes={"startup": FAST_PROBE}),
        Reason.STARTING,
        ONLY_POD + r"container model is running but has not passed its startup probe.*",
        has_condition("PodReadyToStartContainers", "True"),
        corrected=None,
    ),
)

"""What can go wrong with a ModelService, as people meet it: how it comes about, what is said, and what heals it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from modelservice_operator.status.autoscaling import STARTUP_GRACE
from modelservice_operator.status.reasons import Reason
from tests.support.builders import ModelServiceBuilder, model_service

Object = dict[str, Any]
Cause = Callable[[Object], bool]

PYTHON = "/usr/bin/python3"
SERVE = "import http.server as h; h.ThreadingHTTPServer(('', 8080), h.SimpleHTTPRequestHandler).serve_forever()"
FAST = {"periodSeconds": 1, "failureThreshold": 60}
SMALL = {"requests": {"cpu": "10m", "memory": "48Mi"}, "limits": {"memory": "256Mi"}}


def running(code: str, **fields: Any) -> ModelServiceBuilder:
    """A server of some lines of Python, which serves the empty folder /tmp."""
    service = model_service().with_spec(command=[PYTHON, "-u", "-c", code], workingDir="/tmp", resources=SMALL)  # noqa: S108
    return service.with_spec(**fields)


SERVER = running(SERVE)


def waiting(*reasons: str) -> Cause:
    """A container waits for one of these reasons."""
    return lambda body: any(
        ((status.get("state") or {}).get("waiting") or {}).get("reason") in reasons
        for status in (body.get("status") or {}).get("containerStatuses") or ()
    )


def ended(reason: str) -> Cause:
    """A container has ended for this reason."""
    return lambda body: any(
        ((status.get(state) or {}).get("terminated") or {}).get("reason") == reason
        for status in (body.get("status") or {}).get("containerStatuses") or ()
        for state in ("state", "lastState")
    )


def condition(kind: str, status: str, words: str = "") -> Cause:
    """An object has this condition, with these words in its message."""
    return lambda body: any(
        entry["type"] == kind and entry["status"] == status and words in entry.get("message", "")
        for entry in (body.get("status") or {}).get("conditions") or ()
    )


def noted(reason: str, words: str = "") -> Cause:
    """An Event says so."""
    return lambda body: body.get("kind") == "Event" and body.get("reason") == reason and words in body["message"]


@dataclass(frozen=True)
class Case:
    """One entry of the gallery; `{registry}` stands for the registry's address in images and sentences."""

    name: str
    title: str
    broken: ModelServiceBuilder
    reason: Reason
    message: str
    """Regular expression for the whole message."""
    cause: Cause
    """Tells the first sign of it among pods, ReplicaSets, autoscalers and Events."""
    healed: ModelServiceBuilder | None = SERVER
    """What the person applies; None: the ModelService was right, and something else is mended."""
    before: tuple[Object, ...] = ()
    """Objects that stand before it is applied."""
    remedy: tuple[Object, ...] = ()
    """Objects that a person applies to mend it."""
    kind: str = "Ready"
    own_namespace: bool = False
    grace: float = 0.0
    """Seconds from its first sign in which it is on purpose not told yet."""
    within: float = 60.0
    """Seconds until it must have been told."""

    @property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(self.message)

    def at(self, registry: str) -> "Case":
        """Return the case with the registry's address in its place."""
        return replace(
            self,
            broken=_filled(self.broken, registry),
            healed=None if self.healed is None else _filled(self.healed, registry),
            message=self.message.replace("REGISTRY", re.escape(registry)),
        )


def _filled(service: ModelServiceBuilder, registry: str) -> ModelServiceBuilder:
    return service.with_spec(image=service.spec["image"].replace("REGISTRY", registry))


def a_claim(name: str) -> Object:
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "by-hand",
        "resources": {"requests": {"storage": "1Mi"}},
    }
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}


def a_volume(name: str) -> Object:
    spec = {
        "capacity": {"storage": "1Mi"},
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "by-hand",
        "hostPath": {"path": "/run/gallery", "type": "DirectoryOrCreate"},
    }
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec}


def a_quota(pods: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "pods"},
        "spec": {"hard": {"pods": pods}},
    }


def a_policy(name: str) -> tuple[Object, ...]:
    """A policy of the cluster's administrators: pods name a team. It holds where its namespace label is."""
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


LOGIN = "registry-login"
CONFIG: Mapping[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {}}
SECRET: Mapping[str, Any] = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "token"},
    "stringData": {"value": "x"},
}
FROM_SECRET = [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "token", "key": "value"}}}]
MOUNTED = [{"name": "settings", "mountPath": "/settings", "configMap": {"name": "settings"}}]
CLAIMED = [{"name": "data", "mountPath": "/data", "persistentVolumeClaim": {"claimName": "gallery"}}]
PATH = {"readiness": {"httpGet": {"path": "/nothing-here"}, "periodSeconds": 1}}
ROOT = {"readiness": {"httpGet": {"path": "/"}, "periodSeconds": 1}}
ONE = "The only pod: "
LOG = r"Logs: kubectl logs -n \S+ deployment/crash -c model --previous\."
HUNGRY = f"x = b'x' * (96 << 20); {SERVE}"
LATE = f"import time; time.sleep(12); {SERVE}"
ELSEWHERE = SERVE.replace("8080", "5000")
NO_METRIC = [
    {"type": "Pods", "pods": {"metric": {"name": "queue"}, "target": {"type": "AverageValue", "averageValue": "1"}}}
]

CASES: tuple[Case, ...] = (
    Case(
        "no-image",
        "The image does not exist",
        SERVER.with_spec(image="REGISTRY/iris:nope", imagePullSecrets=[{"name": LOGIN}]),
        Reason.IMAGE_PULL,
        ONE + r'image "REGISTRY/iris:nope" cannot be pulled: .*not found\. Correct the name or the tag of the image\.',
        waiting("ErrImagePull", "ImagePullBackOff"),
    ),
    Case(
        "private",
        "The image is private, and no Secret is named",
        SERVER.with_spec(image="REGISTRY/iris:1", imagePullPolicy="Always"),
        Reason.IMAGE_PULL,
        ONE + r'image "REGISTRY/iris:1" cannot be pulled: .*(authorization|credentials).* '
        r"Set imagePullSecrets to a Secret with credentials for this registry, and check the name of the image\.",
        waiting("ErrImagePull", "ImagePullBackOff"),
        healed=SERVER.with_spec(image="REGISTRY/iris:1", imagePullPolicy="Always", imagePullSecrets=[{"name": LOGIN}]),
    ),
    Case(
        "command",
        "The command is not in the image",
        SERVER.with_spec(command=["/no/such/server"]),
        Reason.CONTAINER_START_ERROR,
        ONE + r"container model cannot be started: exec: \"/no/such/server\": .*no such file or directory\. "
        r"Correct command, or use an image that contains it\.",
        ended("StartError"),
    ),
    Case(
        "crash",
        "The server ends with a traceback",
        running("import serving_that_is_not_there"),
        Reason.CRASH_LOOP,
        ONE + r"container model exited with code 1\. Last log line: \"ModuleNotFoundError: No module named "
        r"'serving_that_is_not_there'\"\. " + LOG,
        ended("Error"),
    ),
    Case(
        "memory",
        "The server needs more memory than its limit",
        running(HUNGRY, resources=SMALL | {"limits": {"memory": "64Mi"}}),
        Reason.OOM_KILLED,
        ONE + r"container model was killed because it used more memory than allowed\. Its limit is 64Mi: "
        r"raise resources\.limits\.memory\.",
        ended("OOMKilled"),
        healed=running(HUNGRY),
    ),
    Case(
        "path",
        "The readiness probe asks for a path that is not served",
        SERVER.with_spec(probes=PATH),
        Reason.PROBE_FAILING,
        ONE
        + r"container model is running but fails its readiness probe: Readiness probe failed: HTTP probe failed with "
        r"statuscode: 404\. Make the server respond, or change containerPort or probes\.",
        noted("Unhealthy", "Readiness probe failed"),
        healed=SERVER.with_spec(probes=ROOT),
    ),
    Case(
        "port",
        "The server listens on another port than containerPort",
        running(ELSEWHERE, probes={"startup": FAST}),
        Reason.STARTING,
        ONE + r"container model is running but has not passed its startup probe: Startup probe failed: nothing listens "
        r"on port 8080\. If the server listens on a port other than 8080, change containerPort\.",
        noted("Unhealthy", "Startup probe failed"),
        healed=running(ELSEWHERE, containerPort=5000),
    ),
    Case(
        "cpu",
        "No node has so much CPU",
        SERVER.with_spec(resources={"requests": {"cpu": "1000"}}),
        Reason.UNSCHEDULABLE,
        ONE + r"cannot be scheduled: 0/1 nodes are available: 1 Insufficient cpu\. "
        r"Lower resources\.requests, or add nodes with more capacity\.",
        condition("PodScheduled", "False"),
    ),
    Case(
        "secret",
        "A Secret in env does not exist",
        SERVER.with_spec(env=FROM_SECRET),
        Reason.CREATE_CONTAINER_CONFIG_ERROR,
        ONE + r'container model cannot be created: secret "token" not found\. '
        r"Create the Secret; pods recover automatically\.",
        waiting("CreateContainerConfigError"),
        healed=None,
        remedy=(dict(SECRET),),
    ),
    Case(
        "config",
        "A ConfigMap in mounts does not exist",
        SERVER.with_spec(mounts=MOUNTED),
        Reason.VOLUME_PENDING,
        ONE + r'MountVolume\.SetUp failed for volume "settings" : configmap "settings" not found\. Create the '
        r"Secret, ConfigMap or claim that the volume references; pods recover automatically\.",
        noted("FailedMount"),
        healed=None,
        remedy=(dict(CONFIG),),
        within=90.0,
    ),
    Case(
        "claim",
        "A PersistentVolumeClaim is not bound",
        SERVER.with_spec(mounts=CLAIMED),
        Reason.VOLUME_PENDING,
        ONE + r"0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims\. "
        r"Set an existing StorageClass on the claim, or create a PersistentVolume for it\.",
        condition("PodScheduled", "False"),
        healed=None,
        before=(a_claim("gallery"),),
        remedy=(a_volume("gallery"),),
        within=90.0,
    ),
    Case(
        "quota",
        "The namespace's quota is used up",
        SERVER,
        Reason.QUOTA_EXCEEDED,
        r"Pods cannot be created: exceeded quota: pods, requested: pods=1, used: pods=0, limited: pods=0\. "
        r"Lower replicas or resources, or ask for a higher ResourceQuota in the namespace\.",
        condition("ReplicaFailure", "True"),
        healed=None,
        before=(a_quota("0"),),
        remedy=(a_quota("9"),),
        own_namespace=True,
    ),
    Case(
        "policy",
        "A policy of the cluster denies the pods",
        SERVER,
        Reason.ADMISSION_DENIED,
        r"Pods cannot be created: ValidatingAdmissionPolicy 'policy' with binding 'policy' denied request: pods must "
        r"carry the label team\. An admission policy denied the pods: change what the message names\.",
        condition("ReplicaFailure", "True"),
        healed=SERVER.with_spec(podLabels={"team": "ml"}),
        before=a_policy("policy"),
        own_namespace=True,
    ),
    Case(
        "metrics",
        "The autoscaler has no metrics",
        SERVER.with_spec(autoscaling={"maxReplicas": 3, "metrics": NO_METRIC}),
        Reason.FAILED_GET_PODS_METRIC,
        r"The HorizontalPodAutoscaler cannot scale: .*unable to get metric queue: .*",
        condition("ScalingActive", "False"),
        healed=SERVER.with_spec(autoscaling={"maxReplicas": 3, "targetCPUUtilizationPercentage": 80}),
        kind="AutoscalerReady",
        grace=STARTUP_GRACE.total_seconds(),
        within=120.0,
    ),
    Case(
        "slow",
        "The server takes its time: no failure",
        running(LATE, probes={"startup": FAST}),
        Reason.STARTING,
        ONE + r"container model is running but has not passed its startup probe.*",
        condition("PodReadyToStartContainers", "True"),
        healed=None,
    ),
)

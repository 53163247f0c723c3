"""The sentence for each difference between an input and the children of its ModelService.

The first row whose pattern matches is used, so that special cases come first; the last row matches every field, so that
no difference is without a sentence.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from modelservice_cli.convert.comparison import Difference, ancestors
from modelservice_cli.convert.notes import Change, Note

_MAX_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Reason:
    """A row: the kinds, the pattern of the path, the sentence. `before` or `after` restrict it to a value."""

    kinds: str
    pattern: str
    text: str
    before: str | None = None
    after: str | None = None
    change: Change | None = None

    def explains(self, difference: Difference) -> bool:
        """Return True if the row is about a difference."""
        return (
            (self.kinds == "*" or difference.kind in self.kinds.split("|"))
            and re.search(self.pattern, difference.path) is not None
            and _is(self.before, difference.before.shown if difference.before else None)
            and _is(self.after, difference.after.shown if difference.after else None)
        )


def _is(wanted: str | None, value: str | None) -> bool:
    """Return True if a value is the wanted one; `-` means a missing value."""
    return wanted is None or (value is None if wanted == "-" else value == wanted)


_POD = r"^spec\.template\.spec\."
_CONTAINER = r"^spec\.template\.spec\.(containers|initContainers)\[[^]]*\]\."
_OWN_LABEL = r"app\.kubernetes\.io/(name|instance|managed-by|part-of)\]"
_RESTRICTED = "pods of a ModelService comply with the Pod Security Standard restricted"
_IDENTITY_TEXT = (
    "the pods run as a user without privileges, 10001 unless runAsUser names another one, whose group owns the volumes:"
    " set runAsUser, runAsGroup and fsGroup if the image needs others."
)
_DEFAULT_TEXT = "the input does not set it, so that the default of a ModelService counts: {before} becomes {after}."

REASONS: Sequence[Reason] = (
    # Names, labels and selectors, which the operator sets.
    Reason(
        "*",
        rf"abels\[{_OWN_LABEL}",
        "the operator sets this label, by which it finds and selects its objects.",
        change=Change.STANDARD,
    ),
    Reason(
        "Deployment",
        r"^spec\.template\.metadata\.(labels|annotations)\[[^]]*(kubernetes\.io|k8s\.io|argoproj\.io|fluxcd\.io)/",
        "keys of this domain belong to controllers, which could take the pods for theirs.",
    ),
    Reason(
        "Deployment",
        r"^spec\.template\.metadata\.labels\[",
        "it is left out because the old Service and Deployment select by it, and would select the new pods too: add"
        " it to"
        " podLabels if other objects need it.",
    ),
    Reason(
        "Deployment|Service|PodDisruptionBudget|NetworkPolicy|PodMonitor",
        r"^spec\.(selector|podSelector)",
        "the operator selects the pods by the labels app.kubernetes.io/name and app.kubernetes.io/instance.",
        change=Change.STANDARD,
    ),
    Reason(
        "Deployment",
        r"^metadata\.(labels|annotations)\[",
        "labels and annotations of the Deployment become those of the ModelService, which are not copied to its"
        " children.",
        change=Change.CHANGED,
    ),
    Reason(
        "Deployment", r"^metadata\.name", "the Deployment has the name of the ModelService: {before} becomes {after}."
    ),
    Reason(
        "HorizontalPodAutoscaler|Ingress|PodDisruptionBudget|NetworkPolicy|HTTPRoute|PodMonitor",
        r"^metadata\.name$",
        "it has the name of the ModelService: {before} becomes {after}.",
    ),
    Reason(
        "HorizontalPodAutoscaler|PodDisruptionBudget|NetworkPolicy|HTTPRoute|PodMonitor",
        r"^metadata\.(labels|annotations)\[",
        "a ModelService has no field for labels and annotations of this object.",
    ),
    Reason(
        "Service|Ingress",
        r"^metadata\.(labels|annotations)\[",
        "the schema refuses this key or value: keys of reserved domains belong to controllers.",
    ),
    # Rollout.
    Reason(
        "Deployment",
        r"^spec\.strategy\.rollingUpdate",
        "a new replica is started before an old one is stopped (maxSurge 1, maxUnavailable 0), so that no request is"
        " lost:"
        " rollout.maxSurge and rollout.maxUnavailable set others.",
    ),
    Reason(
        "Deployment",
        r"^spec\.progressDeadlineSeconds",
        "the deadline follows from the time that the server may take to start: {before} becomes {after}.",
    ),
    Reason("Deployment", r"^spec\.revisionHistoryLimit", _DEFAULT_TEXT),
    Reason(
        "Deployment", r"^spec\.paused", "a paused Deployment takes no changes: pause by not applying the ModelService."
    ),
    Reason(
        "Deployment",
        r"^spec\.replicas",
        "with an autoscaler the first replicas are at least its minimum and at most its maximum: {before} becomes"
        " {after}.",
    ),
    # Containers.
    Reason(
        "Deployment",
        rf"{_CONTAINER}name$",
        "the container has another name: {before} becomes {after}.",
        after="model",
        change=Change.STANDARD,
    ),
    Reason("Deployment", rf"{_CONTAINER}name$", "the name is reserved: {before} becomes {after}."),
    Reason(
        "Deployment",
        rf"{_CONTAINER}restartPolicy$",
        "further containers are sidecars, which start before the model server and stop after it (native sidecars).",
    ),
    Reason(
        "Deployment",
        r"^spec\.template\.spec\.initContainersOrder",
        "sidecars start before the other init containers: {before} becomes {after}.",
    ),
    Reason(
        "Deployment",
        rf"{_CONTAINER}terminationMessagePolicy",
        "the status shows the end of the log if the server crashes without a message: {before} becomes {after}.",
        change=Change.STANDARD,
    ),
    Reason(
        "Deployment",
        rf"{_CONTAINER}terminationMessagePath",
        "the operator reads the message at the default path: {before} becomes {after}.",
    ),
    Reason(
        "Deployment",
        rf"{_CONTAINER}securityContext\.runAsUser|{_POD}securityContext\.runAsUser",
        "a ModelService does not run as root: runAsUser names another user, writableRootFilesystem and fsGroup help an"
        " image that was built for root.",
        before="0",
    ),
    Reason(
        "Deployment",
        rf"({_CONTAINER}|{_POD})securityContext\.(runAsUser|runAsGroup|fsGroup)$",
        _IDENTITY_TEXT,
        change=Change.CHANGED,
    ),
    Reason(
        "Deployment",
        rf"{_CONTAINER}securityContext\.readOnlyRootFilesystem",
        "the root filesystem is read-only, and /tmp, HOME and mounts are writable: writableRootFilesystem: true makes"
        " all"
        " of it writable.",
        change=Change.CHANGED,
    ),
    Reason(
        "Deployment",
        rf"{_CONTAINER}securityContext\.privileged",
        f"{_RESTRICTED}: a device in resources.limits needs no privilege.",
    ),
    Reason(
        "Deployment",
        rf"{_POD}securityContext\.sysctls",
        "a server without root may listen on its port below 1024 by this setting; other sysctls have no field.",
    ),
    Reason(
        "Deployment",
        rf"({_CONTAINER}|{_POD})securityContext",
        f"{_RESTRICTED}, which decides this field.",
        before="-",
        change=Change.STANDARD,
    ),
    Reason("Deployment", rf"({_CONTAINER}|{_POD})securityContext", f"{_RESTRICTED}, which decides this field."),
    Reason(
        "Deployment",
        rf"{_CONTAINER}env\[(USER|HOME|XDG_CACHE_HOME)\]",
        "the user of the pods is unknown to the image, so that USER, HOME and XDG_CACHE_HOME are set for its"
        " libraries.",
        before="-",
        change=Change.STANDARD,
    ),
    Reason(
        "Deployment",
        rf"{_CONTAINER}env\[(PORT|MODEL_NAME|MODEL_URI|MODEL_PATH)\]",
        "the operator sets this variable for the model server.",
        before="-",
        change=Change.STANDARD,
    ),
    Reason(
        "Deployment",
        rf"{_CONTAINER}env\[",
        "the schema refuses the name, the value or the source of the variable.",
    ),
    Reason("Deployment", rf"{_CONTAINER}envFrom", "the schema refuses the prefix or the source."),
    Reason(
        "Deployment",
        rf"{_POD}volumes\[(tmp|home)\]|{_CONTAINER}volumeMounts\[(/tmp|/home/model)\]",
        "the directories /tmp and HOME of the pods are writable and empty.",
        before="-",
        change=Change.STANDARD,
    ),
    Reason(
        "Deployment",
        rf"{_CONTAINER}resources\.requests",
        "the input has no resources, and a ModelService requests 500m CPU and 512Mi memory then: resources: {{}}"
        " requests"
        " nothing.",
        before="-",
        change=Change.CHANGED,
    ),
    Reason(
        "Deployment", rf"{_CONTAINER}resources", "the schema refuses this resource or amount, or has no field for it."
    ),
    Reason(
        "Deployment",
        rf"{_CONTAINER}(readinessProbe|startupProbe)",
        "without a probe the server counts as ready before it listens: a TCP connection to its port decides, and the"
        " server"
        " may take 30 minutes to start (probes).",
        before="-",
        change=Change.CHANGED,
    ),
    Reason(
        "Deployment",
        rf"{_CONTAINER}(livenessProbe|readinessProbe|startupProbe)",
        "the schema has no field for this part of a probe, or refuses its value.",
    ),
    Reason(
        "Deployment",
        rf"{_CONTAINER}lifecycle\.preStop",
        "SIGTERM comes five seconds after the pod is taken out of the Service, so that no request is lost:"
        " drainSeconds: 0"
        " sends it immediately.",
        before="-",
        change=Change.CHANGED,
    ),
    Reason(
        "Deployment", rf"{_CONTAINER}lifecycle", "a hook of a ModelService is exec, httpGet without a host, or sleep."
    ),
    Reason(
        "Deployment|Service",
        r"ports\[[^]]*\]\.name$",
        "a port without a name gets one: {after}.",
        before="-",
        change=Change.STANDARD,
    ),
    Reason(
        "Deployment",
        rf"{_CONTAINER}ports\[[^]]*\]\.name",
        "a port has one name in the container and in the Service: {before} becomes {after}.",
    ),
    Reason(
        "Deployment",
        rf"{_CONTAINER}ports\[[^]]*\]\.(hostPort|hostIP)",
        "a port of the node is not available to the pods: service.type NodePort or LoadBalancer makes the model"
        " reachable.",
    ),
    Reason(
        "Deployment",
        rf"{_CONTAINER}ports\[",
        "the port that the Service leads to is declared.",
        before="-",
    ),
    Reason(
        "Deployment",
        rf"{_CONTAINER}ports\[",
        "the port is not one that the Service could have as well: each number is used once, by TCP or UDP.",
    ),
    Reason(
        "Deployment",
        rf"{_CONTAINER}volumeMounts\[[^]]*\]\.name|{_POD}volumes\[[^]]*\]\.name",
        "the name of the volume is reserved: {before} becomes {after}.",
        change=Change.CHANGED,
    ),
    Reason(
        "Deployment",
        rf"{_CONTAINER}volumeMounts\[[^]]*\]\.(subPathExpr|mountPropagation|recursiveReadOnly)",
        "a ModelService has no field for it: the volume is mounted without it.",
    ),
    Reason(
        "Deployment",
        rf"{_CONTAINER}volumeMounts\[",
        "the volume of this mount is left out, or the schema refuses the path.",
        after="-",
    ),
    Reason(
        "Deployment",
        rf"{_POD}volumes\[[^]]*\]\.hostPath",
        f"{_RESTRICTED}, which allows no path of the node: use persistentVolumeClaim, csi or model.uri.",
    ),
    Reason(
        "Deployment",
        rf"{_POD}volumes\[[^]]*\]\.image",
        "a model in an image is model.uri with oci://.",
    ),
    Reason(
        "Deployment",
        rf"{_POD}volumes\[",
        "a ModelService has no field for this kind or part of a volume, or no container mounts it.",
    ),
    Reason("Deployment", rf"{_CONTAINER}(stdin|stdinOnce|tty)", "a server has no terminal and no standard input."),
    Reason(
        "Deployment",
        rf"{_CONTAINER}resizePolicy|{_POD}resources",
        "resources are those of containers, and a change of them replaces the pods.",
    ),
    Reason("Deployment", rf"{_CONTAINER}volumeDevices", "a ModelService mounts file systems, no block devices."),
    # Pods.
    Reason(
        "Deployment",
        rf"{_POD}(readinessGates|schedulingGates)",
        "a ModelService has no field for conditions and gates that other controllers set on pods.",
    ),
    Reason(
        "Deployment",
        rf"{_POD}(preemptionPolicy|priority)$",
        "the class in priorityClassName decides about priority and preemption.",
    ),
    Reason("Deployment", rf"{_POD}(overhead|os)", "the class in runtimeClassName decides about it."),
    Reason(
        "Deployment",
        rf"{_POD}(hostNetwork|hostPID|hostIPC|hostUsers|hostname|subdomain|setHostnameAsFQDN|shareProcessNamespace)",
        f"{_RESTRICTED}, and are reached by the Service: a memory volume at /dev/shm is memory that processes share.",
    ),
    Reason(
        "Deployment",
        rf"{_POD}nodeName",
        "a fixed node would take no part in scheduling: nodeSelector with kubernetes.io/hostname chooses a node.",
    ),
    Reason(
        "Deployment",
        rf"{_POD}enableServiceLinks",
        "variables of all Services of the namespace can change the settings of a server: enableServiceLinks: true"
        " adds them.",
        change=Change.CHANGED,
    ),
    Reason(
        "Deployment",
        rf"{_POD}automountServiceAccountToken",
        "without serviceAccountName the pods get no token for the API server: serviceAccountName: default mounts one.",
        before="-",
        change=Change.CHANGED,
    ),
    Reason(
        "Deployment",
        rf"{_POD}serviceAccountName",
        "the token of the account default is mounted only if it is named.",
        before="-",
    ),
    Reason(
        "Deployment",
        rf"{_POD}terminationGracePeriodSeconds",
        "a pod may take 30 seconds to shut down after the drain: {before} becomes {after}.",
    ),
    Reason(
        "Deployment",
        rf"{_POD}topologySpreadConstraints\[[^]]*\]\.labelSelector",
        "the constraint counts the pods of the ModelService.",
    ),
    Reason(
        "Deployment",
        rf"{_POD}affinity.*labelSelector",
        "a term that selects the pods of the Deployment selects those of the ModelService instead.",
    ),
    Reason(
        "Deployment",
        rf"{_POD}affinity.*(namespaceSelector|namespaces)",
        "a term concerns pods of the same namespace: without the field it selects other pods, so check the term.",
    ),
    # Service.
    Reason(
        "Service",
        r"^spec\.ports\[[^]]*\]\.name",
        "a port has one name, of at most 15 characters: {before} becomes {after}.",
    ),
    Reason(
        "Service",
        r"^spec\.ports\[",
        "each port of the container is a port of the Service as well; a headless Service has the numbers of the"
        " container.",
        before="-",
    ),
    Reason(
        "Service",
        r"^spec\.ports\[",
        "a port of the Service leads to a port of the model server, each to another one; a headless Service has the"
        " numbers"
        " of the container.",
    ),
    Reason(
        "Service",
        r"^spec\.(externalIPs|loadBalancerIP|externalName|allocateLoadBalancerNodePorts)",
        "a ModelService has no field for it: an annotation of the provider chooses the address of a load balancer.",
    ),
    Reason("Service", r"^spec\.", "a ModelService has no field for it, or refuses the value."),
    # Autoscaler.
    Reason(
        "HorizontalPodAutoscaler",
        r"^spec\.metrics\[[^]]*\]\.(type|source\.container)$",
        "the target counts the CPU or memory of the model container only, so that sidecars do not change it.",
        change=Change.CHANGED,
    ),
    Reason(
        "HorizontalPodAutoscaler", r"^spec\.", "the schema of autoscaling refuses the value, or has no field for it."
    ),
    # Other kinds.
    Reason(
        "PodDisruptionBudget",
        r"^$",
        "with fewer than two replicas at least, a budget would block the drain of a node: it is created once there"
        " are two.",
        after="-",
    ),
    Reason(
        "PodDisruptionBudget",
        r"unhealthyPodEvictionPolicy",
        "a ModelService has no field for it: pods that are not ready count as the budget of Kubernetes does by"
        " default.",
    ),
    Reason(
        "Ingress",
        r"backend\.service\.port",
        "the Ingress leads to a port of the Service by its name: {before} becomes {after}.",
    ),
    Reason("Ingress", r"^spec\.", "the schema of expose.ingress refuses the value, or has no field for it."),
    Reason("NetworkPolicy", r"ports", "the policy allows the ports of the model server."),
    Reason("Service", r"^$", "each ModelService has a Service: it leads to the port of the server.", before="-"),
    Reason("*", r"^$", "a ModelService has no counterpart for it.", after="-"),
    Reason("*", r"^$", "the operator creates it for a field of the ModelService.", before="-"),
    Reason("*", r"", "a ModelService has no field for it, or its schema refuses the value."),
)


def explain(differences: Iterable[Difference], covered: Sequence[Note]) -> list[Note]:
    """Return notes for the differences that no note covers yet: one for all fields with the same sentence."""
    groups: dict[_Key, list[Difference]] = {}
    for difference in differences:
        if any(note.covers(difference.subject, difference.path) for note in covered):
            continue
        reason = next(one for one in REASONS if one.explains(difference))
        change = reason.change or _change_of(difference)
        key = (difference.subject, change, _filled(reason.text, difference))
        groups.setdefault(key, []).append(difference)
    return [Note(change=key[1], subject=key[0], text=key[2], fields=_fields(key, groups)) for key in groups]


_Key = tuple[str, Change, str]


def _fields(key: _Key, groups: Mapping[_Key, Sequence[Difference]]) -> tuple[str, ...]:
    """Return the fields of a note: the outermost ones below which every difference has the same sentence."""
    others = {one.path for other, found in groups.items() if other != key and other[0] == key[0] for one in found}
    fields = []
    for one in groups[key]:
        above = [path for path in ancestors(one.path) if len(path) >= len(one.root)]
        fields.append(next((path for path in above if not any(_is_below(other, path) for other in others)), one.path))
    # The empty path is the whole object.
    return tuple(path for path in dict.fromkeys(fields) if path)


def _is_below(path: str, above: str) -> bool:
    return path == above or path.startswith((f"{above}.", f"{above}["))


def _change_of(difference: Difference) -> Change:
    if difference.before is None:
        return Change.ADDED
    return Change.OMITTED if difference.after is None else Change.CHANGED


def _filled(text: str, difference: Difference) -> str:
    before, after = (
        _shortened(leaf.shown) if leaf is not None else "nothing" for leaf in (difference.before, difference.after)
    )
    return text.format(before=before, after=after)


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_SHOWN else f"{text[: _MAX_SHOWN - 3]}..."

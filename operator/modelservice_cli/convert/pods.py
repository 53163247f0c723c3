"""The fields of a pod: labels, volumes, placement, identity and names that it resolves."""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from modelservice_cli.convert.containers import template_path
from modelservice_cli.convert.notes import Change, Notes, subject_of
from modelservice_cli.convert.workloads import Workload, selects
from modelservice_operator.apimachinery.objects import Json, Object
from modelservice_operator.apimachinery.well_known import INSTANCE_LABEL

_COPIED = (
    *("nodeSelector", "tolerations", "priorityClassName", "runtimeClassName", "schedulerName", "resourceClaims"),
    *("hostAliases", "dnsPolicy", "dnsConfig", "terminationGracePeriodSeconds", "enableServiceLinks"),
)
_SOURCES = (
    *("configMap", "secret", "persistentVolumeClaim", "emptyDir", "csi", "ephemeral", "projected", "downwardAPI"),
)
_READ_ONLY_COPIES = frozenset({"configMap", "secret", "projected", "downwardAPI"})
"""Sources of which a second volume has the same files."""
_RESERVED_VOLUMES = ("tmp", "home", "model", "model-credentials", "model-ca-bundle")
_RESERVED_PREFIXES = ("model-extra-", "model-credentials-")


def build_labels(workload: Workload) -> Object:
    """Return podLabels and podAnnotations.

    The labels of the old selector are left out: the old Service, autoscaler and budget would select the new pods too.
    """
    metadata = workload.template.get("metadata") or {}
    selector = (workload.deployment["spec"].get("selector") or {}).get("matchLabels") or {}
    labels = {
        key: value
        for key, value in (metadata.get("labels") or {}).items()
        if key not in selector and not is_own_label(key)
    }
    annotations = metadata.get("annotations") or {}
    return ({"podLabels": labels} if labels else {}) | ({"podAnnotations": dict(annotations)} if annotations else {})


def is_own_label(key: str) -> bool:
    """Return True for a label that the operator sets on pods."""
    prefix, _, name = key.partition("/")
    return prefix == "app.kubernetes.io" and name in {"name", "instance", "managed-by", "part-of"}


def build_placement(workload: Workload, name: str, notes: Notes) -> Object:
    """Return the fields that have the same name and form in a PodSpec, and the identity of the pods."""
    pod = workload.pod
    found = {key: copy.deepcopy(pod[key]) for key in _COPIED if pod.get(key) not in (None, [], {}, "")}
    secrets = [{"name": one["name"]} for one in pod.get("imagePullSecrets") or () if one.get("name")]
    if secrets:
        found["imagePullSecrets"] = list({one["name"]: one for one in secrets}.values())
    if isinstance(pod.get("affinity"), dict):
        found["affinity"] = _own_pods(copy.deepcopy(pod["affinity"]), workload, name)
    spreads = [_spread(one, workload, notes) for one in pod.get("topologySpreadConstraints") or ()]
    kept = [one for one in spreads if one is not None]
    if kept:
        found["topologySpreadConstraints"] = kept
    return found | _account(workload)


def _account(workload: Workload) -> Object:
    """Return the ServiceAccount. A token that the account or the pod refuses is not mounted."""
    pod = workload.pod
    name = pod.get("serviceAccountName") or pod.get("serviceAccount")
    wanted = pod.get("automountServiceAccountToken")
    if wanted is None and workload.account is not None:
        wanted = workload.account.get("automountServiceAccountToken")
    if not name:
        # Without a name the pods have the account `default`, of which a ModelService mounts no token.
        needed = wanted is True or any(
            "serviceAccountToken" in source
            for volume in pod.get("volumes") or ()
            for source in (volume.get("projected") or {}).get("sources") or ()
        )
        if not needed:
            return {}
        name = "default"
    return {"serviceAccountName": name} | ({"automountServiceAccountToken": False} if wanted is False else {})


def _own_pods(node: Json, workload: Workload, name: str) -> Json:
    """Return an affinity whose terms select the pods of the ModelService instead of those of the Deployment."""
    if isinstance(node, list):
        return [_own_pods(item, workload, name) for item in node]
    if not isinstance(node, dict):
        return node
    found = {key: _own_pods(value, workload, name) for key, value in node.items()}
    if "topologyKey" in found and is_self_selector(found.get("labelSelector"), workload):
        found["labelSelector"] = {"matchLabels": {INSTANCE_LABEL: name}}
    return found


def is_self_selector(selector: Json, workload: Workload) -> bool:
    """Return True if a selector matches the pods by labels that the pods of the ModelService do not have."""
    if not selects(selector, workload.pod_labels):
        return False
    keys = set((selector.get("matchLabels") or {}).keys())
    keys |= {one.get("key") for one in selector.get("matchExpressions") or ()}
    kept = build_labels(workload).get("podLabels", {})
    return not keys <= set(kept)


def _spread(constraint: Json, workload: Workload, notes: Notes) -> Object | None:
    found = {key: copy.deepcopy(value) for key, value in constraint.items() if key != "labelSelector"}
    if selects(constraint.get("labelSelector"), workload.pod_labels):
        return found
    key = f"{constraint.get('topologyKey')},{constraint.get('whenUnsatisfiable')}"
    text = "the constraint counts other pods than those of this Deployment, which a ModelService cannot say."
    notes.add(
        Change.OMITTED,
        subject_of(workload.deployment),
        text,
        f"spec.template.spec.topologySpreadConstraints[{key}]",
    )
    return None


@dataclass(slots=True)
class Mounts:
    """The volumes of the pods as spec.mounts."""

    volumes: Mapping[str, Object]
    """Volumes of the input by name."""
    subject: str
    path: str
    """Path of the model container, for notes."""
    notes: Notes
    items: list[Object] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    """Names of volumes in the input to those in the ModelService."""

    @property
    def renamed(self) -> dict[str, str]:
        """Names in the ModelService to those in the input, where they differ."""
        return {new: old for old, new in self.names.items() if new != old}

    def add(self, mount: Object) -> None:
        """Add a mount of the model container."""
        if not mount.get("mountPath"):
            text = "a mount without mountPath has no place in the container."
            self.notes.add(Change.OMITTED, self.subject, text, f"{self.path}.volumeMounts")
            return
        name = str(mount.get("name"))
        place = f"{self.path}.volumeMounts[{str(mount.get('mountPath')).rstrip('/')}]"
        volume = self.volumes.get(name)
        if volume is None:
            text = f"the pods have no volume {name}, so that the API server rejects them."
            self.notes.add(Change.OMITTED, self.subject, text, place)
            return
        kind = _source(volume)
        if kind is None:
            return
        own = _plain_name(name)
        if name in self.names:
            if kind not in _READ_ONLY_COPIES:
                text = (
                    f"volume {name} is mounted at another path already, and a ModelService mounts each volume once: use"
                    " one path, or a link in the image."
                )
                self.notes.add(Change.OMITTED, self.subject, text, place)
                return
            own = f"{own}-{sum(item['name'].startswith(own) for item in self.items) + 1}"
            text = f"volume {name} is mounted twice, which needs a second volume with the same content: {own}."
            self.notes.add(Change.CHANGED, self.subject, text, f"spec.template.spec.volumes[{own}]", place)
        source = copy.deepcopy(volume.get(kind) or {})
        if kind == "secret":
            source = {"name": source.pop("secretName", None)} | source
        item = {"name": own, "mountPath": mount.get("mountPath")}
        item |= {key: mount[key] for key in ("subPath", "readOnly") if mount.get(key)}
        self.items.append(item | {kind: source})
        self.names.setdefault(name, own)


def build_mounts(workload: Workload, main: Object, others: Iterable[Object], notes: Notes) -> Mounts:
    """Return the mounts of the model container, and of volumes that only other containers have.

    `others` are the init containers and sidecars.
    """
    volumes = {str(volume.get("name")): volume for volume in workload.pod.get("volumes") or ()}
    subject, path = subject_of(workload.deployment), template_path(str(main["name"]))
    plan = Mounts(volumes, subject, path, notes)
    for mount in main.get("volumeMounts") or ():
        plan.add(mount)
    taken = {item["mountPath"].rstrip("/") for item in plan.items}
    for container in others:
        for mount in container.get("volumeMounts") or ():
            name = str(mount.get("name"))
            if name in plan.names or name not in volumes or _source(volumes[name]) is None:
                continue
            place = str(mount.get("mountPath"))
            if place.rstrip("/") in taken:
                place = f"/mnt/{name}"
            taken.add(place.rstrip("/"))
            text = (
                f"each volume of a ModelService is mounted into the model container: that of {container.get('name')}"
                f" is at {place} there as well."
            )
            notes.add(Change.ADDED, subject, text, f"{path}.volumeMounts[{place.rstrip('/')}]")
            plan.add({"name": name, "mountPath": place})
    return plan


def _source(volume: Object) -> str | None:
    """Return the kind of a volume that a ModelService can have; None for others. A volume without any is emptyDir."""
    kinds = [key for key in volume if key != "name"]
    if not kinds:
        return "emptyDir"
    return next((kind for kind in kinds if kind in _SOURCES), None)


def _plain_name(name: str) -> str:
    reserved = name in _RESERVED_VOLUMES or name.startswith(_RESERVED_PREFIXES)
    return f"{name}-volume" if reserved else name


def build_container_mounts(container: Object, plan: Mounts) -> list[Object]:
    """Return the mounts of an init container or sidecar. Those of volumes that are left out are left out."""
    return [
        {"name": plan.names[str(mount.get("name"))], "mountPath": mount.get("mountPath")}
        | {key: mount[key] for key in ("subPath", "readOnly") if mount.get(key)}
        for mount in container.get("volumeMounts") or ()
        if str(mount.get("name")) in plan.names
    ]

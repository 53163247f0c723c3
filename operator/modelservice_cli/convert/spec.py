"""Writes the spec of a ModelService: the fields of one workload, each with the meaning that it had."""

import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass

from modelservice_cli.convert.autoscaling import add_missing_requests, build_budget, build_replicas, build_rollout
from modelservice_cli.convert.comparison import Names
from modelservice_cli.convert.containers import (
    build_identity,
    build_init,
    build_lifecycle,
    build_probes,
    build_program,
    build_sidecar,
    main_container,
    plain_name,
    template_path,
)
from modelservice_cli.convert.exposure import build_exposure, build_monitoring, build_policy
from modelservice_cli.convert.notes import Change, Notes, subject_of
from modelservice_cli.convert.pods import (
    Mounts,
    build_container_mounts,
    build_labels,
    build_mounts,
    build_placement,
)
from modelservice_cli.convert.services import build_service_options, plan_ports
from modelservice_cli.convert.text_repair import plain_placeholder
from modelservice_cli.convert.workloads import Workload
from modelservice_operator.api.v1alpha1.spec import MAX_NAME_LENGTH
from modelservice_operator.apimachinery.objects import Json, Object
from modelservice_operator.resources.metadata import CONTAINER_NAME

_MODEL_URI = re.compile(r"\b(?:s3|gs|az|abfss?|hf|https|models)://?[^\s'\"]+")
_FIELD_ORDER = (
    *("image", "imagePullPolicy", "imagePullSecrets", "command", "args", "workingDir", "containerPort", "portName"),
    *("ports", "env", "envFrom", "replicas", "suspend", "autoscaling", "rollout", "disruptionBudget", "resources"),
    *("probes", "lifecycle", "terminationGracePeriodSeconds", "initContainers", "sidecars", "mounts", "service"),
    *("expose", "networkPolicy", "monitoring", "serviceAccountName", "automountServiceAccountToken", "runAsUser"),
    *("runAsGroup", "fsGroup", "writableRootFilesystem"),
)


@dataclass(frozen=True, slots=True)
class Draft:
    """A ModelService before it is checked and made small, and how its containers and volumes were named."""

    name: str
    spec: Object
    names: Names


def build_draft(
    workload: Workload, *, name: str | None = None, container: str | None = None, image: str | None = None
) -> Draft:
    """Return the ModelService of a workload; its notes are added to those of the workload.

    `name` is that of the ModelService, `container` that of the model server; both are found by default. `image`
    replaces that of the model server.
    """
    notes, subject = workload.notes, subject_of(workload.deployment)
    main = main_container(workload, container, notes)
    if image is not None:
        main["image"] = image
    containers = workload.pod["containers"]
    # The other parts take the first container for the model server.
    workload.pod["containers"] = [main, *(one for one in containers if one is not main)]
    own_name = name or _valid_name(workload, notes)
    path = template_path(str(main["name"]))
    ports = plan_ports(workload, main, notes)
    inits = [one for one in workload.pod.get("initContainers") or () if isinstance(one, dict)]
    sidecars = [*workload.pod["containers"][1:], *(one for one in inits if one.get("restartPolicy") == "Always")]
    steps = [one for one in inits if one.get("restartPolicy") != "Always"]
    mounts = build_mounts(workload, main, [*steps, *sidecars], notes)
    _add_advice(steps, subject, notes)
    parts = {
        **build_program(main, subject, path, notes),
        **ports.fields,
        **build_replicas(workload),
        "rollout": build_rollout(workload),
        "disruptionBudget": build_budget(workload, notes),
        "probes": build_probes(main, ports.main),
        "lifecycle": build_lifecycle(main, ports.main),
        "initContainers": [
            build_init(one, subject, template_path(str(one.get("name")), init=True), notes) | _mounted(one, mounts)
            for one in steps
        ],
        "sidecars": [_build_sidecar(one, workload, mounts, notes) for one in sidecars],
        "mounts": mounts.items,
        "service": build_service_options(workload, ports, own_name),
        "expose": build_exposure(workload, ports, notes),
        "networkPolicy": build_policy(workload, notes),
        "monitoring": build_monitoring(workload, ports, notes),
        **build_identity(workload, main),
        **build_labels(workload),
        **build_placement(workload, own_name, notes),
    }
    spec = {key: value for key, value in parts.items() if value not in (None, {}, [])}
    if main.get("resources") is not None:
        # `{}` means something: no requests.
        spec["resources"] = _build_resources(main["resources"])
    _rename_references(spec, str(main["name"]))
    add_missing_requests(spec, workload, notes)
    _adjust(spec, workload, path, notes)
    renamed = {plain_name(str(one.get("name"))): str(one.get("name")) for one in [*steps, *sidecars]}
    names = Names(main=str(main["name"]), containers=renamed, volumes=mounts.renamed)
    return Draft(own_name, ordered(spec), names)


def ordered(spec: Object) -> Object:
    """Return a spec with its fields in the order of the documents."""
    known = {key: spec[key] for key in _FIELD_ORDER if key in spec}
    return known | spec


def _rename_references(node: Json, main: str) -> None:
    """Let references to amounts of the model server name its container in the pods of a ModelService."""
    for value in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _rename_references(value, main)
    reference = node.get("resourceFieldRef") if isinstance(node, dict) else None
    if isinstance(reference, dict) and reference.get("containerName") == main:
        reference["containerName"] = CONTAINER_NAME


def _add_advice(steps: Sequence[Object], subject: str, notes: Notes) -> None:
    """Add a note about each init container that seems to download a model."""
    for step in steps:
        words = [str(word) for name in ("command", "args") for word in step.get(name) or ()]
        words += [str(variable.get("value")) for variable in step.get("env") or ()]
        match = _MODEL_URI.search(" ".join(words))
        if match:
            text = (
                f"init container {step.get('name')} stays as it is, and seems to download {match.group()}: model.uri"
                " does so with checks and progress."
            )
            notes.add(Change.KEPT, subject, text)


def _valid_name(workload: Workload, notes: Notes) -> str:
    name = workload.name
    plain = re.sub(r"[^a-z0-9-]+", "-", plain_placeholder(name).lower()).strip("-")
    if not plain[:1].isalpha():
        plain = f"model-{plain}".strip("-")
    plain = plain[:MAX_NAME_LENGTH].rstrip("-")
    if plain != name:
        text = f"{name} is not a name of a ModelService, which also names its Service: it is named {plain}."
        change = Change.REPAIRED if plain_placeholder(name) != name else Change.CHANGED
        notes.add(change, subject_of(workload.deployment), text, "metadata.name")
    return plain


def _build_resources(resources: Object) -> Object:
    return {key: copy.deepcopy(value) for key, value in resources.items() if value}


def _mounted(container: Object, mounts: Mounts) -> Object:
    found = build_container_mounts(container, mounts)
    return {"mounts": found} if found else {}


def _build_sidecar(container: Object, workload: Workload, mounts: Mounts, notes: Notes) -> Object:
    init = container.get("restartPolicy") == "Always"
    path = template_path(str(container.get("name")), init=init)
    return build_sidecar(container, subject_of(workload.deployment), path, notes) | _mounted(container, mounts)


def _adjust(spec: Object, workload: Workload, path: str, notes: Notes) -> None:
    """Leave out what the rules of a ModelService refuse in combination."""
    subject = subject_of(workload.deployment)
    _adjust_port_variable(spec, subject, path, notes)
    _adjust_deadline(spec, subject, notes)
    _adjust_grace_period(spec, subject, notes)
    _adjust_sidecar_ports(spec, subject, notes)


def _adjust_port_variable(spec: Object, subject: str, path: str, notes: Notes) -> None:
    port = spec.get("containerPort", 8080)
    for variable in list(spec.get("env") or ()):
        if variable["name"] != "PORT" or "valueFrom" in variable or variable.get("value") == str(port):
            continue
        spec["env"].remove(variable)
        text = (
            f"PORT is {variable.get('value')!r} and the requests are sent to {port}: the operator sets PORT to the"
            " port of"
            " the server, so that a server which reads it listens there."
        )
        notes.add(Change.REPAIRED, subject, text, f"{path}.env[PORT].value")


def _startup_seconds(spec: Object) -> int:
    probe = (spec.get("probes") or {}).get("startup")
    if probe is None:
        return 0
    return int(
        (probe.get("initialDelaySeconds") or 0)
        + (probe.get("periodSeconds") or 10) * (probe.get("failureThreshold") or 3)
    )


def _adjust_deadline(spec: Object, subject: str, notes: Notes) -> None:
    rollout = spec.get("rollout") or {}
    deadline = rollout.get("progressDeadlineSeconds")
    startup = _startup_seconds(spec)
    if deadline is not None and deadline <= startup:
        del rollout["progressDeadlineSeconds"]
        if not rollout:
            del spec["rollout"]
        text = (
            f"{deadline} seconds are not more than the {startup} seconds that the startup probe allows, so that a slow"
            " start would count as a failed rollout: the default is five minutes more than these."
        )
        notes.add(Change.CHANGED, subject, text, "spec.progressDeadlineSeconds")


def _adjust_grace_period(spec: Object, subject: str, notes: Notes) -> None:
    grace = spec.get("terminationGracePeriodSeconds")
    hooks = [spec.get("lifecycle") or {}, *(one.get("lifecycle") or {} for one in spec.get("sidecars") or ())]
    sleeps = [
        (handler.get("sleep") or {}).get("seconds") or 0 for hook in hooks for handler in hook.values() if handler
    ]
    if grace is not None and any(sleep >= grace for sleep in sleeps):
        del spec["terminationGracePeriodSeconds"]
        text = (
            f"{grace} seconds are not more than the sleep of a hook, after which the server would be killed"
            " immediately."
        )
        notes.add(Change.CHANGED, subject, text, "spec.template.spec.terminationGracePeriodSeconds")


def _adjust_sidecar_ports(spec: Object, subject: str, notes: Notes) -> None:
    """Leave out ports of sidecars that have the name or number of one of the server."""
    own = [{"name": spec.get("portName", "http"), "containerPort": spec.get("containerPort", 8080)}]
    own += spec.get("ports") or []
    for sidecar in spec.get("sidecars") or ():
        kept = []
        for port in sidecar.get("ports") or ():
            clash = [one for one in own if port["containerPort"] == one["containerPort"] or port["name"] == one["name"]]
            if not clash:
                kept.append(port)
                continue
            place = f"{template_path(sidecar['name'])}.ports[{port['containerPort']}]"
            notes.add(
                Change.OMITTED, subject, "the model server has a port of this name or number in the same pod.", place
            )
        if "ports" in sidecar and not kept:
            del sidecar["ports"]
            _remove_connections(sidecar)
        elif "ports" in sidecar:
            sidecar["ports"] = kept


def _remove_connections(sidecar: Object) -> None:
    """Remove probes and hooks that need a port, of a sidecar without any."""
    for part, kept in (("probes", {"exec"}), ("lifecycle", {"exec", "sleep"})):
        below = {name: action for name, action in (sidecar.get(part) or {}).items() if kept & action.keys()}
        if below:
            sidecar[part] = below
        else:
            sidecar.pop(part, None)

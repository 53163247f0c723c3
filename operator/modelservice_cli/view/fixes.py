"""The next command or patch for a problem, built from the objects and never from the text of a log.

A message of a status may quote the log of a container, whose author could write a command into it. A command or patch
is therefore built from the reason, the spec and the objects of the API server; a message only selects which, without
its quoted parts.

A fix is safe to apply immediately if it takes back a setting of another client that stops the ModelService, or changes
the spec of a ModelService without a ready replica by what the cause names, so that a second change can take it back.
"""

import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from modelservice_cli.cluster.family import Family
from modelservice_cli.view.conditions import Problem
from modelservice_cli.view.humanize import format_memory
from modelservice_cli.view.logfacts import ports_listened_on
from modelservice_cli.view.managers import manager_of
from modelservice_operator.apimachinery.kinds import (
    CRON_JOB,
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    MODEL_SERVICE,
    ResourceKind,
)
from modelservice_operator.apimachinery.objects import Object
from modelservice_operator.apimachinery.quantity import parse_quantity

DEFAULT_MEMORY = "512Mi"
"""Memory request of a spec without resources (api.v1alpha1.spec)."""
DEFAULT_PORT = 8080
_QUOTED = re.compile(r'Log line: ".*?"\. (?=[A-Z])|Log line: ".*"', re.DOTALL)
"""The log line in a message (status.containers)."""
_MISSING_OBJECT = re.compile(r'\b(secret|configmap|persistentvolumeclaim) "([a-z0-9.-]+)" not found')
_MISSING_KEY = re.compile(r"couldn't find key ([\w.-]+) in (Secret|ConfigMap) [\w.-]+/([a-z0-9.-]+)")
_IMAGE = re.compile(r'\bimage "([^"\s]+)" cannot be pulled')
_CLOSED_PORT = re.compile(r"nothing listens on port (\d+)")
_WRITES_TO = re.compile(r"\bThe server writes to (/[\w./-]+)\.")
_ADOPTION = re.compile(
    r"\bTo have it adopted, run (kubectl annotate -n [a-z0-9-]+ [a-z]+/[a-z0-9.-]+"
    r" modelservice\.dev/adopt-by=[a-z0-9-]+)"
)
"""Names of objects cannot contain anything else."""
_TAINT = re.compile(r"untolerated taint\(?s?\)? \{([\w./-]+): ?([^}]*)\}")


@dataclass(frozen=True, slots=True)
class Change:
    """A request that `--apply` sends."""

    kind: ResourceKind
    name: str
    body: Any
    subresource: str = ""
    content_type: str = "application/merge-patch+json"


@dataclass(frozen=True, slots=True)
class Fix:
    """The next step."""

    text: str
    """A sentence in the imperative."""
    commands: tuple[str, ...] = ()
    """Commands to copy. Words in capitals must be replaced."""
    patch: Mapping[str, Any] | None = None
    """Fields of the ModelService to set."""
    change: Change | None = None
    """The request of a fix that is safe to apply immediately; None for the others."""
    caution: str = ""
    """Why it is not applied immediately; empty if it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Facts besides the objects of the ModelService."""

    nodes: tuple[Object, ...] = ()
    quotas: tuple[Object, ...] = ()
    limit_ranges: tuple[Object, ...] = ()
    log: str = ""
    """Last lines of the model container; of its previous run after a crash."""


NEEDED_FACTS: Mapping[str, tuple[str, ...]] = {
    "OOMKilled": ("nodes",),
    "Unschedulable": ("nodes",),
    "QuotaExceeded": ("quotas",),
    "AdmissionDenied": ("limit_ranges",),
    "Starting": ("log",),
    "ProbeFailing": ("log",),
    "CrashLoop": ("log",),
    "ProgressDeadlineExceeded": ("log",),
    "RolloutInProgress": ("log",),
}
"""Facts to read for a reason."""


@dataclass(frozen=True, slots=True)
class Case:
    """A problem with everything that is known about it."""

    problem: Problem
    family: Family
    facts: Facts
    program: str = "kubectl modelservice"
    text: str = field(default="")
    """Message of the problem, without quoted log lines."""

    @property
    def spec(self) -> Mapping[str, Any]:
        """Spec of the ModelService."""
        return self.family.spec

    @property
    def target(self) -> str:
        """Options of kubectl that name the namespace."""
        return f"-n {self.family.namespace}"

    @property
    def has_ready_replica(self) -> bool:
        """Return True if requests are answered."""
        return bool(self.family.status.get("readyReplicas"))

    def cli(self, command: str) -> str:
        """Return a command of this program for the ModelService."""
        name, _, rest = command.partition(" ")
        return " ".join(filter(None, (self.program, name, self.family.name, self.target, rest)))


def propose_fixes(case: Case) -> list[Fix]:
    """Return the fixes for a problem, the best first; the last resort is to look further."""
    case = replace(case, text=_QUOTED.sub("", case.problem.message))
    found = [fix for rule in _RULES.get(case.problem.reason, ()) for fix in rule(case)]
    return [_with_git_caution(fix, case.family) for fix in found or [_look_further(case)]]


def _with_git_caution(fix: Fix, family: Family) -> Fix:
    """Return a fix of the spec that a GitOps tool would take back as one to commit."""
    tool = manager_of(family.service)
    if fix.patch is None or not tool:
        return fix
    return replace(fix, change=None, caution=f"{tool} applies this ModelService: change it at its source.")


def _patch(case: Case, text: str, patch: Mapping[str, Any], *, caution: str = "") -> Fix:
    """Return a fix that patches the spec; safe without a caution, and if no replica is ready."""
    if not caution and case.has_ready_replica:
        caution = "replicas are ready, and a change of the spec replaces them."
    change = None if caution else Change(MODEL_SERVICE, case.family.name, {"spec": patch})
    return Fix(text, (_patch_command(case, patch),), {"spec": patch}, change, caution)


def _patch_command(case: Case, spec: Mapping[str, Any]) -> str:
    """Return the command that patches the spec. A number to be filled in has no quotes."""
    text = _shell_json({"spec": spec}).replace('"PORT"', "PORT")
    return f"kubectl patch {case.target} msvc/{case.family.name} --type=merge -p '{text}'"


def _shell_json(body: object) -> str:
    return json.dumps(body, ensure_ascii=False).replace("'", "'\\''")


def _resume_rollout(case: Case) -> Iterator[Fix]:
    deployment = case.family.deployment
    if deployment is None or not (deployment.get("spec") or {}).get("paused"):
        return
    name = deployment["metadata"]["name"]
    yield Fix(
        "Resume the Deployment, which a user has paused.",
        (f"kubectl rollout resume {case.target} deployment/{name}",),
        change=Change(DEPLOYMENT, name, {"spec": {"paused": None}}),
    )


def _scale_up(case: Case) -> Iterator[Fix]:
    """Scale a Deployment that another client has scaled to 0. A count of 0 in the spec is intended."""
    if case.spec.get("suspend"):
        yield Fix(
            "Resume the ModelService, which is suspended.",
            (case.cli("resume"),),
            {"spec": {"suspend": False}},
            caution="it was suspended on purpose.",
        )
        return
    deployment = case.family.deployment
    wanted = required_replicas(case.spec)
    if deployment is None or (deployment.get("spec") or {}).get("replicas") != 0:
        return
    if wanted == 0:
        yield Fix(
            "Raise the number of replicas, which is 0.", (case.cli("scale --replicas=1"),), caution="0 is intended."
        )
        return
    name = deployment["metadata"]["name"]
    yield Fix(
        f"Scale the Deployment, which another client has scaled to 0, to {wanted}.",
        (f"kubectl scale {case.target} deployment/{name} --replicas={wanted}",),
        change=Change(DEPLOYMENT, name, {"spec": {"replicas": wanted}}, subresource="scale"),
    )


def required_replicas(spec: Mapping[str, Any]) -> int:
    """Return the replicas that a spec requires: the minimum of the autoscaler, else `replicas`."""
    scaling = spec.get("autoscaling") or {}
    minimum = scaling.get("minReplicas")
    return int(spec.get("replicas", 1) if minimum is None else minimum)


def _allow_scale_up(case: Case) -> Iterator[Fix]:
    autoscaler = case.family.autoscaler
    behavior = ((autoscaler or {}).get("spec") or {}).get("behavior") or {}
    if autoscaler is None or (behavior.get("scaleUp") or {}).get("selectPolicy") != "Disabled":
        return
    name = autoscaler["metadata"]["name"]
    body = [{"op": "remove", "path": "/spec/behavior/scaleUp/selectPolicy"}]
    yield Fix(
        "Let the autoscaler add replicas, which another client has disabled.",
        (f"kubectl patch {case.target} hpa/{name} --type=json -p '{_shell_json(body)}'",),
        change=Change(HORIZONTAL_POD_AUTOSCALER, name, body, content_type="application/json-patch+json"),
    )


def _reset_min_ready_seconds(case: Case) -> Iterator[Fix]:
    deployment = case.family.deployment
    seconds = ((deployment or {}).get("spec") or {}).get("minReadySeconds") or 0
    if deployment is None or not seconds or "minReadySeconds" not in case.text:
        return
    name = deployment["metadata"]["name"]
    body = {"spec": {"minReadySeconds": 0}}
    yield Fix(
        f"Set minReadySeconds of the Deployment, which another client has set to {seconds}, back to 0.",
        (f"kubectl patch {case.target} deployment/{name} -p '{_shell_json(body)}'",),
        change=Change(DEPLOYMENT, name, body),
    )


def _resume_checks(case: Case) -> Iterator[Fix]:
    cron_job = case.family.child(CRON_JOB)
    if cron_job is None or not (cron_job.get("spec") or {}).get("suspend"):
        return
    name = cron_job["metadata"]["name"]
    body = {"spec": {"suspend": False}}
    yield Fix(
        "Resume the checks of the model's URI, which another client has suspended.",
        (f"kubectl patch {case.target} cronjob/{name} -p '{_shell_json(body)}'",),
        change=Change(CRON_JOB, name, body),
    )


def _raise_memory(case: Case) -> Iterator[Fix]:
    """Double the limit of the model container. A node must be able to hold it."""
    if not re.search(r"\bcontainer model was killed", case.text):
        return
    resources = case.spec.get("resources") or {}
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    current = parse_quantity(str(limits.get("memory") or requests.get("memory") or DEFAULT_MEMORY))
    if current is None:
        return
    wanted = format_memory(current * 2)
    patch: dict[str, Any] = {"limits": {"memory": wanted}}
    if requests.get("memory") and requests.get("memory") == limits.get("memory"):
        patch["requests"] = {"memory": wanted}  # Guaranteed stays Guaranteed
    largest = _largest(case.facts.nodes, "memory")
    caution = ""
    if largest is None:
        caution = "the memory of the nodes is not known."
    elif (parse_quantity(wanted) or Decimal(0)) > largest:
        caution = f"the largest node has {format_memory(largest)}."
    yield _patch(
        case,
        f"Raise the memory limit from {limits.get('memory') or 'none'} to {wanted}.",
        {"resources": patch},
        caution=caution,
    )


def _largest(nodes: Sequence[Object], resource: str) -> Decimal | None:
    """Return the largest allocatable amount of a node; None if no node is known."""
    amounts = (((node.get("status") or {}).get("allocatable") or {}).get(resource) for node in nodes)
    values = [value for amount in amounts if amount and (value := parse_quantity(str(amount))) is not None]
    return max(values, default=None)


def _mount_directory(case: Case) -> Iterator[Fix]:
    """Mount an empty directory where the server writes, unless it would hide the program or the model."""
    match = _WRITES_TO.search(case.text)
    if match is None:
        return
    path = match[1].rstrip("/")
    mounts = list(case.spec.get("mounts") or ())
    entry: Object = {"name": _free_name(mounts, "data"), "mountPath": path, "emptyDir": {}}
    caution = f"a mount hides what the image has in {path}." if _may_hide(path, case.spec) else ""
    yield _patch(
        case,
        f"Mount an empty directory at {path}, where the server writes.",
        {"mounts": [*mounts, entry]},
        caution=caution,
    )


def _may_hide(path: str, spec: Mapping[str, Any]) -> bool:
    """Return True if a program, the working directory or the model may be below `path`: then no mount is safe."""
    model_uri = str((spec.get("model") or {}).get("uri") or "")
    known = [*(spec.get("command") or ())[:1], spec.get("workingDir") or "", model_uri.removeprefix("file://")]
    return path.count("/") < 2 or any(f"{one}/".startswith(f"{path}/") for one in known if one)  # noqa: PLR2004


def _mount_shared_memory(case: Case) -> Iterator[Fix]:
    if "/dev/shm holds 64 MiB by default" not in case.text:  # noqa: S108 - the path of shared memory
        return
    mounts = list(case.spec.get("mounts") or ())
    if any(one.get("mountPath") == "/dev/shm" for one in mounts):  # noqa: S108
        return
    entry = {
        "name": _free_name(mounts, "shm"),
        "mountPath": "/dev/shm",  # noqa: S108
        "emptyDir": {"medium": "Memory", "sizeLimit": "2Gi"},
    }
    yield _patch(
        case, "Mount 2 GiB of shared memory; it counts towards the memory limit.", {"mounts": [*mounts, entry]}
    )


def _free_name(mounts: Sequence[Mapping[str, Any]], wanted: str) -> str:
    names = {one.get("name") for one in mounts}
    return next(name for number in range(len(names) + 2) if (name := f"{wanted}{number or ''}") not in names)


def _set_port(case: Case) -> Iterator[Fix]:
    """Set containerPort to the port that the log names, if that is another one."""
    probed = int(case.spec.get("containerPort") or DEFAULT_PORT)
    closed = _CLOSED_PORT.search(case.text)
    listening = [port for port in ports_listened_on(case.facts.log) if port != probed]
    if len(listening) == 1 and (closed is None or int(closed[1]) == probed):
        yield _patch(
            case,
            f"Set containerPort to {listening[0]}: the log says that the server listens there, and not on {probed}.",
            {"containerPort": listening[0]},
        )
    elif closed is not None:
        yield Fix(
            f"Find the port that the server listens on, and set containerPort, which is {closed[1]}.",
            (
                case.cli("logs"),
                _patch_command(case, {"containerPort": "PORT"}),
            ),
            caution="the log does not name the port.",
        )


def _correct_probe(case: Case) -> Iterator[Fix]:
    match = re.search(
        r"(readiness|liveness|startup) probe failed: HTTP probe failed with statuscode: (\d+)", case.text, re.IGNORECASE
    )
    if match is None:
        return
    kind = match[1].lower()
    path = (((case.spec.get("probes") or {}).get(kind) or {}).get("httpGet") or {}).get("path") or "/"
    yield Fix(
        f"The server answers {match[2]} for {path}: set probes.{kind}.httpGet.path to a path that answers 200.",
        (
            case.cli(f"predict --path={shlex.quote(path)} --unready"),
            _patch_command(case, {"probes": {kind: {"httpGet": {"path": "PATH"}}}}),
        ),
        caution="the path is not known.",
    )


def _correct_image(case: Case) -> Iterator[Fix]:
    match = _IMAGE.search(case.text)
    image = match[1] if match else str(case.spec.get("image", ""))
    registry = shlex.quote(image.split("/")[0]) if "/" in image else "docker.io"
    if "imagePullSecrets" in case.text:
        secret = f"kubectl create secret docker-registry registry-login {case.target}"
        yield Fix(
            f"Create a Secret with a login for {registry}, and name it in imagePullSecrets.",
            (
                f"{secret} --docker-server={registry} --docker-username=USER --docker-password=PASSWORD",
                _patch_command(case, {"imagePullSecrets": [{"name": "registry-login"}]}),
            ),
            caution="the login is not known.",
        )
    else:
        yield Fix(
            f"Correct the image {image}, or make the registry reachable from the nodes.",
            (_patch_command(case, {"image": "IMAGE"}),),
            caution="the right image is not known.",
        )


def _create_missing(case: Case) -> Iterator[Fix]:
    """Create the Secret, ConfigMap or claim that is missing, with the keys that the spec uses."""
    for kind, name in dict.fromkeys(_MISSING_OBJECT.findall(case.text)):
        if kind == "persistentvolumeclaim":
            yield Fix(
                f"Create the PersistentVolumeClaim {name}, or correct its name in the spec.",
                (f"kubectl get pvc {case.target}", f"kubectl describe pvc {name} {case.target}"),
                caution="its size and class are not known.",
            )
            continue
        keys = [f"--from-literal={key}=VALUE" for key in _keys_of(case.spec, kind, name)] or ["--from-file=PATH"]
        what = "secret generic" if kind == "secret" else "configmap"
        yield Fix(
            f"Create the {'Secret' if kind == 'secret' else 'ConfigMap'} {name}; the pods recover automatically.",
            (f"kubectl create {what} {name} {case.target} {' '.join(keys)}",),
            caution="its values are not known.",
        )
    for key, kind, name in dict.fromkeys(_MISSING_KEY.findall(case.text)):
        field_name = "stringData" if kind == "Secret" else "data"
        yield Fix(
            f"Add the key {key} to the {kind} {name}, or correct the key in env.",
            (f"""kubectl patch {kind.lower()} {name} {case.target} -p '{{"{field_name}":{{"{key}":"VALUE"}}}}'""",),
            caution="its value is not known.",
        )


def _keys_of(spec: Mapping[str, Any], kind: str, name: str) -> list[str]:
    """Return the keys of a Secret or ConfigMap that env uses."""
    reference = "secretKeyRef" if kind == "secret" else "configMapKeyRef"
    found = ((one.get("valueFrom") or {}).get(reference) or {} for one in spec.get("env") or ())
    return sorted({one["key"] for one in found if one.get("name") == name and "key" in one})


def _describe_claim(case: Case) -> Iterator[Fix]:
    claims = [
        one["persistentVolumeClaim"]["claimName"]
        for one in case.spec.get("mounts") or ()
        if "persistentVolumeClaim" in one
    ]
    if "unbound" in case.text and claims:
        yield Fix(
            "See why the claim is not bound; a claim needs an existing StorageClass, or a PersistentVolume.",
            (f"kubectl describe {case.target} pvc/{claims[0]}", "kubectl get storageclass"),
            caution="the class of a claim cannot be changed.",
        )


def _make_schedulable(case: Case) -> Iterator[Fix]:
    yield from _uncordon(case)
    yield from _tolerate(case)
    for resource in ("cpu", "memory"):
        if f"Insufficient {resource}" in case.text:
            yield from _lower_request(case, resource)


def _uncordon(case: Case) -> Iterator[Fix]:
    if "were unschedulable" not in case.text:
        return
    names = [node["metadata"]["name"] for node in case.facts.nodes if (node.get("spec") or {}).get("unschedulable")]
    yield Fix(
        "Open the cordoned nodes for pods again.",
        tuple(f"kubectl uncordon {name}" for name in names or ["NODE"]),
        caution="a user has cordoned them on purpose.",
    )


def _tolerate(case: Case) -> Iterator[Fix]:
    for key, value in dict.fromkeys(_TAINT.findall(case.text)):
        if key.startswith("node.kubernetes.io/"):
            continue  # it ends with its cause
        taints = (taint for node in case.facts.nodes for taint in (node.get("spec") or {}).get("taints") or ())
        effect = next((taint["effect"] for taint in taints if taint.get("key") == key), "NoSchedule")
        entry = {"key": key, "effect": effect} | (
            {"operator": "Equal", "value": value} if value else {"operator": "Exists"}
        )
        tolerations = [*(case.spec.get("tolerations") or ()), entry]
        yield _patch(
            case,
            f"Tolerate the taint {key}, if the nodes are meant for this model.",
            {"tolerations": tolerations},
            caution="a taint keeps pods away on purpose.",
        )


def _lower_request(case: Case, resource: str) -> Iterator[Fix]:
    requests = (case.spec.get("resources") or {}).get("requests") or {}
    wanted = str(requests.get(resource) or {"cpu": "500m", "memory": DEFAULT_MEMORY}[resource])
    largest, amount = _largest(case.facts.nodes, resource), parse_quantity(wanted)
    if largest is not None and amount is not None and amount > largest:
        shown = format_memory(largest) if resource == "memory" else f"{largest.normalize():f}"
        yield Fix(
            f"Lower resources.requests.{resource} from {wanted} to less than {shown}, which the largest node has for"
            " pods, or add a larger node.",
            (_patch_command(case, {"resources": {"requests": {resource: "AMOUNT"}}}),),
            caution="what the model needs is not known.",
        )
    else:
        yield Fix(
            f"The nodes have less than {wanted} of {resource} left: see what uses it, then lower resources.requests"
            " or add nodes.",
            (f"{case.program} top -A", "kubectl describe nodes"),
            caution="what can be lowered is not known.",
        )


def _respect_limit_range(case: Case) -> Iterator[Fix]:
    """Set resources to the maximum of the LimitRange that the message is about."""
    if "less than or equal to" not in case.text and "maximum" not in case.text:
        return
    maximum: dict[str, str] = {}
    for one in case.facts.limit_ranges:
        for limit in (one.get("spec") or {}).get("limits") or ():
            if limit.get("type") == "Container":
                maximum |= {
                    name: str(value) for name, value in (limit.get("max") or {}).items() if name in {"cpu", "memory"}
                }
    if maximum:
        yield _patch(
            case,
            "Set resources to what the LimitRange of the namespace allows.",
            {"resources": {"requests": maximum, "limits": maximum}},
            caution="it may be less than the model needs.",
        )


def _show_quota(case: Case) -> Iterator[Fix]:
    names = [one["metadata"]["name"] for one in case.facts.quotas]
    yield Fix(
        "Lower replicas or resources, or ask for a higher ResourceQuota.",
        (
            f"kubectl describe {case.target} resourcequota {' '.join(names)}".rstrip(),
            f"{case.program} top {case.target}",
        ),
        caution="what can be lowered is not known.",
    )


def _adopt(case: Case) -> Iterator[Fix]:
    match = _ADOPTION.search(case.text)
    if match is not None:
        yield Fix(
            "Let the ModelService take over the object that has the name; its pods keep running.",
            (match[1],),
            caution="the object may belong to another user.",
        )


def _correct_model(case: Case) -> Iterator[Fix]:
    uri = (case.spec.get("model") or {}).get("uri") or "URI"
    yield Fix(
        f"Correct model.uri, which is {uri}, or upload the model there.",
        (
            case.cli("logs --loader"),
            _patch_command(case, {"model": {"uri": "URI"}}),
        ),
        caution="the right URI is not known.",
    )


def _correct_credentials(case: Case) -> Iterator[Fix]:
    credentials = (case.spec.get("model") or {}).get("credentials") or {}
    name = (credentials.get("secretRef") or {}).get("name")
    if name:
        yield Fix(
            f"Correct the Secret {name}, which has the credentials of the store, and start new pods.",
            (f"kubectl edit {case.target} secret/{name}", case.cli("restart")),
            caution="the right credentials are not known.",
        )
    else:
        yield Fix(
            "Name a Secret with credentials of the store in model.credentials (docs/models.md).",
            (f"kubectl create secret generic model-store {case.target} --from-literal=KEY=VALUE",),
            caution="the credentials are not known.",
        )


def _extend_timeout(case: Case) -> Iterator[Fix]:
    loader = (case.spec.get("model") or {}).get("loader") or {}
    seconds = int(loader.get("timeoutSeconds") or 1800)
    yield _patch(
        case,
        f"Give the loader more time: {2 * seconds} s.",
        {"model": {"loader": {"timeoutSeconds": 2 * seconds}}},
        caution="the store may be slow for another reason.",
    )


def _allow_foreign_autoscaler(case: Case) -> Iterator[Fix]:
    yield _patch(
        case,
        "Let the other autoscaler scale the Deployment, or delete it.",
        {"autoscaling": {"managedBy": "External"}},
        caution="which of the two autoscalers is wanted is not known.",
    )


def _keep_one_replica(case: Case) -> Iterator[Fix]:
    yield _patch(
        case,
        "Set autoscaling.minReplicas to 1: this cluster does not scale to 0.",
        {"autoscaling": {"minReplicas": 1}},
        caution="one replica then always runs.",
    )


def _show_log(case: Case) -> Iterator[Fix]:
    yield Fix("Read the end of the log.", (case.cli("logs --previous"),), caution="what to change is in the message.")


def _show_loader_log(case: Case) -> Iterator[Fix]:
    yield Fix("Read the log of the loader.", (case.cli("logs --loader"),), caution="what to change is in the message.")


def _check_install(case: Case) -> Iterator[Fix]:
    yield Fix("Check the operator.", (f"{case.program} check",), caution="the cause is outside of the ModelService.")


def _wait(case: Case) -> Iterator[Fix]:
    yield Fix("Wait: this normally ends automatically.", (case.cli("wait"),), caution="there is nothing to change.")


def _show_managers(case: Case) -> Iterator[Fix]:
    yield Fix(
        "Find the other client that changes the child, and stop one of the two.",
        (f"kubectl get {case.target} deployment/{case.family.name} -o yaml --show-managed-fields",),
        caution="which client is right is not known.",
    )


def _show_queue(case: Case) -> Iterator[Fix]:
    yield Fix(
        "Wait until the queue admits the pods.",
        (f"kubectl get workloads {case.target}",),
        caution="the queue decides.",
    )


def _check_metrics(_case: Case) -> Iterator[Fix]:
    yield Fix(
        "Check the metrics API.",
        ("kubectl get apiservices v1beta1.metrics.k8s.io", "kubectl top pods -A"),
        caution="the cause is outside of the ModelService.",
    )


def _show_address(case: Case) -> Iterator[Fix]:
    kinds = {"Service": "service", "Ingress": "ingress", "HTTPRoute": "httproute"}
    children = [child for child in case.family.children if child["kind"] in kinds]
    if not children:
        yield _look_further(case)
        return
    yield Fix(
        "See what the controller of the address reports.",
        tuple(f"kubectl describe {case.target} {kinds[one['kind']]}/{one['metadata']['name']}" for one in children),
        caution="the cause is outside of the ModelService.",
    )


def _wait_for_deletion(case: Case) -> Iterator[Fix]:
    finalizers = ", ".join(case.family.service["metadata"].get("finalizers") or ())
    yield Fix(
        f"Wait for the controllers of the finalizers: {finalizers}."
        if finalizers
        else "Wait until its pods have ended.",
        (case.cli("wait --for=delete"),),
        caution="there is nothing to change.",
    )


def _look_further(case: Case) -> Fix:
    reason = case.problem.reason
    return Fix(
        f"Do what the message says; docs/runbook.md explains {reason}.",
        (case.cli("events"),),
        caution="the change depends on what you want.",
    )


Rule = Callable[[Case], Iterator[Fix]]
_RULES: Mapping[str, Sequence[Rule]] = {
    "RolloutPaused": (_resume_rollout,),
    "ScaledToZero": (_scale_up,),
    "ScalingDisabled": (_allow_scale_up, _scale_up),
    "RolloutInProgress": (_resume_rollout, _reset_min_ready_seconds, _wait),
    "TrackingSuspended": (_resume_checks,),
    "OOMKilled": (_raise_memory, _show_log),
    "CrashLoop": (_mount_directory, _mount_shared_memory, _show_log),
    "Starting": (_set_port, _wait),
    "ProbeFailing": (_set_port, _correct_probe, _show_log),
    "ImagePull": (_correct_image,),
    "CreateContainerConfigError": (_create_missing,),
    "VolumePending": (_create_missing, _describe_claim),
    "ContainerStartError": (_show_log,),
    "Unschedulable": (_make_schedulable,),
    "QuotaExceeded": (_show_quota,),
    "AdmissionDenied": (_respect_limit_range,),
    "SchedulingGated": (_show_queue,),
    "NameConflict": (_adopt,),
    "DriftDetected": (_show_managers,),
    "Forbidden": (_check_install,),
    "KindUnavailable": (_check_install,),
    "Retrying": (_check_install,),
    "NotObserved": (_check_install,),
    "Deleting": (_wait_for_deletion,),
    "DeploymentPending": (_wait,),
    "ProgressDeadlineExceeded": (_set_port, _show_log),
    "ModelLoading": (_show_loader_log,),
    "ModelPending": (_wait,),
    "ModelNotFound": (_correct_model,),
    "BadURI": (_correct_model,),
    "NotAModel": (_correct_model,),
    "DigestMismatch": (_correct_model,),
    "UnsupportedKey": (_correct_model,),
    "AccessDenied": (_correct_credentials,),
    "InvalidCredentials": (_correct_credentials,),
    "Timeout": (_extend_timeout, _show_loader_log),
    "TooLarge": (_show_loader_log,),
    "Unreachable": (_show_loader_log,),
    "StoreQuotaExceeded": (_show_loader_log,),
    "LoaderFailed": (_show_loader_log,),
    "ForeignAutoscaler": (_allow_foreign_autoscaler,),
    "ScaleToZeroUnsupported": (_keep_one_replica,),
    "FailedGetResourceMetric": (_check_metrics,),
    "FailedGetContainerResourceMetric": (_check_metrics,),
    "AddressPending": (_show_address,),
    "RoutePending": (_show_address,),
    "RouteNotAccepted": (_show_address,),
    "TrackingPending": (_wait,),
    "AutoscalerStarting": (_wait,),
}
"""Rules of each reason, the best first. A reason without a rule has its fix in its message."""

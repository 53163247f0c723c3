"""Groups the objects of an input by the Deployment that they belong to."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from modelservice_cli.convert.notes import Change, Notes, subject_of
from modelservice_cli.errors import CliError, ExitCode
from modelservice_operator.apimachinery.objects import Json, Object

_REFUSED_WORKLOADS: Mapping[str, str] = {
    "StatefulSet": "its pods have fixed names and a claim each, while those of a ModelService are interchangeable: keep"
    " it, or move what the pods store to a shared claim (mounts) and write a Deployment",
    "DaemonSet": "it runs one pod on each node, while a ModelService has a number of replicas: keep it, or write a"
    " Deployment with topologySpreadConstraints",
    "Job": "it ends, while a ModelService serves until it is deleted: keep it",
    "CronJob": "it runs at certain times, while a ModelService serves until it is deleted: keep it",
    "Pod": "no controller replaces it when its node fails, so nothing says how many there shall be: write a Deployment"
    " with this pod as its template",
    "ReplicaSet": "a Deployment owns it, or should: convert the Deployment",
    "ReplicationController": "it cannot replace its pods by those of a new version: write a Deployment with its"
    " template",
    "DeploymentConfig": "it is a kind of OpenShift: write a Deployment with its template",
    "Rollout": "it is a kind of Argo Rollouts, with steps that a ModelService does not have: write a Deployment with"
    " its template",
    "InferenceService": "it is a kind of KServe: write image, model.uri and resources into a ModelService",
    "SeldonDeployment": "it is a kind of Seldon Core: write image, model.uri and resources into a ModelService",
}
_KEPT: Mapping[str, str] = {
    "ConfigMap": "the ModelService references it by name.",
    "Secret": "the ModelService references it by name.",
    "PersistentVolumeClaim": "the ModelService references it by name.",
    "ServiceAccount": "the ModelService references it by name.",
    "Role": "permissions of the ServiceAccount do not change.",
    "RoleBinding": "permissions of the ServiceAccount do not change.",
    "ClusterRole": "permissions of the ServiceAccount do not change.",
    "ClusterRoleBinding": "permissions of the ServiceAccount do not change.",
    "Namespace": "a ModelService lives in a namespace, and does not create it.",
    "StorageClass": "claims refer to it.",
    "PersistentVolume": "claims refer to it.",
}
_UNSUPPORTED = "the kind has no counterpart in a ModelService, so the object stays as it is."


@dataclass(slots=True)
class Workload:
    """A Deployment and the objects that belong to it, in the form of the current API."""

    deployment: Object
    service: Object | None = None
    autoscaler: Object | None = None
    budget: Object | None = None
    ingress: Object | None = None
    route: Object | None = None
    policy: Object | None = None
    monitor: Object | None = None
    """A PodMonitor or ServiceMonitor."""
    account: Object | None = None
    """Its ServiceAccount, whose settings the pods inherit."""
    scaled_by: str | None = None
    """Another autoscaler, such as ScaledObject/iris."""
    notes: Notes = field(default_factory=Notes)

    @property
    def name(self) -> str:
        """Name of the Deployment."""
        return str(self.deployment["metadata"]["name"])

    @property
    def namespace(self) -> str | None:
        """Namespace of the Deployment; None if it names none."""
        return namespace_of(self.deployment)

    @property
    def pod_labels(self) -> dict[str, str]:
        """Labels of the pods."""
        metadata = self.template.get("metadata") or {}
        return metadata.get("labels") or {}

    @property
    def template(self) -> Object:
        """Template of the pods."""
        return self.deployment["spec"]["template"]  # type: ignore[no-any-return]

    @property
    def pod(self) -> Object:
        """Spec of the pods."""
        return self.template["spec"]  # type: ignore[no-any-return]

    def objects(self) -> list[Object]:
        """Return the objects that become children."""
        found = (
            self.deployment,
            self.service,
            self.autoscaler,
            self.budget,
            self.ingress,
            self.route,
            self.policy,
            self.monitor,
        )
        return [body for body in found if body is not None]


def namespace_of(body: Object) -> str | None:
    """Return the namespace of an object; None if it names none."""
    return (body.get("metadata") or {}).get("namespace")


def find_workloads(bodies: Sequence[Object], *, only: Sequence[str] = ()) -> tuple[list[Workload], Notes]:
    """Return the workloads of an input in its order, and notes about objects that belong to none of them.

    `only` names the Deployments to convert; all by default. Raises CliError if there is none, if one that is named does
    not exist, or if a Service belongs to two of them.
    """
    notes = Notes()
    deployments = [body for body in bodies if body.get("kind") == "Deployment"]
    _require_deployments(bodies, deployments)
    workloads = [Workload(_checked(body)) for body in deployments]
    if only:
        names = {workload.name for workload in workloads}
        missing = [name for name in only if name not in names]
        if missing:
            raise CliError(
                f"The input has no Deployment {missing[0]}: its Deployments are {', '.join(sorted(names))}.",
                ExitCode.NOT_FOUND,
            )
    chosen = [workload for workload in workloads if not only or workload.name in only]
    _require_distinct(chosen)
    rest = [body for body in bodies if body.get("kind") != "Deployment"]
    taken = _Assignment(chosen, workloads, notes)
    for step in (taken.services, taken.autoscalers, taken.budgets, taken.routes, taken.policies, taken.monitors):
        step(rest)
    taken.accounts(rest)
    for body in rest:
        if id(body) not in taken.known:
            _add_rest(body, notes)
    return chosen, notes


def _require_deployments(bodies: Sequence[Object], deployments: Sequence[Object]) -> None:
    if deployments:
        return
    for body in bodies:
        reason = _REFUSED_WORKLOADS.get(str(body.get("kind")))
        if reason is not None:
            raise CliError(f"{subject_of(body)} cannot become a ModelService: {reason}.", ExitCode.NEGATIVE)
    kinds = sorted({str(body.get("kind") or "(no kind)") for body in bodies})
    listed = f" Its kinds are: {', '.join(kinds)}." if kinds else ""
    raise CliError(
        f"The input has no Deployment, from which a ModelService could be written.{listed}", ExitCode.NEGATIVE
    )


def _checked(body: Object) -> Object:
    """Return a Deployment with the parts that a conversion needs. Raises CliError if one is missing."""
    subject = subject_of(body)
    if not (body.get("metadata") or {}).get("name"):
        raise CliError("A Deployment of the input has no metadata.name: name it.", ExitCode.NEGATIVE)
    spec = body.get("spec")
    template = spec.get("template") if isinstance(spec, dict) else None
    pod = template.get("spec") if isinstance(template, dict) else None
    containers = pod.get("containers") if isinstance(pod, dict) else None
    if not isinstance(containers, list) or not all(isinstance(one, dict) for one in containers) or not containers:
        raise CliError(f"{subject} has no containers in spec.template.spec: add the model server.", ExitCode.NEGATIVE)
    return body


def _require_distinct(workloads: Sequence[Workload]) -> None:
    seen: set[tuple[str, str | None]] = set()
    for workload in workloads:
        key = (workload.name, workload.namespace)
        if key in seen:
            raise CliError(
                f"The input has two Deployments with the name {workload.name}: convert one file at a time.",
                ExitCode.NEGATIVE,
            )
        seen.add(key)


def _add_rest(body: Object, notes: Notes) -> None:
    kind, subject = str(body.get("kind")), subject_of(body)
    if kind in _KEPT:
        notes.add(Change.KEPT, subject, _KEPT[kind])
    elif kind in _REFUSED_WORKLOADS:
        notes.add(Change.OMITTED, subject, f"it cannot become a ModelService: {_REFUSED_WORKLOADS[kind]}.")
    elif kind in _ORPHANS:
        notes.add(Change.OMITTED, subject, _ORPHANS[kind])
    else:
        notes.add(Change.KEPT, subject, _UNSUPPORTED)


_ORPHANS: Mapping[str, str] = {
    "Service": "its selector matches the pods of no Deployment that is converted.",
    "HorizontalPodAutoscaler": "its scaleTargetRef names no Deployment that is converted.",
    "Ingress": "its backends name no Service that is converted.",
    "HTTPRoute": "its backendRefs name no Service that is converted.",
    "PodDisruptionBudget": "its selector matches the pods of no Deployment that is converted.",
    "NetworkPolicy": "its podSelector is not that of one Deployment that is converted: keep it.",
    "ServiceMonitor": "its selector matches no Service that is converted.",
    "PodMonitor": "its selector matches the pods of no Deployment that is converted.",
}


def selects(selector: Json, labels: Mapping[str, str]) -> bool:
    """Return True if a label selector (metav1) with requirements selects an object with these labels."""
    if not isinstance(selector, dict):
        return False
    wanted = selector.get("matchLabels") or {}
    expressions = selector.get("matchExpressions") or []
    if not wanted and not expressions:
        return False
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _meets(expression, labels) for expression in expressions
    )


def _meets(expression: Json, labels: Mapping[str, str]) -> bool:
    value = labels.get(expression.get("key", ""))
    values = expression.get("values") or []
    match expression.get("operator"):
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case _:
            return value is None


@dataclass(slots=True)
class _Assignment:
    """Assigns objects to the workloads that are converted."""

    chosen: list[Workload]
    all: list[Workload]
    notes: Notes
    known: set[int] = field(default_factory=set)
    """Identities of the objects that belong to a workload."""

    def services(self, bodies: Iterable[Object]) -> None:
        """Assign each Service to the Deployment whose pods it selects."""
        candidates = [body for body in bodies if body.get("kind") == "Service"]
        for body in candidates:
            selector = (body.get("spec") or {}).get("selector") or {}
            matches = [
                one
                for one in self.all
                if _same_namespace(body, one) and selects({"matchLabels": selector}, one.pod_labels)
            ]
            converted = [one for one in matches if one in self.chosen]
            if len(converted) > 1:
                raise CliError(
                    f"{subject_of(body)} selects the pods of the Deployments {_names(matches)}, and each ModelService"
                    " has"
                    " a separate Service: convert one of them with --only, or give their pods different labels.",
                    ExitCode.NEGATIVE,
                )
            for workload in converted:
                self._take_service(body, workload)
            if converted and len(matches) > 1:
                others = _names([one for one in matches if one is not converted[0]])
                text = f"the Service also selects the pods of {others}; that of the ModelService does not."
                converted[0].notes.add(Change.CHANGED, subject_of(body), text, "spec.selector")
        self._lonely_service([body for body in candidates if id(body) not in self.known])

    def _lonely_service(self, bodies: list[Object]) -> None:
        """Assign the only Service to the only Deployment, though its selector does not match."""
        if len(bodies) != 1 or len(self.all) != 1 or len(self.chosen) != 1 or self.chosen[0].service is not None:
            return
        [body], [workload] = bodies, self.chosen
        spec = body.get("spec") or {}
        if not _same_namespace(body, workload) or not spec.get("selector") or spec.get("type") == "ExternalName":
            return
        text = (
            f"the selector {_shown(spec['selector'])} matches no pod, as the labels of the pods are"
            f" {_shown(workload.pod_labels)}: those are meant, because the input has one Service and one Deployment."
        )
        workload.notes.add(Change.REPAIRED, subject_of(body), text, "spec.selector")
        self._take_service(body, workload)

    def _take_service(self, body: Object, workload: Workload) -> None:
        self.known.add(id(body))
        current = workload.service
        if current is None:
            workload.service = body
            return
        # Other objects name the Service of the Deployment's name most often; otherwise the first one counts.
        if body["metadata"].get("name") == workload.name != current["metadata"].get("name"):
            workload.service, body = body, current
        assert workload.service is not None  # noqa: S101  for the type checker
        text = (
            f"a ModelService has one Service, which is {workload.service['metadata'].get('name')}: to keep this one,"
            " let"
            f" it select app.kubernetes.io/instance={workload.name}."
        )
        workload.notes.add(Change.OMITTED, subject_of(body), text)

    def autoscalers(self, bodies: Iterable[Object]) -> None:
        """Assign autoscalers by their target."""
        bodies = list(bodies)
        hpas = [body for body in bodies if body.get("kind") == "HorizontalPodAutoscaler"]
        for body in hpas:
            target = (body.get("spec") or {}).get("scaleTargetRef") or {}
            for workload in self.chosen:
                if target.get("name") == workload.name and _same_namespace(body, workload):
                    self._take(
                        body, workload, "autoscaler", "a Deployment has one HorizontalPodAutoscaler: remove one."
                    )
        rest = [body for body in hpas if id(body) not in self.known]
        if len(hpas) == len(rest) == len(self.all) == len(self.chosen) == 1:
            [body], [workload] = rest, self.chosen
            target = (body.get("spec") or {}).get("scaleTargetRef") or {}
            text = (
                f"scaleTargetRef names {target.get('name') or 'nothing'}, which is not in the input: the only"
                " Deployment"
                f" {workload.name} is meant."
            )
            workload.notes.add(Change.REPAIRED, subject_of(body), text, "spec.scaleTargetRef")
            self._take(body, workload, "autoscaler", "")
        for body in bodies:
            if body.get("kind") not in {"ScaledObject", "VerticalPodAutoscaler"}:
                continue
            spec = body.get("spec") or {}
            target = spec.get("scaleTargetRef") or spec.get("targetRef") or {}
            for workload in self.chosen:
                if target.get("name") == workload.name and _same_namespace(body, workload):
                    self._take_other(body, workload)

    def _take_other(self, body: Object, workload: Workload) -> None:
        self.known.add(id(body))
        if body["kind"] == "ScaledObject":
            workload.scaled_by = subject_of(body)
            text = (
                "it scales the Deployment of the ModelService, which has the same name (autoscaling.managedBy:"
                " External)."
            )
        else:
            text = "its target is the Deployment of the ModelService, which has the same name."
        workload.notes.add(Change.KEPT, subject_of(body), text)

    def budgets(self, bodies: Iterable[Object]) -> None:
        """Assign disruption budgets by their selector."""
        for body in bodies:
            if body.get("kind") == "PodDisruptionBudget":
                selector = (body.get("spec") or {}).get("selector")
                self._take_selected(body, selector, "budget", "a ModelService has one disruptionBudget: merge them.")

    def policies(self, bodies: Iterable[Object]) -> None:
        """Assign network policies by their selector."""
        for body in bodies:
            if body.get("kind") == "NetworkPolicy":
                selector = (body.get("spec") or {}).get("podSelector")
                self._take_selected(body, selector, "policy", "a ModelService has one NetworkPolicy: keep this one.")

    def _take_selected(self, body: Object, selector: Json, role: str, second: str) -> None:
        matches = [one for one in self.chosen if _same_namespace(body, one) and selects(selector, one.pod_labels)]
        if len(matches) == 1:
            self._take(body, matches[0], role, second)

    def routes(self, bodies: Iterable[Object]) -> None:
        """Assign Ingresses and HTTPRoutes by the Services that they name."""
        for body in bodies:
            if body.get("kind") not in {"Ingress", "HTTPRoute"}:
                continue
            names = set(_backend_names(body.get("spec")))
            matches = [
                one
                for one in self.chosen
                if one.service is not None
                and one.service["metadata"].get("name") in names
                and _same_namespace(body, one)
            ]
            for workload in matches:
                role = "ingress" if body["kind"] == "Ingress" else "route"
                self._take(body, workload, role, f"a ModelService has one {body['kind']}: keep this one.")

    def monitors(self, bodies: Iterable[Object]) -> None:
        """Assign monitors of Prometheus by the labels of Services and pods."""
        for body in bodies:
            kind, selector = body.get("kind"), (body.get("spec") or {}).get("selector")
            for workload in self.chosen:
                service = workload.service
                labels = ((service or {}).get("metadata") or {}).get("labels") or {}
                if (kind == "PodMonitor" and selects(selector, workload.pod_labels)) or (
                    kind == "ServiceMonitor" and selects(selector, labels)
                ):
                    self._take(body, workload, "monitor", "a ModelService has one PodMonitor: keep this one.")

    def accounts(self, bodies: Iterable[Object]) -> None:
        """Assign ServiceAccounts by name."""
        for body in bodies:
            if body.get("kind") != "ServiceAccount":
                continue
            for workload in self.chosen:
                names = {workload.pod.get("serviceAccountName"), workload.pod.get("serviceAccount")}
                if (body.get("metadata") or {}).get("name") in names and _same_namespace(body, workload):
                    workload.account = body

    def _take(self, body: Object, workload: Workload, role: str, second: str) -> None:
        self.known.add(id(body))
        if getattr(workload, role) is None:
            setattr(workload, role, body)
        else:
            workload.notes.add(Change.OMITTED, subject_of(body), second)


def _same_namespace(body: Object, workload: Workload) -> bool:
    namespaces = {namespace_of(body), workload.namespace} - {None}
    return len(namespaces) <= 1


def _backend_names(node: Any) -> Iterable[str]:
    """Yield the names of Services in the backends of an Ingress or HTTPRoute."""
    if isinstance(node, list):
        for item in node:
            yield from _backend_names(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key == "service" and isinstance(value, dict) and "name" in value:
                yield str(value["name"])
            elif key == "backendRefs" and isinstance(value, list):
                yield from (str(ref.get("name")) for ref in value if isinstance(ref, dict))
            else:
                yield from _backend_names(value)


def _names(workloads: Sequence[Workload]) -> str:
    return " and ".join(workload.name for workload in workloads)


def _shown(labels: Mapping[str, Any]) -> str:
    return ",".join(f"{key}={value}" for key, value in labels.items()) or "(none)"

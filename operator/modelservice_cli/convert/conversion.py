"""Converts the objects of an input to ModelServices."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field

from modelservice_cli.convert.accepted import Refusals, without_refused
from modelservice_cli.convert.comparison import Difference, Names, differences
from modelservice_cli.convert.defaults import with_defaults, without_defaults
from modelservice_cli.convert.notes import Change, Note, Notes, in_order, subject_of
from modelservice_cli.convert.old_versions import with_current_version
from modelservice_cli.convert.reasons import explain
from modelservice_cli.convert.smallest import children_of, smallest
from modelservice_cli.convert.spec import build_draft, ordered
from modelservice_cli.convert.workloads import Workload, find_workloads
from modelservice_cli.errors import CliError
from modelservice_operator.apimachinery.kinds import MODEL_SERVICE
from modelservice_operator.apimachinery.objects import Object
from modelservice_operator.apimachinery.well_known import REVISION
from modelservice_operator.errors import InvalidSpecError

_CLIENT_ANNOTATIONS = frozenset(
    {
        "kubectl.kubernetes.io/last-applied-configuration",
        "kubectl.kubernetes.io/restartedAt",
        REVISION,
    }
)
"""Annotations that clients and controllers write for themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options of the user."""

    name: str | None = None
    """Name of the ModelService; only with one workload."""
    container: str | None = None
    image: str | None = None
    """Image instead of that of the input."""
    only: tuple[str, ...] = ()
    """Names of the Deployments to convert; all by default."""
    keep_defaults: bool = False
    """Write the defaults of Kubernetes where those of a ModelService differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """A ModelService, and a sentence for each thing that differs from the input."""

    model_service: Object
    notes: tuple[Note, ...]
    before: tuple[Object, ...] = field(repr=False)
    """The objects of the input that became children, after their repair."""
    names: Names = field(repr=False)

    @property
    def children(self) -> list[Object]:
        """The children of the ModelService, as the operator renders them."""
        metadata = self.model_service["metadata"]
        return children_of(metadata["name"], self.model_service["spec"], metadata.get("namespace"))

    def differences(self) -> list[Difference]:
        """Return all differences between the input and the children."""
        return differences(self.before, self.children, self.names)

    def silent(self, found: Sequence[Difference]) -> list[Difference]:
        """Return the differences among `found` that no note is about."""
        return [one for one in found if not any(note.covers(one.subject, one.path) for note in self.notes)]


def convert(
    bodies: Sequence[Object],
    options: Options | None = None,
    *,
    notes: Notes | None = None,
    refusals: Refusals | None = None,
) -> tuple[list[Conversion], list[Note]]:
    """Return a conversion for each Deployment of the input, and the notes about the other objects.

    `notes` are those of the text of the input. `refusals` judges a spec by all rules of the schema.
    Raises CliError if the input has no workload, or one that cannot be converted.
    """
    options = options or Options()
    common = notes or Notes()
    repaired = Notes()
    if not all(isinstance(body, dict) for body in bodies):
        raise CliError("The input has something that is not an object.")
    current = [with_current_version(body, repaired) for body in bodies]
    current = [as_written(body) if is_stored(body) else body for body in current]
    workloads, rest = find_workloads(current, only=options.only)
    if options.name is not None and len(workloads) > 1:
        raise CliError("--name is for one ModelService, and the input has several Deployments: add --only.")
    conversions = [_convert_one(workload, options, repaired, refusals) for workload in workloads]
    subjects = {note.subject for conversion in conversions for note in conversion.notes}
    common.extend(rest.items)
    common.extend(note for note in repaired.items if note.subject not in subjects)
    return conversions, common.items


def is_stored(body: Object) -> bool:
    """Return True if an object comes from an API server, which has written all defaults."""
    metadata = body.get("metadata")
    return isinstance(metadata, dict) and "uid" in metadata


def as_written(body: Object) -> Object:
    """Return an object of an API server as a user would have written it: without defaults and assigned addresses."""
    lean = without_defaults(body)
    spec = lean.get("spec")
    if lean.get("kind") != "Service" or not isinstance(spec, dict):
        return lean
    if spec.get("ipFamilyPolicy") == "SingleStack":
        for assigned in ("ipFamilyPolicy", "ipFamilies"):
            spec.pop(assigned, None)
    if spec.get("type") == "LoadBalancer":
        # Clients use the port of the load balancer; for type NodePort that of the nodes is what they use.
        spec.pop("healthCheckNodePort", None)
        for port in spec.get("ports") or ():
            port.pop("nodePort", None)
    return lean


def _convert_one(workload: Workload, options: Options, repaired: Notes, refusals: Refusals | None) -> Conversion:
    subjects = {subject_of(body) for body in workload.objects()}
    notes = Notes([note for note in repaired.items if note.subject in subjects])
    notes.extend(workload.notes.items)
    workload.notes = notes
    for body in workload.objects():
        _forget_state(body)
    if options.keep_defaults:
        _write_defaults(workload)
    draft = build_draft(workload, name=options.name, container=options.container, image=options.image)
    try:
        accepted, removed = without_refused(draft.spec, refusals)
        accepted = ordered(smallest(draft.name, accepted))
        children = children_of(draft.name, accepted, workload.namespace)
    except (ValueError, InvalidSpecError) as error:
        raise CliError(
            f"{subject_of(workload.deployment)} cannot become a ModelService that the API server accepts: {error}."
        ) from error
    for path, why in removed:
        notes.add(Change.OMITTED, f"{MODEL_SERVICE.kind}/{draft.name}", f"{why}.", f"spec.{path}")
    before = [copy.deepcopy(body) for body in workload.objects()]
    found = differences(before, children, draft.names)
    return Conversion(
        model_service=_model_service(workload, draft.name, accepted),
        notes=tuple(in_order((*notes.items, *explain(found, notes.items)))),
        before=tuple(before),
        names=draft.names,
    )


def _model_service(workload: Workload, name: str, spec: Object) -> Object:
    """Return the object. Labels and annotations of the Deployment become its own."""
    metadata: Object = {"name": name}
    if workload.namespace is not None:
        metadata["namespace"] = workload.namespace
    own = workload.deployment.get("metadata") or {}
    for kind in ("labels", "annotations"):
        if own.get(kind):
            metadata[kind] = dict(own[kind])
    return {
        "apiVersion": MODEL_SERVICE.api_version,
        "kind": MODEL_SERVICE.kind,
        "metadata": metadata,
        "spec": spec,
    }


def _forget_state(body: Object) -> None:
    """Remove what no user has written: the status, and annotations of clients."""
    body.pop("status", None)
    template = (body.get("spec") or {}).get("template") if body["kind"] == "Deployment" else None
    for metadata in (body.get("metadata") or {}, (template or {}).get("metadata") or {}):
        annotations = metadata.get("annotations")
        if annotations:
            metadata["annotations"] = {
                key: value for key, value in annotations.items() if key not in _CLIENT_ANNOTATIONS
            }


def _write_defaults(workload: Workload) -> None:
    """Write the defaults of Kubernetes into the objects, as if the user had written them."""
    for body in workload.objects():
        if body["kind"] in {"Deployment", "Service"}:
            body.update(with_defaults(body))
    pod, main = workload.pod, workload.pod["containers"]
    pod.setdefault("enableServiceLinks", True)
    if not (pod.get("serviceAccountName") or pod.get("serviceAccount")):
        pod.setdefault("automountServiceAccountToken", True)
    for container in main:
        container.setdefault("securityContext", {}).setdefault("readOnlyRootFilesystem", False)


def related(deployments: Sequence[Object], others: Sequence[Object]) -> list[Object]:
    """Return the objects of a namespace that belong to one of the Deployments.

    Raises CliError if a Service selects the pods of two of them.
    """
    workloads, _ = find_workloads([*copy.deepcopy(list(deployments)), *others])
    kept = {id(body) for workload in workloads for body in (*workload.objects(), workload.account) if body is not None}
    names = {note.subject for workload in workloads for note in workload.notes.items}
    return [body for body in others if id(body) in kept or subject_of(body) in names]

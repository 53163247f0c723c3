"""Compare ModelServices in files, and the children that they lead to, with the cluster.

The API server computes the result by dry runs: of each ModelService as `kubectl apply` sends it, and of each child as
the operator applies it. The output is a unified diff. The exit code is 1 if something differs. Children that are no
longer wanted are shown as removed. The dry run of a child needs the right to write it; --no-children skips them.
"""

import argparse
import difflib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from modelservice_cli.arguments import add_cluster, add_files, files_of
from modelservice_cli.errors import ExitCode

if TYPE_CHECKING:
    from modelservice_cli.cluster.connection import Cluster
    from modelservice_cli.documents import Document
    from modelservice_operator.apimachinery.objects import Object
    from modelservice_operator.resources import DesiredChild

_SERVER_FIELDS = ("managedFields", "resourceVersion", "uid", "creationTimestamp", "generation", "selfLink")
_CONTEXT_LINES = 3

Pair = tuple["Object | None", "Object | None"]
"""A live object and what it would become; None where there is none."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the arguments."""
    add_files(parser, "files or directories with ModelServices; - reads standard input")
    add_cluster(parser)
    parser.add_argument("--no-children", dest="children", action="store_false", help="compare the ModelServices only")
    parser.add_argument(
        "--field-manager",
        default="kubectl",
        metavar="NAME",
        help="field manager of a server-side apply (default: kubectl)",
    )


def run(options: argparse.Namespace) -> int:
    """Print the differences of all ModelServices of the files."""
    from modelservice_cli import documents
    from modelservice_cli.cluster.connection import Cluster
    from modelservice_cli.offline.judging import find_model_services

    found = find_model_services(documents.read(files_of(options)))
    cluster = Cluster.connect(options)
    differs = False
    for document in found:
        for live, merged in _pairs(document, cluster, options):
            lines = list(_unified(live, merged))
            differs = differs or bool(lines)
            sys.stdout.writelines(lines)
    return ExitCode.NEGATIVE if differs else ExitCode.OK


def _pairs(document: "Document", cluster: "Cluster", options: argparse.Namespace) -> Iterator[Pair]:
    """Yield the ModelService of a document and its children, live and as they would be."""
    from modelservice_cli.cluster.apply import dry_run_create, dry_run_update
    from modelservice_operator.apimachinery.kinds import MODEL_SERVICE

    value = document.value
    metadata = value.get("metadata") or {}
    body = value | {"metadata": metadata | {"namespace": metadata.get("namespace") or cluster.namespace}}
    namespace, name = body["metadata"]["namespace"], metadata.get("name", "")
    live = cluster.find(MODEL_SERVICE, name, namespace=namespace) if name else None
    if live is None:
        merged = dry_run_create(cluster, MODEL_SERVICE, body)
    else:
        merged = dry_run_update(cluster, MODEL_SERVICE, body, live, manager=options.field_manager)
    yield live, merged
    if options.children:
        yield from _child_pairs(cluster, live, merged)


def _child_pairs(cluster: "Cluster", live: "Object | None", merged: "Object") -> Iterator[Pair]:
    from modelservice_cli.cluster.apply import is_owned_by
    from modelservice_operator.apimachinery.kinds import DEPLOYMENT

    metadata = merged["metadata"]
    deployment = cluster.find(DEPLOYMENT, metadata["name"], namespace=metadata["namespace"]) if live else None
    children = _children(merged, deployment)
    for child in children:
        found = cluster.find_served(child.kind, child.key.name, namespace=child.key.namespace)
        if found is not None:
            yield _child_pair(cluster, child, found)
    wanted = {(child.kind, child.key) for child in children}
    for child in _children(live, deployment) if live else ():
        if (child.kind, child.key) not in wanted:
            before = cluster.find(child.kind, child.key.name, namespace=child.key.namespace)
            if before is not None and live is not None and is_owned_by(before, live):
                yield before, None


def _children(service: "Object", deployment: "Object | None") -> "tuple[DesiredChild, ...]":
    """Build the children as the operator does, with the settings that the live Deployment retains."""
    from modelservice_operator.api.v1alpha1.spec import ModelService
    from modelservice_operator.resources import build_children
    from modelservice_operator.resources.model_volume import pinned_revision
    from modelservice_operator.resources.retained import Retained, parse_settings
    from modelservice_operator.settings import DEFAULT_LOADER

    retained = Retained.of(deployment)
    recorded = None if retained is None else parse_settings(retained.loader_settings, DEFAULT_LOADER)
    parsed = ModelService.parse(service)
    model = parsed.spec.model
    resolution = None if model is None else pinned_revision(deployment, model)
    return build_children(parsed, loader=recorded or DEFAULT_LOADER, resolution=resolution, retained=retained)


def _child_pair(cluster: "Cluster", child: "DesiredChild", found: "Object") -> Pair:
    from modelservice_cli.cluster.apply import dry_run_apply, dry_run_create
    from modelservice_operator.settings import FIELD_MANAGER

    if not found:
        return None, dry_run_create(cluster, child.kind, child.create_body())
    if child.requires_recreate(found):
        return found, child.create_body()
    replicas = child.replicas_to_set(found)
    body = child.apply_body(found)
    merged = dry_run_apply(cluster, child.kind, body, manager=FIELD_MANAGER)
    if replicas is not None:
        merged = merged | {"spec": merged["spec"] | {"replicas": replicas}}
    return found, merged


def _unified(live: "Object | None", merged: "Object | None") -> Iterator[str]:
    """Yield the lines of a unified diff, with colours on a terminal; none if nothing differs."""
    from modelservice_cli.output import Style, paint

    one: Any = live or merged
    name = f"{one['kind']}/{one['metadata']['namespace']}/{one['metadata']['name']}"
    styles = {"---": Style.HEADING, "+++": Style.HEADING, "@@": Style.NOTE, "-": Style.BAD, "+": Style.GOOD}
    before, after = (_lines(body) for body in (live, merged))
    for line in difflib.unified_diff(before, after, f"live/{name}", f"merged/{name}", n=_CONTEXT_LINES):
        style = next((style for start, style in styles.items() if line.startswith(start)), None)
        yield line if style is None else paint(line.rstrip("\n"), style) + "\n"


def _lines(body: "Object | None") -> list[str]:
    """Return an object as lines of YAML, without what only the API server and the operator write."""
    from modelservice_cli.cluster.apply import LAST_APPLIED_ANNOTATION
    from modelservice_cli.output import to_yaml
    from modelservice_operator.resources.metadata import HASH_ANNOTATION, TEMPLATE_HASH_ANNOTATION

    if body is None:
        return []
    hidden = {LAST_APPLIED_ANNOTATION, HASH_ANNOTATION, TEMPLATE_HASH_ANNOTATION}
    metadata = {key: value for key, value in body["metadata"].items() if key not in _SERVER_FIELDS}
    if "ownerReferences" in metadata:
        metadata["ownerReferences"] = [{**one, "uid": "..."} for one in metadata["ownerReferences"]]
    if "annotations" in metadata:
        kept = {key: value for key, value in metadata["annotations"].items() if key not in hidden}
        metadata = {key: value for key, value in metadata.items() if key != "annotations"}
        metadata |= {"annotations": kept} if kept else {}
    rest = {key: value for key, value in body.items() if key not in {"metadata", "status", "apiVersion", "kind"}}
    shown = {"apiVersion": body["apiVersion"], "kind": body["kind"], "metadata": metadata, **rest}
    return to_yaml(_sorted(shown)).splitlines(keepends=True)


def _sorted(value: Any) -> Any:
    """Return a value with sorted keys, as the API server sends them."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value

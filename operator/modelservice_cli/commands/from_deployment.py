"""Write a ModelService for a Deployment with its Service, HorizontalPodAutoscaler and so on.

Reads files, directories or standard input (-), or, without a file, a Deployment of the cluster by its name. Prints the
smallest ModelService, and on standard error a sentence for each thing that is left out, changed, added or repaired.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from modelservice_cli.arguments import add_cluster, add_output
from modelservice_cli.errors import CliError, ExitCode
from modelservice_operator.apimachinery.objects import Object

if TYPE_CHECKING:
    from modelservice_cli.convert.accepted import Refusals
    from modelservice_cli.convert.conversion import Conversion, Options
    from modelservice_cli.convert.notes import Note, Notes

_EXTENSIONS = (".yaml", ".yml", ".json")
_HTTP_FORBIDDEN, _HTTP_NOT_FOUND = 403, 404


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("deployments", nargs="*", metavar="DEPLOYMENT", help="name of a Deployment of the cluster")
    parser.add_argument(
        "-f", "--filename", dest="files", action="append", default=[], metavar="FILE",
        help="file, directory, or - for standard input, instead of the cluster; repeatable",
    )  # fmt: skip
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="Deployment of the files to convert"
    )
    add_options(parser)
    add_cluster(parser)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that all conversions have."""
    parser.add_argument("--name", help="name of the ModelService (default: that of the input)")
    parser.add_argument("--image", help="image of the model server instead of that of the input")
    parser.add_argument("--container", metavar="NAME", help="container of the model server, if there are several")
    parser.add_argument(
        "--keep-defaults",
        action="store_true",
        help="write the defaults of Kubernetes where those of a ModelService differ",
    )
    parser.add_argument("--comments", action="store_true", help="write the sentences as comments of the YAML")
    parser.add_argument("-v", "--verbose", action="store_true", help="say what every ModelService has as well")
    add_output(parser, ("yaml", "json", "name"))


def run(options: argparse.Namespace) -> int:
    """Convert and print."""
    from modelservice_cli.convert.conversion import convert
    from modelservice_cli.convert.notes import Notes

    notes = Notes()
    if options.files:
        if options.deployments:
            raise CliError(
                "Name a Deployment of the cluster or files, not both: --only chooses from files.", ExitCode.USAGE
            )
        bodies = [body for source in options.files for body in _read(source, notes)]
        wanted = chosen(options, only=tuple(options.only))
    else:
        if not options.deployments:
            raise CliError("Name a Deployment of the cluster, or files with -f.", ExitCode.USAGE)
        bodies = _read_cluster(options)
        wanted = chosen(options, only=tuple(options.deployments))
    conversions, common = convert(bodies, wanted, notes=notes, refusals=refusals())
    return write(options, conversions, common)


def refusals() -> "Refusals":
    """Return a function that judges a spec as the API server does, with the rules of the schema."""
    from modelservice_cli.offline.judge import Judge
    from modelservice_operator.apimachinery.kinds import MODEL_SERVICE

    judge = Judge()

    def judged(spec: Object) -> list[tuple[tuple[str | int, ...], str]]:
        metadata = {"name": "model", "namespace": "default"}
        body = {"apiVersion": MODEL_SERVICE.api_version, "kind": MODEL_SERVICE.kind, "metadata": metadata, "spec": spec}
        refusal = judge.create(body).refusal
        found = refusal.findings if refusal is not None else ()
        return [(tuple(one.steps[1:]), one.message.partition(" is invalid: ")[2] or one.message) for one in found]

    return judged


def chosen(options: argparse.Namespace, **more: object) -> "Options":
    """Return the options of the conversion."""
    from modelservice_cli.convert.conversion import Options

    return Options(
        name=options.name, container=options.container, image=options.image, keep_defaults=options.keep_defaults,
        **more,  # type: ignore[arg-type]
    )  # fmt: skip


def write(options: argparse.Namespace, conversions: "list[Conversion]", common: "list[Note]") -> int:
    """Print ModelServices on standard output and notes on standard error."""
    from modelservice_cli.convert.writing import as_json, as_yaml, note_lines

    if options.output == "json":
        sys.stdout.write(as_json(conversions, common))
        return ExitCode.OK
    if options.output == "name":
        for conversion in conversions:
            print(f"modelservice/{conversion.model_service['metadata']['name']}")
    else:
        sys.stdout.write(as_yaml(conversions, common, comments=options.comments))
    if not options.comments:
        sys.stdout.flush()
        for line in note_lines(conversions, common, verbose=options.verbose):
            print(line, file=sys.stderr)
    return ExitCode.OK


def read_text(source: str) -> str:
    """Return the text of a file or standard input. Raises CliError if it cannot be read."""
    try:
        data = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
        return data.decode("utf-8-sig")
    except OSError as error:
        raise CliError(f"Cannot read {source}: {error.strerror or error}.", ExitCode.USAGE) from error
    except UnicodeDecodeError as error:
        raise CliError(f"{source}: not UTF-8 text, at byte {error.start}.", ExitCode.USAGE) from error


def _read(source: str, notes: "Notes") -> Iterator[Object]:
    from modelservice_cli.convert.text_repair import read_repaired

    path = Path(source)
    files = [source]
    if source != "-" and path.is_dir():
        files = [str(one) for one in sorted(path.iterdir()) if one.suffix in _EXTENSIONS]
    for file in files:
        for document in read_repaired(read_text(file), file, notes):
            if isinstance(document.value, dict):
                yield document.value
            else:
                raise CliError(
                    f"{document.position()}: not an object, but {type(document.value).__name__}.", ExitCode.USAGE
                )


def _read_cluster(options: argparse.Namespace) -> list[Object]:
    """Return the Deployments that are named, and the objects of their namespace that may belong to them."""
    from modelservice_cli.cluster.connection import ApiError, Cluster
    from modelservice_operator.apimachinery.kinds import (
        DEPLOYMENT,
        HORIZONTAL_POD_AUTOSCALER,
        HTTP_ROUTE,
        INGRESS,
        NETWORK_POLICY,
        POD_DISRUPTION_BUDGET,
        POD_MONITOR,
        SERVICE,
        ResourceKind,
    )

    service_account = ResourceKind(group="", version="v1", kind="ServiceAccount", plural="serviceaccounts")
    monitor = ResourceKind(group="monitoring.coreos.com", version="v1", kind="ServiceMonitor", plural="servicemonitors")
    scaled = ResourceKind(group="keda.sh", version="v1alpha1", kind="ScaledObject", plural="scaledobjects")
    cluster = Cluster.connect(options)
    bodies = [
        {"apiVersion": DEPLOYMENT.api_version, "kind": DEPLOYMENT.kind} | cluster.get(DEPLOYMENT, name)
        for name in options.deployments
    ]
    others: list[Object] = []
    for kind in (SERVICE, HORIZONTAL_POD_AUTOSCALER, POD_DISRUPTION_BUDGET, INGRESS, NETWORK_POLICY, service_account,
                 HTTP_ROUTE, POD_MONITOR, monitor, scaled):  # fmt: skip
        try:
            others += cluster.list(kind)
        except ApiError as error:
            # Kinds of other projects may be missing; one that may not be read is reported, for its fields are lost.
            if error.http_code == _HTTP_FORBIDDEN:
                print(f"to keep: {kind.plural} of the namespace cannot be read, so that none is converted: {error}",
                      file=sys.stderr)  # fmt: skip
            elif error.http_code != _HTTP_NOT_FOUND:
                raise
    return bodies + _related(bodies, others)


def _related(deployments: list[Object], others: list[Object]) -> list[Object]:
    """Return the objects that belong to the Deployments: the input has no others of the namespace."""
    from modelservice_cli.convert.conversion import related

    return related(deployments, others)

"""Command line and composition root: `run` starts the operator, `render` and `crd` print and need no cluster.

kopf and the HTTP client are imported by `run` alone, so that the other commands start at once.
"""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Any, cast

import yaml

from modelservice_operator import __version__
from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.apimachinery.kinds import MODEL_SERVICE
from modelservice_operator.errors import InvalidSpecError
from modelservice_operator.resources import build_children
from modelservice_operator.settings import DEFAULT_LOADER, FIELD_MANAGER, LoaderSettings, Settings

_LOG_FORMAT = "%(asctime)s %(levelname)-8s %(name)s: %(message)s"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the result is the exit code."""
    options = _parser().parse_args(arguments)
    match options.command:
        case "run":
            return _run(options)
        case "render":
            return _render(options.file)
        case "reference":
            return _print_reference()
        case _:
            return _print_crd()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="modelservice-operator", description="Model endpoints on Kubernetes.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run the operator, in a pod or out of the cluster")
    run.add_argument("--kubeconfig", type=Path, help="kubeconfig file (default: the service account, then $KUBECONFIG)")
    run.add_argument(
        "--namespace", "-n", action="append", default=[], metavar="NAME", help="serve only this namespace; repeatable"
    )
    run.add_argument(
        "--lease-namespace", metavar="NAME", help="agree with other operators on one, by a Lease in this namespace"
    )
    run.add_argument("--workers", type=_positive_int, default=Settings().workers, help="objects worked on at once")
    run.add_argument(
        "--resync-seconds",
        type=_positive_int,
        default=int(Settings().resync_interval),
        help="time between two full looks",
    )
    run.add_argument(
        "--discovery-seconds",
        type=_positive_int,
        default=int(Settings().discovery_interval),
        help="time between two looks for kinds that the cluster does not serve yet",
    )
    loader = DEFAULT_LOADER
    run.add_argument("--loader-image", default=loader.image, metavar="IMAGE", help="image that fetches models")
    run.add_argument(
        "--loader-seconds", type=_positive_int, default=loader.timeout_seconds, help="time that loading may take"
    )
    run.add_argument(
        "--refresh-seconds",
        type=_positive_int,
        default=loader.refresh_interval_seconds,
        help="time between two looks at a model that is to be followed (updatePolicy Auto)",
    )
    run.add_argument(
        "--allow-cidr",
        action="append",
        default=[],
        type=_cidr,
        metavar="CIDR",
        help="private range in which loaders may connect to stores, also without TLS; repeatable",
    )
    run.add_argument("--probe-port", type=int, default=Settings().probe_port, help="port of /healthz; 0 for none")
    run.add_argument("--log-level", choices=("debug", "info", "warning", "error"), default="info")
    render = commands.add_parser("render", help="print the objects that a ModelService stands for")
    render.add_argument("file", help="YAML file with ModelServices, - for standard input")
    commands.add_parser("crd", help="print the CustomResourceDefinition")
    commands.add_parser("reference", help="print the reference of all fields as Markdown")
    return parser


def _positive_int(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number")
    return int(text)


def _cidr(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _run(options: argparse.Namespace) -> int:
    import kopf  # noqa: PLC0415 - half of the start-up time of the other commands
    import uvloop  # noqa: PLC0415

    from modelservice_operator.manager.handlers import OperatorHandlers  # noqa: PLC0415
    from modelservice_operator.manager.login import connection_info  # noqa: PLC0415

    logging.basicConfig(level=options.log_level.upper(), format=_LOG_FORMAT)
    if options.kubeconfig is not None:
        os.environ["KUBECONFIG"] = str(options.kubeconfig)
    settings = Settings(
        namespaces=tuple(dict.fromkeys(options.namespace)),
        lease_namespace=options.lease_namespace,
        workers=options.workers,
        resync_interval=options.resync_seconds,
        discovery_interval=options.discovery_seconds,
        probe_port=options.probe_port,
        loader=LoaderSettings(
            image=options.loader_image,
            timeout_seconds=options.loader_seconds,
            refresh_interval_seconds=options.refresh_seconds,
            allowed_cidrs=tuple(dict.fromkeys(options.allow_cidr)),
        ),
    )

    try:
        connection_info(kopf.OperatorSettings())
    except (kopf.LoginError, OSError, KeyError, yaml.YAMLError) as error:
        print(f"The cluster's address and credentials cannot be read: {error}", file=sys.stderr)  # noqa: T201
        return 1

    async def operate() -> int:
        shell = OperatorHandlers(settings)
        await kopf.operator(
            registry=shell.registry,
            stop_flag=shell.stop,
            # For peering, which is off; kopf would look up the user's name, and an image need not know its user.
            identity=cast("Any", FIELD_MANAGER),
            standalone=True,
            clusterwide=not settings.namespaces,
            namespaces=settings.namespaces,
            liveness_endpoint=f"http://{settings.probe_host}:{settings.probe_port}/healthz"
            if settings.probe_port
            else None,
        )
        return 1 if shell.failure else 0

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(operate())


def _render(file: str) -> int:
    """Print the children of every ModelService in `file`; other objects are passed over."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        bodies = [_with_server_defaults(body) for body in yaml.safe_load_all(text) if _is_model_service(body)]
        children = [child for body in bodies for child in build_children(ModelService.parse(body))]
    except (InvalidSpecError, OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        print(f"{file}: {error}", file=sys.stderr)  # noqa: T201 - a command speaks to its user
        return 1
    if not children:
        print(f"{file}: holds no {MODEL_SERVICE.kind} of {MODEL_SERVICE.api_version}.", file=sys.stderr)  # noqa: T201
        return 1
    _print_yaml([child.create_body() for child in children])
    return 0


def _print_crd() -> int:
    from modelservice_operator.api.crdgen.crd import custom_resource_definition  # noqa: PLC0415 - memory of the operator

    _print_yaml([custom_resource_definition()])
    return 0


def _print_reference() -> int:
    from modelservice_operator.api.crdgen.reference import reference  # noqa: PLC0415 - memory of the operator

    print(reference(), end="")  # noqa: T201 - what the command is for
    return 0


def _is_model_service(body: object) -> bool:
    return isinstance(body, dict) and (body.get("apiVersion"), body.get("kind")) == (
        MODEL_SERVICE.api_version,
        MODEL_SERVICE.kind,
    )


def _with_server_defaults(body: dict[str, Any]) -> dict[str, Any]:
    """What the API server would add before the operator sees the object."""
    metadata = {"namespace": "default", "uid": "00000000-0000-0000-0000-000000000000"} | (body.get("metadata") or {})
    return body | {"metadata": metadata}


class _Dumper(yaml.SafeDumper):
    """Plain YAML: no anchors, strings of our own kinds as strings."""

    def ignore_aliases(self, _data: object) -> bool:
        return True


_Dumper.add_multi_representer(str, lambda dumper, value: dumper.represent_str(str(value)))


def _print_yaml(bodies: list[dict[str, Any]]) -> None:
    yaml.dump_all(bodies, sys.stdout, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)

"""Parses the command line and dispatches to a command.

A command is imported when it is run: kopf and the HTTP client would double the start-up time of the other commands, and
the schema generator would cost the operator memory.
"""

import argparse
import gc
import os
import re
from collections.abc import Sequence
from ipaddress import ip_network
from pathlib import Path

from modelservice_operator import __version__
from modelservice_operator.settings import DEFAULT_LOADER, LOG_LEVELS, LogFormat, Settings

LOADER_IMAGE_VARIABLE = "LOADER_IMAGE"
"""Default of --loader-image: kustomize and other tools find images in values, not in the middle of arguments."""
_GC_THRESHOLDS = (50_000, 50, 100)
"""Thresholds of the garbage collector. Most objects of an operator stay, or are freed without it; with the defaults it
traverses them several times while the modules are imported and the caches are filled."""

_MAX_PORT = 65535
_MAX_NAME_LENGTH = 253


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code. `arguments` defaults to those of the process."""
    options = parse_options(build_parser(), arguments)
    if options.command == "run":
        gc.set_threshold(*_GC_THRESHOLDS)
        from modelservice_operator.cli.run import run

        return run(options)
    if options.command == "check":
        from modelservice_operator.cli.check import check

        return check(options)
    from modelservice_operator.cli import generated

    match options.command:
        case "reference":
            return generated.print_reference()
        case "policy":
            return generated.print_policy()
        case _:
            return generated.print_crd()


def parse_options(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse a command line; options that contradict each other end the process as invalid ones do."""
    options = parser.parse_args(arguments)
    if options.command == "run" and options.metrics_cert_path is not None and not options.secure_metrics_port:
        parser.error("--metrics-cert-path needs --secure-metrics-port")
    return options


def build_parser(parser_class: type[argparse.ArgumentParser] = argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Build the parser of the command line."""
    parser = parser_class(prog="modelservice-operator", description="Kubernetes operator for model endpoints.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run the operator, in a pod or outside the cluster")
    _add_operator_options(run)
    _add_metrics_options(run)
    _add_log_options(run)
    _add_loader_options(run)
    _add_check_options(commands.add_parser("check", help="report whether the install is complete; only reads"))
    commands.add_parser("crd", help="print the CustomResourceDefinition")
    commands.add_parser("reference", help="print the field reference as Markdown")
    commands.add_parser("policy", help="print the admission policy for references")
    return parser


def _add_operator_options(run: argparse.ArgumentParser) -> None:
    defaults = Settings()
    _add_kubeconfig_option(run)
    run.add_argument(
        "--namespace",
        "-n",
        action="append",
        default=[],
        type=_namespace,
        metavar="NAME",
        help="watch only this namespace; repeatable",
    )
    run.add_argument(
        "--lease-namespace",
        type=_namespace,
        metavar="NAME",
        help="enable leader election with a Lease in this namespace",
    )
    run.add_argument(
        "--lease-name",
        type=_object_name,
        metavar="NAME",
        help="name of the Lease (default: modelservice-operator, with the namespaces if there are any)",
    )
    run.add_argument(
        "--workers",
        type=_positive_int,
        default=defaults.workers,
        help="maximum concurrent reconciles, at most half of them for one namespace",
    )
    run.add_argument(
        "--resync-seconds",
        type=_positive_int,
        default=int(defaults.resync_interval),
        help="resync period, in seconds",
    )
    run.add_argument(
        "--discovery-seconds",
        type=_positive_int,
        default=int(defaults.discovery_interval),
        help="how often to check for missing CRDs, in seconds",
    )
    run.add_argument(
        "--probe-port",
        type=_port,
        default=defaults.probe_port,
        help="port of /healthz, /readyz and /metrics; 0 disables them",
    )


def _add_metrics_options(run: argparse.ArgumentParser) -> None:
    run.add_argument(
        "--secure-metrics-port",
        type=_port,
        default=Settings().secure_metrics_port,
        help="serve /metrics on this port instead of --probe-port: over TLS, to clients whose bearer token the API"
        " server accepts and allows to get /metrics; 0 (default) does not",
    )
    run.add_argument(
        "--metrics-cert-path",
        type=Path,
        metavar="DIRECTORY",
        help="directory with tls.crt and tls.key for --secure-metrics-port, read again when they change (default: a"
        " self-signed certificate in memory)",
    )


def _add_log_options(run: argparse.ArgumentParser) -> None:
    run.add_argument(
        "--log-level",
        choices=LOG_LEVELS,
        default="info",
        help="level of the log (default: info); the annotation modelservice.dev/log-level of the Lease overrides it",
    )
    run.add_argument(
        "--log-format",
        choices=tuple(map(str, LogFormat)),
        help="form of the log lines (default: text on a terminal, else json)",
    )
    run.add_argument(
        "--tracing",
        action="store_true",
        help="send traces of reconciles by OTLP, configured by the OTEL_* variables; needs the extra `tracing`",
    )


def _add_kubeconfig_option(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--kubeconfig", type=Path, help="kubeconfig file (default: service account of the pod, then $KUBECONFIG)"
    )


def _add_check_options(check: argparse.ArgumentParser) -> None:
    _add_kubeconfig_option(check)
    check.add_argument("--context", metavar="NAME", help="context of the kubeconfig (default: the current one)")
    check.add_argument(
        "--namespace", "-n", type=_namespace, metavar="NAME", help="search for operators in this namespace only"
    )
    check.add_argument("--output", "-o", choices=("text", "json"), default="text", help="format of the findings")


def _add_loader_options(run: argparse.ArgumentParser) -> None:
    defaults = DEFAULT_LOADER
    run.add_argument(
        "--loader-image",
        default=os.environ.get(LOADER_IMAGE_VARIABLE) or defaults.image,
        metavar="IMAGE",
        help=f"default image of the loader (default: ${LOADER_IMAGE_VARIABLE}, then that of this version)",
    )
    run.add_argument(
        "--loader-seconds",
        type=_positive_int,
        default=defaults.timeout_seconds,
        help="default download timeout, in seconds",
    )
    run.add_argument(
        "--refresh-seconds",
        type=_positive_int,
        default=defaults.refresh_interval_seconds,
        help="default polling interval for models with updatePolicy Auto, in seconds",
    )
    run.add_argument(
        "--allow-cidr",
        action="append",
        default=[],
        type=_cidr,
        metavar="CIDR",
        help="private address range that loaders may connect to, also without TLS; repeatable",
    )
    run.add_argument(
        "--loader-proxy",
        type=_proxy,
        metavar="URL",
        help="HTTP proxy of loaders, such as http://proxy.example.com:3128",
    )
    run.add_argument(
        "--loader-no-proxy",
        action="append",
        default=[],
        type=_no_proxy,
        metavar="HOSTS",
        help="hosts, domains and CIDR ranges without the proxy, separated by commas; repeatable",
    )
    run.add_argument(
        "--loader-ca-bundle",
        type=_ca_bundle,
        metavar="CONFIGMAP/KEY",
        help="ConfigMap of each namespace, and its key, with PEM certificates of authorities that loaders trust too",
    )


def _positive_int(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive integer")
    return int(text)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > _MAX_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to {_MAX_PORT}")
    return int(text)


def _namespace(text: str) -> str:
    """Check the name of a namespace (RFC 1123 label): no request with another one would ever succeed."""
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not the name of a namespace: at most 63 lower-case letters, digits and '-'"
        )
    return text


def _object_name(text: str) -> str:
    """Check the name of an object (RFC 1123 subdomain)."""
    if len(text) > _MAX_NAME_LENGTH or not re.fullmatch(
        r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", text
    ):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not the name of an object: at most {_MAX_NAME_LENGTH} lower-case letters, digits, '-' and '.'"
        )
    return text


def _proxy(text: str) -> str:
    """Check the URL of a proxy. A login would be readable in every pod and Deployment."""
    if not re.fullmatch(r"https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?/?", text):
        raise argparse.ArgumentTypeError("must be the http(s) URL of a host, without user name, path and query")
    return text.rstrip("/")


def _no_proxy(text: str) -> list[str]:
    hosts = [host.strip() for host in text.split(",") if host.strip()]
    if not all(re.fullmatch(r"[A-Za-z0-9.*:/_\[\]-]+", host) for host in hosts):
        raise argparse.ArgumentTypeError("must be host names, domains, addresses and ranges, separated by commas")
    return hosts


def _ca_bundle(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/[-._a-zA-Z0-9]{1,253}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not the name of a ConfigMap and its key, as in NAME/KEY")
    return text


def _cidr(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None

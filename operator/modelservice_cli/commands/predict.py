"""Send a request to a model and print its answer; status and time are printed on standard error.

The request goes to a ready pod, through a port-forward with your own rights, so it needs neither an Ingress nor a route
to the cluster. `--url` sends it to the URL of the ModelService, or to another one, as a client does.

The exit code is 0 for an answer below 400, otherwise 1.

Examples:
  modelservice predict diabetes /prediction/ --param f=0.05
  modelservice predict iris /predict --data '{"instances": [[5.1, 3.5, 1.4, 0.2]]}'
  modelservice predict iris /predict --data @request.json --repeat 200
  modelservice predict iris /predict --data @request.json --url
"""

import argparse
import base64
import json
import sys
import time
from pathlib import Path
from urllib.parse import urlencode

from modelservice_cli.arguments import add_cluster
from modelservice_cli.cluster.calls import Answer, ModelConnection, PodCalls, Request, UrlCalls
from modelservice_cli.cluster.connection import Cluster
from modelservice_cli.cluster.family import Family, check_pods_readable
from modelservice_cli.cluster.lookup import get_model_service
from modelservice_cli.commands.shared import add_name, note, parse_seconds, program_name, read_named_family
from modelservice_cli.errors import CliError, ExitCode
from modelservice_cli.view import pods
from modelservice_cli.view.conditions import condition
from modelservice_cli.view.latency import format_ms, summary

_DEFAULT_PORT = 8080
_FIRST_ERROR = 400


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_name(parser)
    parser.add_argument("path", nargs="?", default="/", metavar="PATH", help="path of the request (default: /)")
    add_cluster(parser)
    group = parser.add_argument_group("request")
    group.add_argument("--path", dest="path_option", metavar="PATH", help="the same as PATH")
    group.add_argument("-d", "--data", metavar="TEXT", help="body of a POST; @FILE for a file, @- for standard input")
    group.add_argument(
        "-p", "--param", action="append", default=[], metavar="KEY=VALUE", help="query parameter; repeatable"
    )
    group.add_argument("-H", "--header", action="append", default=[], metavar="NAME: VALUE", help="header; repeatable")
    group.add_argument("-X", "--method", metavar="METHOD", help="method (default: POST with --data, otherwise GET)")
    group.add_argument(
        "--timeout", type=parse_seconds, default=60.0, metavar="TIME", help="time of one answer (default: 60s)"
    )
    group.add_argument(
        "--repeat", type=_positive, default=1, metavar="N", help="send it N times, and print p50 and p99"
    )
    where = parser.add_argument_group("where it is sent")
    where.add_argument(
        "--url", nargs="?", const="", metavar="URL", help="to this URL (default: that of the ModelService)"
    )
    where.add_argument("--pod", metavar="POD", help="to this pod (default: a ready one of the newest revision)")
    where.add_argument(
        "--port", type=_positive, metavar="PORT", help="to this port of the pod (default: containerPort)"
    )
    where.add_argument("--unready", action="store_true", help="to a pod that is not ready, if there is no other")
    parser.add_argument("-o", "--output", choices=("body", "json"), default="body", help="format (default: body)")


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return int(text)


def run(options: argparse.Namespace) -> int:
    """Send the requests and print the last answer."""
    if (options.url or "").startswith("/"):  # `--url /predict`: the path follows the option without a value
        options.path, options.url = options.url, ""
    request = build_request(options)
    with Cluster.connect(options) as cluster, _open(cluster, options) as model:
        if isinstance(model, UrlCalls):
            request = Request(request.method, model.path + request.target, request.headers, request.body)
        started = time.perf_counter()
        answers = [model.send(request) for _ in range(options.repeat)]
        elapsed = time.perf_counter() - started
    _print(answers[-1], options.output)
    _report(answers, elapsed, model)
    return ExitCode.OK if all(one.status < _FIRST_ERROR for one in answers) else ExitCode.NEGATIVE


def build_request(options: argparse.Namespace) -> Request:
    """Return the request of the options. Raises CliError for a file that cannot be read, or a wrong parameter."""
    body = None if options.data is None else _read_data(options.data)
    headers = {"Accept": "*/*"} | ({} if body is None else {"Content-Type": _content_type(body)})
    for text in options.header:
        name, separator, value = text.partition(":")
        if not separator or not name.strip():
            raise CliError(f"--header {text!r} has not the form NAME: VALUE.", ExitCode.USAGE)
        headers = {key: old for key, old in headers.items() if key.lower() != name.strip().lower()}
        headers[name.strip()] = value.strip()
    path = options.path_option or options.path
    target = path if path.startswith("/") else f"/{path}"
    if options.param:
        target += ("&" if "?" in target else "?") + urlencode([_parameter(text) for text in options.param])
    return Request(options.method or ("GET" if body is None else "POST"), target, headers, body)


def _parameter(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise CliError(f"--param {text!r} has not the form KEY=VALUE.", ExitCode.USAGE)
    return name, value


def _read_data(text: str) -> bytes:
    if not text.startswith("@"):
        return text.encode()
    try:
        return sys.stdin.buffer.read() if text == "@-" else Path(text[1:]).read_bytes()
    except OSError as error:
        raise CliError(f"Cannot read {text[1:]}: {error.strerror or error}.", ExitCode.USAGE) from error


def _content_type(body: bytes) -> str:
    try:
        json.loads(body)
    except ValueError:
        return "application/octet-stream"
    return "application/json"


def _open(cluster: Cluster, options: argparse.Namespace) -> ModelConnection:
    if options.url is not None:
        return UrlCalls(options.url or _url_of(cluster, options.name), timeout=options.timeout)
    family = read_named_family(cluster, options.name, with_events=False)
    if not options.pod:
        check_pods_readable(family)
    pod = options.pod or choose_pod(family, unready=options.unready)
    port = options.port or int(family.spec.get("containerPort") or _DEFAULT_PORT)
    return PodCalls(cluster, pod, port, namespace=family.namespace, timeout=options.timeout)


def _url_of(cluster: Cluster, name: str) -> str:
    service = get_model_service(cluster, name)
    url = (service.get("status") or {}).get("url")
    if not url:
        reason = condition(service, "Exposed").get("message") or "the operator has not reported one yet."
        raise CliError(f"ModelService {name} has no URL: {reason}")
    return str(url)


def choose_pod(family: Family, *, unready: bool) -> str:
    """Return the name of a ready pod, one of the newest revision if there is one. Raises CliError if there is none."""
    chosen = pods.choose_ready(family.pods, family.current_hash)
    if chosen is None and unready:
        chosen = next((pod for pod in reversed(family.pods) if not pods.is_terminating(pod)), None)
    if chosen is not None:
        return str(chosen["metadata"]["name"])
    reason = condition(family.service, "Ready").get("reason") or "no status yet"
    raise CliError(
        f"No replica of {family.name} is ready ({reason}): `{program_name()} why {family.name}` explains it."
    )


def _print(answer: Answer, output: str) -> None:
    if output == "body":
        sys.stdout.flush()
        sys.stdout.buffer.write(answer.body)
        if sys.stdout.isatty() and not answer.body.endswith(b"\n"):
            sys.stdout.buffer.write(b"\n")
        sys.stdout.buffer.flush()
        return
    document = {
        "status": answer.status,
        "seconds": round(answer.seconds, 6),
        "headers": dict(answer.headers),
        **_body_of(answer.body),
    }
    print(json.dumps(document, indent=2, ensure_ascii=False))


def _body_of(body: bytes) -> dict[str, object]:
    """Return the body as JSON, else as text, else in base64."""
    try:
        return {"body": json.loads(body)}
    except ValueError:
        pass
    try:
        return {"body": body.decode()}
    except UnicodeDecodeError:
        return {"bodyBase64": base64.b64encode(body).decode()}


def _report(answers: list[Answer], elapsed: float, model: ModelConnection) -> None:
    last = answers[-1]
    note(f"{last.status} {last.reason}, {format_ms(last.seconds)}, {model.description}")
    if len(answers) > 1:
        note(summary([one.seconds for one in answers], elapsed))
        failed = [one.status for one in answers if one.status >= _FIRST_ERROR]
        if failed:
            note(f"{len(failed)} of {len(answers)} answers have a status of {min(failed)} or above")
        if isinstance(model, PodCalls):
            note("Times include the way through the API server; --url measures without it.")

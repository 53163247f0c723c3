"""Command line of the loader.

Without arguments it is an init container: the request is in its environment, the credentials are files. With --uri it
is a tool for a terminal, which reads both from its user.
`pack DIRECTORY ARCHIVE` writes an image.
"""

import argparse
import io
import json
import math
import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from model_loader import __version__
from model_loader.credentials import read_credentials, read_token_files
from model_loader.errors import LoaderError, Reason
from model_loader.pack import pack_directory
from model_loader.pipeline import load_model, resolve_model
from model_loader.progress import BarDisplay, JsonLogger, LineDisplay, Progress
from model_loader.progress_server import ProgressServer, parse_port
from model_loader.redaction import Redactor
from model_loader.report import TERMINATION_MESSAGE_PATH, Report, write_termination_message
from model_loader.request import Limits, Request, parse_networks

EXIT_FAILURE = 1
_MAX_IGNORED_KEYS = 10
"""Keys that are named in a message: a Secret may have thousands."""
_MAX_KEY_CHARS = 80


def main(arguments: Sequence[str] | None = None, *, environment: Mapping[str, str] | None = None) -> int:
    """Load or resolve a model and return the exit code. `environment` defaults to that of the process."""
    _encode_output()
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["pack"]:
        return _pack(_build_pack_parser().parse_args(arguments[1:]))
    options = _build_parser().parse_args(arguments)
    given = dict(os.environ) if environment is None else environment
    os.umask(0o022)
    signal.signal(signal.SIGTERM, _exit_on_signal)  # PID 1 of a container has no default handler
    run = _LoaderRun(uri=options.uri or given.get("MODEL_URI", ""), is_interactive=options.uri is not None)
    try:
        request = _parse_request(options, run.read_environment(given))
        report = run.execute(request, resolve_only=options.resolve)
    except LoaderError as error:
        return run.report_failure(error)
    except OSError as error:
        return run.report_failure(
            LoaderError(Reason.LOADER_FAILED, f"The volume cannot be used: {error.strerror or error}.")
        )
    except Exception as error:  # noqa: BLE001 - report any error, but not its text, which may contain secrets
        message = f"Internal error ({type(error).__name__}). Please report it."
        return run.report_failure(LoaderError(Reason.LOADER_FAILED, message))
    return run.write_report(report, 0)


def _pack(options: argparse.Namespace) -> int:
    """Write a directory as an image, and print its digest."""
    display = BarDisplay() if sys.stderr.isatty() else LineDisplay(JsonLogger(sys.stderr, str))
    progress = Progress(display.show, lambda _: None, timeout=math.inf, interval=display.interval)
    try:
        with progress:
            image = pack_directory(
                options.directory,
                options.archive,
                name=options.name,
                architecture=options.architecture,
                on_total=progress.expect_bytes,
                on_bytes=progress.add_bytes,
            )
    except (LoaderError, OSError) as error:
        display.close()
        print(error, file=sys.stderr)  # noqa: T201
        return EXIT_FAILURE
    display.close()
    print(json.dumps({"digest": image.digest, "bytes": image.bytes, "files": image.files}))  # noqa: T201
    return 0


def _encode_output() -> None:
    """Write UTF-8 whatever the locale is, and never fail for a text of a store that is not valid."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


class _LoaderRun:
    """One run of the loader: shows its progress and reports its result."""

    def __init__(self, *, uri: str, is_interactive: bool) -> None:
        self._redactor = Redactor()
        self._uri = uri
        self._is_interactive = is_interactive
        self._log = JsonLogger(sys.stderr if is_interactive else sys.stdout, self._redact)
        self._hints: dict[Reason, str] = {}
        """Sentences that are added to the message of a failure with this reason."""
        self._progress: Progress | None = None
        self._display: BarDisplay | LineDisplay | None = None
        self._target: Path | None = None

    def read_environment(self, environment: Mapping[str, str]) -> Mapping[str, str]:
        """Return the environment of the request, with credentials, which are removed from all output from now on."""
        found = read_credentials(environment, is_tool=self._is_interactive)
        self._redactor = Redactor.from_environment({**found.environment, **read_token_files(found.environment)})
        if found.ignored:
            keys = ", ".join(name[:_MAX_KEY_CHARS] for name in found.ignored[:_MAX_IGNORED_KEYS])
            hint = f"These keys of the Secret are unknown and were ignored: {keys}."
            self._hints |= dict.fromkeys((Reason.ACCESS_DENIED, Reason.INVALID_CREDENTIALS), hint)
            self._log.log_event("ignored-keys", keys=keys, count=len(found.ignored))
        return self._without_missing_bundle(found.environment)

    def _without_missing_bundle(self, environment: Mapping[str, str]) -> Mapping[str, str]:
        """Return the environment without MODEL_CA_BUNDLE if the namespace has no such ConfigMap (it is optional)."""
        file = environment.get("MODEL_CA_BUNDLE")
        if not file or self._is_interactive or Path(file).exists():
            return environment
        self._hints[Reason.UNREACHABLE] = f"The certificate authorities of --loader-ca-bundle are missing: {file}."
        self._log.log_event("ca-bundle-missing", file=file)
        return {name: text for name, text in environment.items() if name != "MODEL_CA_BUNDLE"}

    def _redact(self, text: str) -> str:
        return self._redactor.redact(text)

    def execute(self, request: Request, *, resolve_only: bool) -> Report:
        self._target = request.target
        shows_bar = self._is_interactive and sys.stderr.isatty()
        self._display = display = BarDisplay() if shows_bar else LineDisplay(self._log)
        timeout = request.limits.timeout_seconds
        progress = Progress(display.show, self._exit_on_timeout, timeout=timeout, interval=display.interval)
        with progress as self._progress:
            if resolve_only:
                return resolve_model(request, progress)
            is_pod = TERMINATION_MESSAGE_PATH.exists()
            port = 0 if self._is_interactive else parse_port(request.environment, is_pod=is_pod)
            with ProgressServer(port, lambda: progress.figures().as_fields()):
                return load_model(request, progress, self._log)

    def report_failure(self, error: LoaderError) -> int:
        seconds = self._progress.elapsed_seconds if self._progress else 0.0
        if hint := self._hints.get(error.reason):
            error = LoaderError(error.reason, f"{error.message} {hint}")
        return self.write_report(Report.from_error(error, uri=self._uri, seconds=seconds), EXIT_FAILURE)

    def write_report(self, report: Report, code: int) -> int:
        if self._display is not None:
            self._display.close()
        line = report.to_json_line(self._redact)
        write_termination_message(line)
        if self._is_interactive:
            text = f"{report.reason}: {report.message}" if code else report.message
            where = f"\nblake3:{report.digest} {self._target}" if report.digest else ""
            print(self._redact(text + where), file=sys.stderr)  # noqa: T201
        print(line, flush=True)  # noqa: T201 - part of the interface to the operator
        return code

    def _exit_on_timeout(self, error: LoaderError) -> NoReturn:
        os._exit(self.report_failure(error))


def _exit_on_signal(*_: Any) -> NoReturn:  # noqa: ANN401 - a signal handler's arguments
    """Exit immediately. The next loader resumes the download."""
    os._exit(128 + signal.SIGTERM)


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="model_loader",
        description="Load a model into a directory, complete and verified. Credentials and endpoints are read from the"
        " environment variables that each store defines, or from files of these names in MODEL_CREDENTIALS_DIR. Without"
        " --uri, the request is read from variables (MODEL_URI, MODEL_PATH and others), and credentials only from"
        " files.",
    )
    add = parser.add_argument
    add("--version", action="version", version=__version__)
    add("--uri", help="URI of the model, such as s3://models/iris/v3")
    add("--to", type=Path, help="target directory (default: last segment of the URI)")
    add("--revision", help="commit, branch or object version")
    add("--sha256", help="expected SHA-256 digest of the model")
    add("--allow", action="append", default=[], metavar="PATTERN", help="download only matching files; repeatable")
    add("--ignore", action="append", default=[], metavar="PATTERN", help="exclude matching files; repeatable")
    add("--extract", action="store_true", help="unpack the archive at the URI")
    add("--resolve", action="store_true", help="resolve the URI without downloading")
    add("--allow-cidr", action="append", default=[], metavar="CIDR", help="allow a private range; repeatable")
    add("--max-bytes", type=int, help="maximum size in bytes (default: available disk space)")
    add("--timeout", type=float, default=Limits().timeout_seconds, metavar="SECONDS", help="default: %(default)g")
    return parser


def _build_pack_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="model_loader pack",
        description="Write a directory as an image in an OCI archive, for model.uri oci://REGISTRY/NAME:TAG. The same"
        " files yield the same digest. To push it: skopeo copy oci-archive:ARCHIVE docker://REGISTRY/NAME:TAG",
    )
    add = parser.add_argument
    add("directory", type=Path, help="directory with the files of the model")
    add("archive", type=Path, help="archive to write, such as iris.tar")
    add("--name", default="", metavar="REGISTRY/NAME:TAG", help="name that containerd and podman import it as")
    add("--architecture", default="amd64", help="architecture in the image (default: %(default)s); files have none")
    return parser


def _parse_request(options: argparse.Namespace, environment: Mapping[str, str]) -> Request:
    if options.uri is None:
        return Request.from_environment(environment)
    target = (options.to or Path(_derive_target_name(options.uri))).absolute()
    available = shutil.disk_usage(_find_existing_parent(target)).free
    return Request(
        uri=options.uri,
        target=target,
        revision=options.revision,
        sha256=options.sha256,
        allow_patterns=tuple(options.allow),
        ignore_patterns=tuple(options.ignore),
        extract=options.extract,
        limits=Limits(max_bytes=options.max_bytes or available, timeout_seconds=options.timeout),
        allowed_networks=parse_networks(options.allow_cidr),
        environment=environment,
    )


def _find_existing_parent(path: Path) -> Path:
    """Return `path`, or the nearest directory above it that exists."""
    return path if path.exists() or path == path.parent else _find_existing_parent(path.parent)


def _derive_target_name(uri: str) -> str:
    """Return the last segment of the path of a URI, without version or tag."""
    return uri.partition("?")[0].rstrip("/").rpartition("/")[2].partition("@")[0].partition(":")[0] or "model"

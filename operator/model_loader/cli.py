"""Command line of the loader.

Without arguments it is an init container: the request is in its environment, the credentials are files. With --uri it
is a tool for a terminal, which reads both from its user.
`pack DIRECTORY ARCHIVE` writes an image.
"""

import io
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from model_loader.credentials import read_credentials, read_token_files
from model_loader.errors import LoaderError, Reason
from model_loader.pipeline import load_model, resolve_model
from model_loader.progress import BarDisplay, JsonLogger, LineDisplay, Progress
from model_loader.progress_server import ProgressServer, parse_port
from model_loader.redaction import Redactor, cut_secret
from model_loader.report import TERMINATION_MESSAGE_PATH, Report, write_termination_message
from model_loader.request import Request

EXIT_FAILURE = 1
_MAX_IGNORED_KEYS = 10
"""Keys that are named in a message: a Secret may have thousands."""
_MAX_KEY_CHARS = 80


def main(arguments: Sequence[str] | None = None, *, environment: Mapping[str, str] | None = None) -> int:
    """Load or resolve a model and return the exit code. `environment` defaults to that of the process."""
    _encode_output()
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["pack"]:
        from model_loader.commands import pack  # noqa: PLC0415 - a pod has none of the tool's imports

        return pack(arguments[1:])
    build_request: Callable[[Mapping[str, str]], Request] = Request.from_environment
    uri, resolve_only = None, False
    if arguments:
        from model_loader.commands import parse_options  # noqa: PLC0415

        build_request, uri, resolve_only = parse_options(arguments)
    given = dict(os.environ) if environment is None else environment
    os.umask(0o022)
    signal.signal(signal.SIGTERM, _exit_on_signal)  # PID 1 of a container has no default handler
    run = _LoaderRun(uri=uri or given.get("MODEL_URI", ""), is_interactive=uri is not None)
    try:
        request = replace(build_request(run.read_environment(given)), hide=run.hide)
        report = run.execute(request, resolve_only=resolve_only)
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

    def hide(self, secret: str) -> None:
        """Remove a credential that a service has issued from all output from now on."""
        self._redactor.add(*cut_secret(secret))

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

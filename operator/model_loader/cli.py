"""The command line: without arguments, the contract of an init container; with them, a tool for a person."""

import argparse
import os
import shutil
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from model_loader import __version__
from model_loader.errors import LoaderError, Reason
from model_loader.pipeline import load, resolve
from model_loader.progress import Log, Progress, show_bar, show_lines
from model_loader.redaction import Redactor
from model_loader.report import Report, leave
from model_loader.request import Limits, Request, networks

FAILED = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Load or resolve a model; the result is the exit code."""
    options = _parser().parse_args(arguments)
    _forget_proxies()
    environment = dict(os.environ)
    redactor = Redactor.of(environment)
    os.umask(0o022)
    signal.signal(signal.SIGTERM, _end)  # a container's first process gets no default handler
    run = _Run(redactor.clean, uri=options.uri or environment.get("MODEL_URI", ""), person=options.uri is not None)
    try:
        report = run.perform(_request(options, environment), resolving=options.resolve)
    except LoaderError as error:
        return run.fail(error)
    except OSError as error:
        return run.fail(LoaderError(Reason.LOADER_FAILED, f"The volume cannot be used: {error.strerror or error}."))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is reported, without what it may quote
        message = f"The loader has a bug ({type(error).__name__}): please report it."
        return run.fail(LoaderError(Reason.LOADER_FAILED, message))
    return run.end(report, 0)


def _forget_proxies() -> None:
    """Connect directly: a proxy that a Secret names would connect to whatever it likes (I1, B9)."""
    for name in [name for name in os.environ if name.upper().endswith("_PROXY")]:
        del os.environ[name]


class _Run:
    """One run: how it is shown, and how it ends."""

    def __init__(self, clean: Callable[[str], str], *, uri: str, person: bool) -> None:
        self._clean = clean
        self._uri = uri
        self._person = person
        self._log = Log(sys.stderr if person else sys.stdout, clean)
        self._progress: Progress | None = None
        self._to: Path | None = None

    def perform(self, request: Request, *, resolving: bool) -> Report:
        self._to = request.to
        watched = self._person and sys.stderr.isatty()
        show = show_bar() if watched else show_lines(self._log)
        every = 0.2 if watched else 5.0
        with Progress(show, self._give_up, seconds=request.limits.seconds, every=every) as self._progress:
            return resolve(request, self._progress) if resolving else load(request, self._progress, self._log)

    def fail(self, error: LoaderError) -> int:
        seconds = self._progress.seconds if self._progress else 0.0
        return self.end(Report.of(error, uri=self._uri, seconds=seconds), FAILED)

    def end(self, report: Report, code: int) -> int:
        line = report.line(self._clean)
        leave(line)
        if self._person:
            text = f"{report.reason}: {report.message}" if code else report.message
            where = f"\nsha256:{report.digest} {self._to}" if report.digest else ""
            print(self._clean(text + where), file=sys.stderr)  # noqa: T201
        print(line, flush=True)  # noqa: T201 - the contract
        return code

    def _give_up(self, error: LoaderError) -> NoReturn:
        os._exit(self.fail(error))


def _end(*_: Any) -> NoReturn:  # noqa: ANN401 - a signal handler's arguments
    """Leave at once: what is unfinished is taken up by the next loader."""
    os._exit(128 + signal.SIGTERM)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="model_loader",
        description="Load a model into a folder, whole and verified. Credentials come from the environment, by the"
        " stores' own names. Without --uri, everything does (MODEL_URI, MODEL_PATH and others).",
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("--uri", help="where the model is, such as s3://models/iris/v3")
    parser.add_argument("--to", type=Path, help="folder to make; default: the last part of the URI")
    parser.add_argument("--revision", help="commit, branch or object version")
    parser.add_argument("--sha256", help="digest that the model must have")
    parser.add_argument("--allow", action="append", default=[], metavar="PATTERN", help="fetch only these; repeatable")
    parser.add_argument("--ignore", action="append", default=[], metavar="PATTERN", help="leave these out; repeatable")
    parser.add_argument("--extract", action="store_true", help="unpack the one archive that the URI names")
    parser.add_argument("--resolve", action="store_true", help="say what the URI stands for, fetch nothing")
    parser.add_argument("--allow-cidr", action="append", default=[], metavar="CIDR", help="admit a private range")
    parser.add_argument("--max-bytes", type=int, help="largest size; default: the room that the disk has")
    parser.add_argument("--timeout", type=float, default=Limits().seconds, metavar="SECONDS")
    return parser


def _request(options: argparse.Namespace, environment: Mapping[str, str]) -> Request:
    if options.uri is None:
        return Request.from_environment(environment)
    to = (options.to or Path(_default_name(options.uri))).absolute()
    room = shutil.disk_usage(_existing(to)).free
    return Request(
        uri=options.uri,
        to=to,
        revision=options.revision,
        sha256=options.sha256,
        allow=tuple(options.allow),
        ignore=tuple(options.ignore),
        extract=options.extract,
        limits=Limits(bytes=options.max_bytes or room, seconds=options.timeout),
        networks=networks(options.allow_cidr),
        environment=environment,
    )


def _existing(path: Path) -> Path:
    """The nearest folder above that is there."""
    return path if path.exists() or path == path.parent else _existing(path.parent)


def _default_name(uri: str) -> str:
    """Last part of a URI: what a person would call the folder."""
    return uri.partition("?")[0].rstrip("/").rpartition("/")[2].partition("@")[0].partition(":")[0] or "model"

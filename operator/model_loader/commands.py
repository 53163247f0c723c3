"""Arguments of the loader as a tool on a terminal, and the command `pack`.

A pod has no arguments, so that it does not import this module: argparse and tarfile take longer than a small model.
"""

import argparse
import json
import math
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from model_loader import __version__
from model_loader.errors import LoaderError
from model_loader.pack import pack_directory
from model_loader.progress import BarDisplay, JsonLogger, LineDisplay, Progress
from model_loader.request import Limits, Request, parse_networks

_EXIT_FAILURE = 1


class Options(NamedTuple):
    """Meaning of the arguments."""

    build_request: Callable[[Mapping[str, str]], Request]
    """Function that is given the environment with the credentials."""
    uri: str | None
    """URI of the model; None if the environment has the request."""
    resolve_only: bool


def parse_options(arguments: Sequence[str]) -> Options:
    """Parse the arguments. Exits with a message if they are not valid."""
    options = _build_parser().parse_args(arguments)
    if options.uri is None:
        return Options(Request.from_environment, None, options.resolve)
    return Options(partial(_build_request, options), options.uri, options.resolve)


def pack(arguments: Sequence[str]) -> int:
    """Write a directory as an image, print its digest, and return the exit code."""
    options = _build_pack_parser().parse_args(arguments)
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
        return _EXIT_FAILURE
    display.close()
    print(json.dumps({"digest": image.digest, "bytes": image.bytes, "files": image.files}))  # noqa: T201
    return 0


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


def _build_request(options: argparse.Namespace, environment: Mapping[str, str]) -> Request:
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

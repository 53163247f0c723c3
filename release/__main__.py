"""Command line: results on stdout, progress on stderr."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from release.build import build_release
from release.errors import ReleaseError
from release.settings import DEFAULT_PREFIX, REPOSITORY, Names
from tests.environment.cluster.errors import ClusterError
from tests.environment.images import ImagesError, Terminal


def main(arguments: list[str] | None = None) -> int:
    """Build a release. Returns the process's exit code: 1 if that is not possible."""
    options = _parser().parse_args(arguments)
    try:
        names = Names.of(image_prefix=options.image_prefix, tag=options.tag)
        commit = build_release(names, options.output, Terminal(), fresh=options.fresh)
    except (ReleaseError, ImagesError, ClusterError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{names.version} of commit {commit.revision[:12]}, images {names.image_prefix}/*:{names.tag}")
    for path in sorted(options.output.iterdir()):
        print(f"{path.stat().st_size:>12,}  {path.name}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m release", description="Build a release from the current commit.")
    parser.add_argument(
        "--image-prefix", default=DEFAULT_PREFIX, metavar="PREFIX", help="registry and path of the images"
    )
    parser.add_argument("--tag", default=None, help="tag of the images; default: the version in pyproject.toml")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "dist", metavar="DIRECTORY", help="default: dist")
    parser.add_argument(
        "--fresh", action="store_true", help="build the images again, with nothing of earlier builds but downloads"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())

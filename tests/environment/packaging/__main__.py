"""Command line of the forms of the installation.

`prepare` brings helm onto this machine, `generate` and `verify` are steps of the Makefile, and `install-yaml` and
`chart` write the files of a release for the images of a registry.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from tests.environment.cluster.errors import ClusterError
from tests.environment.packaging import chart, rendering, tools


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Returns the exit code: 1 if a file is stale or a program fails."""
    options = _parser().parse_args(arguments)
    try:
        match options.command:
            case "prepare":
                tools.helm()
            case "generate":
                chart.generate()
            case "verify":
                return _verify()
            case "install-yaml":
                print(rendering.install_yaml(image_prefix=options.image_prefix, tag=options.tag), end="")
            case _:
                epoch = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))
                options.directory.mkdir(parents=True, exist_ok=True)
                prefix, tag = options.image_prefix, options.tag
                print(chart.package(options.directory, image_prefix=prefix, tag=tag, epoch=epoch))
    except ClusterError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _verify() -> int:
    found = chart.stale()
    for path in found:
        print(f"{path.relative_to(rendering.ROOT)} is stale: run make generate and commit the result.", file=sys.stderr)
    return 1 if found else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.environment.packaging", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("prepare", help="bring helm onto this machine")
    commands.add_parser("generate", help="write the generated files of the chart, and the version into the manifests")
    commands.add_parser("verify", help="fail when one of them is stale")
    single = commands.add_parser("install-yaml", help="print the one file that installs everything")
    packaged = commands.add_parser("chart", help="write the archive of the chart; prints its path")
    packaged.add_argument("directory", type=Path)
    for command in (single, packaged):
        command.add_argument("--image-prefix", default=rendering.IMAGE_PREFIX, help="registry of the images, and path")
        command.add_argument("--tag", default="", help="tag of the images; default: the version")
    return parser


if __name__ == "__main__":
    sys.exit(main())

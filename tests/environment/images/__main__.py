"""Command line of the image builds: results on stdout, progress on stderr."""

from __future__ import annotations

import argparse
import sys

from tests.environment.images import RECIPES, ImageName, ImagesError, Terminal, build


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Returns the process's exit code: 1 when an image cannot be built."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "list":
            _list()
        else:
            _build(options.names, verbose=options.progress)
    except ImagesError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.environment.images", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="names and references, whether built or not")
    command = commands.add_parser("build", help="build images as OCI archives; what did not change is not built")
    command.add_argument(
        "names", nargs="*", metavar="NAME", type=ImageName, help=f"of {', '.join(ImageName)}; default all"
    )
    command.add_argument("--progress", action="store_true", help="show the builder's own output too")
    return parser


def _list() -> None:
    for name, recipe in RECIPES.items():
        print(f"{name:10} {recipe.reference}")


def _build(names: list[ImageName], *, verbose: bool) -> None:
    for name, image in build(names, progress=Terminal(verbose=verbose)).items():
        how = "cached" if image.cached else "built"
        print(f"{name:10} {how:7} {image.megabytes:6.1f} MiB  {image.reference}  {image.digest[:19]}  {image.archive}")


if __name__ == "__main__":
    sys.exit(main())

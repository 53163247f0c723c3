"""Write a ModelService for each service of a Compose file that has a port.

Reads files or standard input (-); later files complete the earlier ones, as with `docker compose -f`. Prints the
smallest ModelServices, and on standard error a sentence for each key that is left out or changed.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from modelservice_cli.commands.from_deployment import add_options, chosen, read_text, refusals, write
from modelservice_cli.errors import CliError, ExitCode
from modelservice_operator.apimachinery.objects import Object

if TYPE_CHECKING:
    from modelservice_cli.convert.notes import Notes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="Compose file, or - for standard input")
    parser.add_argument("--service", action="append", default=[], metavar="NAME", help="service to convert; repeatable")
    add_options(parser)


def run(options: argparse.Namespace) -> int:
    """Convert and print."""
    from modelservice_cli.convert.compose import convert_compose
    from modelservice_cli.convert.notes import Notes

    notes = Notes()
    bodies = [body for source in options.files for body in _read(source, notes)]
    wanted = replace(chosen(options), only=tuple(options.service))
    conversions, common = convert_compose(bodies, wanted, notes=notes, refusals=refusals())
    return write(options, conversions, common)


def _read(source: str, notes: "Notes") -> Iterator[Object]:
    from modelservice_cli.convert.text_repair import read_repaired

    for document in read_repaired(read_text(source), source, notes):
        if not isinstance(document.value, dict):
            raise CliError(f"{document.position()}: not a Compose file.", ExitCode.USAGE)
        yield document.value

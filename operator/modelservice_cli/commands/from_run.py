"""Write a ModelService for a command line of `docker run`.

Give the command line behind --, or a script or document with -f: every `docker run` in it is converted. Prints the
smallest ModelServices, and on standard error a sentence for each option that is left out or changed.
"""

import argparse

from modelservice_cli.commands.from_deployment import add_options, chosen, read_text, refusals, write
from modelservice_cli.errors import CliError, ExitCode


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "words", nargs=argparse.REMAINDER, metavar="WORD", help="command line, such as -- docker run -p 80:5000 IMAGE"
    )
    parser.add_argument(
        "-f", "--filename", dest="files", action="append", default=[], metavar="FILE",
        help="script or document with command lines, or - for standard input",
    )  # fmt: skip
    add_options(parser)


def run(options: argparse.Namespace) -> int:
    """Convert and print."""
    from modelservice_cli.convert.docker_run import command_lines, convert_runs

    words = options.words[1:] if options.words[:1] == ["--"] else options.words
    if bool(words) == bool(options.files):
        raise CliError("Give a command line behind --, or a file with -f.", ExitCode.USAGE)
    commands = [words] if words else []
    if len(words) == 1:
        # One word is a command line in quotes.
        commands = command_lines(words[0]) or commands
    for source in options.files:
        commands += command_lines(read_text(source))
    conversions, common = convert_runs(commands, chosen(options), refusals=refusals())
    return write(options, conversions, common)

"""Parses the command line, runs one command, and turns its errors into one sentence and an exit code.

Only the module of the command that runs is imported: `--help` must answer within 150 ms, and the libraries for
Kubernetes, CEL and pydantic take longer than that (ADR 0046).
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path

from modelservice_cli.arguments import command_first
from modelservice_cli.errors import CliError, ExitCode


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its module in `commands` defines `add_arguments(parser)` and `run(options) -> int`."""

    name: str
    summary: str

    @property
    def module(self) -> str:
        """Full name of its module."""
        return f"modelservice_cli.commands.{self.name.replace('-', '_')}"


COMMANDS = (
    Command("render", "print the child objects of ModelServices, or what the API server refuses of them"),
    Command("lint", "say what the API server refuses or warns of, without one"),
    Command("list", "show ModelServices, each with the reason of its state"),
    Command("status", "show a ModelService as a tree: children, revisions, pods"),
    Command("why", "explain why a ModelService is not as its spec says, and what to do"),
    Command("wait", "wait until a ModelService is ready, or for another condition"),
    Command("url", "print the URL of a ModelService"),
    Command("predict", "send a request to a model and print its answer"),
    Command("logs", "print the logs of a ModelService or of its loader"),
    Command("events", "show the Events of a ModelService and its pods"),
    Command("top", "compare requests with use, and advise"),
    Command("scale", "set the number of replicas"),
    Command("suspend", "scale to 0 and keep all other objects"),
    Command("resume", "restore the replicas of a suspended ModelService"),
    Command("restart", "replace the pods without losing a request"),
    Command("check", "check whether the install of the operator is complete"),
    Command("completion", "print a script for the completion of a shell"),
    Command("diff", "compare ModelServices and their children with the cluster; exit code 1 if they differ"),
    Command("from-deployment", "write a ModelService for a Deployment with its Service, autoscaler and so on"),
    Command("from-compose", "write ModelServices for the services of a Compose file"),
    Command("from-run", "write a ModelService for a command line of docker run"),
)
"""The commands in the order of the help; one line each."""


def main(arguments: Sequence[str] | None = None, *, program: str | None = None) -> int:
    """Run a command and return its exit code. `arguments` and `program` default to those of the process."""
    name = program or _program_name(sys.argv[0])
    try:
        code = _run(list(sys.argv[1:] if arguments is None else arguments), name)
        sys.stdout.flush()
    except CliError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return error.code
    except BrokenPipeError:
        # The interpreter flushes standard output again when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.BROKEN_PIPE
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    return code


def build_parser(program: str) -> argparse.ArgumentParser:
    """Build the parser without the commands' options; argparse would need all modules for them."""
    width = max(len(command.name) for command in COMMANDS)
    listed = "\n".join(f"  {command.name:<{width}}  {command.summary}" for command in COMMANDS)
    parser = argparse.ArgumentParser(
        prog=program,
        usage=f"{program} COMMAND [options]",
        description="Write, check, inspect and call ModelServices.",
        epilog=f"commands:\n{listed}\n\n`{program} COMMAND --help` describes a command.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="print the version")
    return parser


def command_parser(command: Command, program: str) -> argparse.ArgumentParser:
    """Return the parser of one command; imports its module."""
    module = import_module(command.module)
    parser = argparse.ArgumentParser(
        prog=f"{program} {command.name}",
        description=(module.__doc__ or command.summary).strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    return parser


def _run(arguments: list[str], program: str) -> int:
    arguments = command_first(arguments)
    if not arguments or arguments[0].startswith("-"):
        options = build_parser(program).parse_args(arguments)
        if options.version:
            from modelservice_operator import __version__

            print(f"{program} {__version__}")
            return ExitCode.OK
        build_parser(program).print_help()
        return ExitCode.OK if arguments else ExitCode.USAGE
    if arguments[0] == "help":
        return _run([*arguments[1:], "--help"], program)
    command = _find(arguments[0], program)
    parser = command_parser(command, program)
    has_rest = any(action.nargs == argparse.REMAINDER for action in parser._actions)  # noqa: SLF001  no public list
    options = (parser.parse_args if has_rest else parser.parse_intermixed_args)(arguments[1:])
    run: Callable[[argparse.Namespace], int] = import_module(command.module).run
    return run(options)


def _find(name: str, program: str) -> Command:
    for command in COMMANDS:
        if command.name == name:
            return command
    close = get_close_matches(name, [command.name for command in COMMANDS], n=1)
    advice = f"did you mean {close[0]!r}?" if close else f"`{program} --help` lists the commands."
    raise CliError(f"unknown command {name!r}: {advice}", ExitCode.USAGE)


def _program_name(path: str) -> str:
    """Return the name as users type it: kubectl runs the file kubectl-modelservice for `kubectl modelservice`."""
    name = Path(path).name.removesuffix(".exe").removesuffix(".py")
    return "kubectl modelservice" if name.startswith("kubectl-") else "modelservice"

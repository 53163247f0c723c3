"""Options that several commands share. Each function adds one group of them to the parser of a command.

Every option of this module may also precede the command, as with kubectl: `modelservice -n web list`.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

FORMATS = ("table", "wide", "json", "yaml", "name")
"""Formats of commands that print objects."""

_WITH_VALUE = {
    "-n",
    "--namespace",
    "--context",
    "--kubeconfig",
    "--as",
    "--as-group",
    "-l",
    "--selector",
    "-o",
    "--output",
}
_FLAGS = {"-A", "--all-namespaces", "-w", "--watch"}


def add_cluster(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose a cluster, a user and a namespace: `cluster.connection.connect` reads them."""
    group = parser.add_argument_group("cluster")
    group.add_argument("-n", "--namespace", metavar="NAME", help="namespace (default: that of the context)")
    group.add_argument("--context", metavar="NAME", help="context of the kubeconfig (default: the current one)")
    group.add_argument("--kubeconfig", type=Path, metavar="FILE", help="kubeconfig file (default: $KUBECONFIG)")
    group.add_argument("--as", dest="impersonate", metavar="USER", help="user to impersonate")
    group.add_argument(
        "--as-group", dest="impersonate_groups", action="append", default=[], metavar="GROUP",
        help="group to impersonate; repeatable",
    )  # fmt: skip


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose objects: all_namespaces and selector."""
    group = parser.add_argument_group("selection")
    group.add_argument("-A", "--all-namespaces", action="store_true", help="objects of all namespaces")
    group.add_argument("-l", "--selector", metavar="LABELS", help="label selector, such as app=web,tier!=test")


def add_output(parser: argparse.ArgumentParser, formats: Sequence[str] = FORMATS) -> None:
    """Add -o. The first of `formats` is the default."""
    parser.add_argument(
        "-o", "--output", choices=tuple(formats), default=formats[0], help=f"format (default: {formats[0]})"
    )


def add_watch(parser: argparse.ArgumentParser) -> None:
    """Add --watch."""
    parser.add_argument("-w", "--watch", action="store_true", help="print again whenever something changes")


def add_files(parser: argparse.ArgumentParser, help_text: str) -> None:
    """Add the positional FILE..., and -f as with kubectl: `files_of` returns both."""
    parser.add_argument("files", nargs="*", metavar="FILE", help=help_text)
    parser.add_argument(
        "-f", "--filename", dest="filenames", action="append", default=[], metavar="FILE", help="the same; repeatable"
    )


def files_of(options: argparse.Namespace) -> list[str]:
    """Return the names of files, in the form that `documents.read` takes."""
    return [*options.files, *options.filenames]


def command_first(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with the command before the options of this module that precede it."""
    position = 0
    while position < len(arguments):
        name = arguments[position].partition("=")[0]
        if name in _WITH_VALUE:
            position += 1 if "=" in arguments[position] else 2
        elif name in _FLAGS:
            position += 1
        else:
            break
    if position >= len(arguments) or arguments[position].startswith("-"):
        return list(arguments)
    return [arguments[position], *arguments[:position], *arguments[position + 1 :]]

"""Print a script that completes commands, options, and names of ModelServices, namespaces and contexts in a shell.

For `kubectl modelservice`, kubectl asks the program kubectl_complete-modelservice, which is installed as well.

Examples:
  source <(modelservice completion bash)
  modelservice completion zsh > "${fpath[1]}/_modelservice"
  modelservice completion fish | source
"""

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from modelservice_cli import commands
from modelservice_cli.arguments import command_first
from modelservice_cli.cluster.connection import METADATA_LIST, Cluster
from modelservice_cli.cluster.kubeconfig import Choice, context_names, kubeconfig_paths, load_endpoint
from modelservice_cli.cluster.lookup import model_service_names
from modelservice_cli.errors import CliError, ExitCode
from modelservice_operator.apimachinery.kinds import ResourceKind

NAMESPACE = ResourceKind(group="", version="v1", kind="Namespace", plural="namespaces")
NO_FILES, DEFAULT = 4, 0
"""Directives of cobra, which kubectl reads in the last line (cobra, ShellCompDirective)."""
_NOT_COMMANDS = frozenset({"shared"})
_CONNECT_TIMEOUT = 2.0
"""Seconds: the Tab key must not wait for a VPN that is off."""
_CONDITIONS = ("ready", "loaded", "available", "exposed", "AutoscalerReady", "ModelTracked", "delete")
_SCRIPTS = {
    "bash": """\
_modelservice() {
    local IFS=$'\\n'
    COMPREPLY=($(modelservice completion words -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _modelservice modelservice
""",
    "zsh": """\
#compdef modelservice
_modelservice() {
    local -a found
    found=("${(@f)$(modelservice completion words -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    found=(${found:#})
    if (( $#found )); then compadd -a found; else _files; fi
}
compdef _modelservice modelservice
""",
    "fish": """\
function __modelservice
    set -l before (commandline -opc)
    modelservice completion words -- $before[2..-1] (commandline -ct) 2>/dev/null
end
complete -c modelservice -f -a '(__modelservice)'
""",
}


@dataclass(frozen=True, slots=True)
class Candidates:
    """Words that may follow, and whether files may."""

    words: list[str] = field(default_factory=list)
    files: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("shell", choices=(*_SCRIPTS, "words"), help="shell, or words: what may complete the last WORD")
    parser.add_argument("words", nargs="*", metavar="WORD", help=argparse.SUPPRESS)


def run(options: argparse.Namespace) -> int:
    """Print the script, or the candidates for the scripts."""
    if options.shell != "words":
        sys.stdout.write(_SCRIPTS[options.shell])
        return ExitCode.OK
    for word in complete(options.words or [""]).words:
        print(word)
    return ExitCode.OK


def kubectl_complete() -> int:
    """Answer kubectl: a candidate on each line, then the directive."""
    found = complete(sys.argv[1:] or [""])
    for word in found.words:
        print(word)
    print(f":{DEFAULT if found.files else NO_FILES}")
    return ExitCode.OK


def command_names() -> list[str]:
    """Return the names of the commands."""
    found = (module.name for module in iter_modules(commands.__path__))
    return sorted(name.replace("_", "-") for name in found if name not in _NOT_COMMANDS)


def complete(words: Sequence[str]) -> Candidates:
    """Return the candidates for the last of `words`, which follow the name of the program."""
    prefix = words[-1]
    found = _candidates(command_first(words[:-1]), prefix)
    return Candidates([word for word in found.words if word.startswith(prefix)], found.files)


def _candidates(before: Sequence[str], prefix: str) -> Candidates:
    names = command_names()
    if before and before[-1] in {"-n", "--namespace"}:
        return Candidates(_namespaces(before))
    if before and before[-1] == "--context":
        return Candidates(_contexts(before))
    if not before or before[0] not in names:
        return Candidates([*names, "help"] if not prefix.startswith("-") else ["--help", "--version"])
    parser = argparse.ArgumentParser(add_help=True)
    import_module(f"modelservice_cli.commands.{before[0].replace('-', '_')}").add_arguments(parser)
    # There is no public way to enumerate the options of a parser.
    actions = parser._actions  # noqa: SLF001
    options = {name: action for action in actions for name in action.option_strings}
    if prefix.startswith("-"):
        return Candidates(sorted(options))
    last = options.get(before[-1])
    if last is not None and last.nargs != 0 and not (last.nargs == "?" and not prefix):
        return _values(last)
    return _positionals([action for action in actions if not action.option_strings], before, options)


def _values(action: argparse.Action) -> Candidates:
    """Return the values of an option."""
    if action.dest == "condition":
        return Candidates(list(_CONDITIONS))
    if action.choices is not None:
        return Candidates([str(choice) for choice in action.choices])
    return Candidates(files=action.type is Path or action.dest in {"files", "data"})


def _positionals(
    positionals: Sequence[argparse.Action], before: Sequence[str], options: dict[str, argparse.Action]
) -> Candidates:
    """Return the values of the next argument that is not an option."""
    given = _count_positionals(before[1:], options)
    action = positionals[min(given, len(positionals) - 1)] if positionals else None
    if action is None or (given >= len(positionals) and action.nargs not in {"*", "+"}):
        return Candidates()
    if action.choices is not None:
        return Candidates([str(choice) for choice in action.choices])
    if action.dest == "name":
        return Candidates(_model_services(before))
    return Candidates(files=action.dest == "files")


def _count_positionals(words: Sequence[str], options: dict[str, argparse.Action]) -> int:
    count, is_value = 0, False
    for word in words:
        if is_value:
            is_value = False
        elif word.startswith("-") and word != "-":
            action = options.get(word)
            is_value = action is not None and action.nargs is None
        else:
            count += 1
    return count


def _choice(words: Sequence[str]) -> Choice:
    """Return the cluster and the namespace that the words before choose."""
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    parser.add_argument("-n", "--namespace")
    parser.add_argument("--context")
    parser.add_argument("--kubeconfig", type=Path)
    parser.add_argument("--as", dest="impersonate")
    known, _ = parser.parse_known_args(list(_without_open_option(words)))
    return Choice(known.kubeconfig, known.context, known.namespace, known.impersonate)


def _without_open_option(words: Sequence[str]) -> Iterable[str]:
    """Return the words without a last option that still lacks its value."""
    return words[:-1] if words and words[-1].startswith("-") else words


def _model_services(words: Sequence[str]) -> list[str]:
    try:
        with Cluster(load_endpoint(_choice(words)), connect_timeout=_CONNECT_TIMEOUT) as cluster:
            return sorted(name for _, name in model_service_names(cluster))
    except (CliError, argparse.ArgumentError):
        return []


def _namespaces(words: Sequence[str]) -> list[str]:
    try:
        with Cluster(load_endpoint(_choice(words)), connect_timeout=_CONNECT_TIMEOUT) as cluster:
            found, _ = cluster.snapshot(NAMESPACE, namespace="", accept=METADATA_LIST)
    except (CliError, argparse.ArgumentError):
        return []
    return sorted(str(one["metadata"]["name"]) for one in found)


def _contexts(words: Sequence[str]) -> list[str]:
    try:
        return sorted(context_names(kubeconfig_paths(_choice(words), os.environ)))
    except (CliError, argparse.ArgumentError):
        return []

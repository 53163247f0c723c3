"""Reads command lines of `docker run`, and writes each as a Compose service (docker run reference)."""

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from modelservice_cli.convert.accepted import Refusals
from modelservice_cli.convert.compose import convert_service
from modelservice_cli.convert.conversion import Conversion, Options
from modelservice_cli.convert.notes import Change, Note, Notes
from modelservice_cli.errors import CliError, ExitCode
from modelservice_operator.apimachinery.objects import Json, Object

_PROGRAMS = frozenset({"docker", "podman", "nerdctl", "nvidia-docker", "docker.exe"})
_BEFORE = frozenset({"sudo", "$", "#", ">", "!", "exec", "time"})
"""Words before the program: a prompt, or a command that runs it."""
_SHORT = {
    "a": "attach", "c": "cpu-shares", "d": "detach", "e": "env", "h": "hostname", "i": "interactive", "l": "label",
    "m": "memory", "p": "publish", "P": "publish-all", "q": "quiet", "t": "tty", "u": "user", "v": "volume",
    "w": "workdir",
}  # fmt: skip
_SILENT = frozenset({"detach", "interactive", "tty", "rm", "quiet", "attach", "sig-proxy", "detach-keys", "cidfile"})
"""Options about the terminal and the file system of the caller: nothing of the container depends on them."""
_FLAGS = frozenset(
    {
        *("detach", "interactive", "tty", "rm", "quiet", "sig-proxy", "init", "privileged", "publish-all", "read-only"),
        *("oom-kill-disable", "no-healthcheck", "disable-content-trust", "use-api-socket", "replace"),
    }
)
"""Options without a value."""


@dataclass(frozen=True, slots=True)
class Option:
    """An option of `docker run`: the key of a Compose service that has its value, once or as a list."""

    key: str
    is_list: bool = False


_OPTIONS: Mapping[str, Option] = {
    "env": Option("environment", is_list=True),
    "env-file": Option("env_file", is_list=True),
    "publish": Option("ports", is_list=True),
    "expose": Option("expose", is_list=True),
    "volume": Option("volumes", is_list=True),
    "tmpfs": Option("tmpfs", is_list=True),
    "workdir": Option("working_dir"),
    "user": Option("user"),
    "memory": Option("mem_limit"),
    "memory-reservation": Option("mem_reservation"),
    "cpus": Option("cpus"),
    "gpus": Option("gpus"),
    "shm-size": Option("shm_size"),
    "restart": Option("restart"),
    "pull": Option("pull_policy"),
    "platform": Option("platform"),
    "add-host": Option("extra_hosts", is_list=True),
    "dns": Option("dns", is_list=True),
    "dns-option": Option("dns_opt", is_list=True),
    "dns-opt": Option("dns_opt", is_list=True),
    "dns-search": Option("dns_search", is_list=True),
    "stop-timeout": Option("stop_grace_period"),
    "annotation": Option("annotations", is_list=True),
    "blkio-weight": Option("blkio_config"),
    "blkio-weight-device": Option("blkio_config"),
    "cap-add": Option("cap_add", is_list=True),
    "cap-drop": Option("cap_drop", is_list=True),
    "cgroup-parent": Option("cgroup_parent"),
    "cgroupns": Option("cgroup"),
    "cpu-count": Option("cpu_count"),
    "cpu-percent": Option("cpu_percent"),
    "cpu-period": Option("cpu_period"),
    "cpu-quota": Option("cpu_quota"),
    "cpu-rt-period": Option("cpu_rt_period"),
    "cpu-rt-runtime": Option("cpu_rt_runtime"),
    "cpu-shares": Option("cpu_shares"),
    "cpuset-cpus": Option("cpuset"),
    "cpuset-mems": Option("cpuset"),
    "device": Option("devices", is_list=True),
    "device-cgroup-rule": Option("device_cgroup_rules", is_list=True),
    "device-read-bps": Option("blkio_config"),
    "device-read-iops": Option("blkio_config"),
    "device-write-bps": Option("blkio_config"),
    "device-write-iops": Option("blkio_config"),
    "domainname": Option("domainname"),
    "group-add": Option("group_add", is_list=True),
    "hostname": Option("hostname"),
    "ip": Option("networks"),
    "ip6": Option("networks"),
    "ipc": Option("ipc"),
    "isolation": Option("isolation"),
    "label": Option("labels", is_list=True),
    "label-file": Option("label_file"),
    "link": Option("links", is_list=True),
    "link-local-ip": Option("networks"),
    "log-driver": Option("logging"),
    "log-opt": Option("logging"),
    "mac-address": Option("mac_address"),
    "memory-swap": Option("memswap_limit"),
    "memory-swappiness": Option("mem_swappiness"),
    "kernel-memory": Option("memswap_limit"),
    "net": Option("network_mode"),
    "network": Option("network_mode"),
    "net-alias": Option("networks"),
    "network-alias": Option("networks"),
    "oom-score-adj": Option("oom_score_adj"),
    "pid": Option("pid"),
    "pids-limit": Option("pids_limit"),
    "runtime": Option("runtime"),
    "security-opt": Option("security_opt", is_list=True),
    "stop-signal": Option("stop_signal"),
    "storage-opt": Option("storage_opt"),
    "sysctl": Option("sysctls", is_list=True),
    "ulimit": Option("ulimits"),
    "userns": Option("userns_mode"),
    "uts": Option("uts"),
    "volume-driver": Option("volume_driver"),
    "volumes-from": Option("volumes_from", is_list=True),
    "attach": Option("tty"),
    "cidfile": Option("tty"),
    "detach-keys": Option("tty"),
}
_FLAG_KEYS: Mapping[str, tuple[str, Json]] = {
    "init": ("init", True),
    "privileged": ("privileged", True),
    "read-only": ("read_only", True),
    "oom-kill-disable": ("oom_kill_disable", True),
    "use-api-socket": ("use_api_socket", True),
}
_HEALTH = {
    "health-cmd": "test", "health-interval": "interval", "health-timeout": "timeout", "health-retries": "retries",
    "health-start-period": "start_period", "health-start-interval": "start_interval",
}  # fmt: skip


def command_lines(text: str) -> list[list[str]]:
    """Return the command of each `docker run` as a list.

    Raises CliError if a command line has an open quote.
    """
    joined = re.sub(r"(?:\\|`|\^)[ \t]*\r?\n", " ", text)
    found = []
    for line in joined.splitlines():
        if not re.search(r"\b(?:docker|podman|nerdctl|nvidia-docker)\b.*\brun\b", line) or line.lstrip().startswith(
            "# "
        ):
            continue
        try:
            words = shlex.split(line.strip(), comments=True)
        except ValueError as error:
            raise CliError(f"The command line has an open quote: {line.strip()[:80]}", ExitCode.USAGE) from error
        found += _commands(words)
    return found


def _commands(words: Sequence[str]) -> list[list[str]]:
    """Return the commands of a line, which `&&` and `;` separate."""
    commands: list[list[str]] = [[]]
    for word in words:
        if word in {"&&", "||", ";", "|", "&"}:
            commands.append([])
        elif word.endswith(";") and len(word) > 1:
            commands[-1].append(word[:-1])
            commands.append([])
        else:
            commands[-1].append(word)
    return [command for command in commands if _arguments(command) is not None]


def _arguments(words: Sequence[str]) -> list[str] | None:
    """Return the words behind `docker run`; None for another command."""
    rest = list(words)
    while rest and (rest[0] in _BEFORE or re.fullmatch(r"[A-Za-z_]\w*=.*", rest[0])):
        rest.pop(0)
    if not rest or rest[0].rpartition("/")[2] not in _PROGRAMS:
        return None
    rest.pop(0)
    if rest[:1] == ["container"]:
        rest.pop(0)
    return rest[1:] if rest[:1] == ["run"] else None


def convert_runs(
    commands: Sequence[Sequence[str]],
    options: Options | None = None,
    *,
    notes: Notes | None = None,
    refusals: Refusals | None = None,
) -> tuple[list[Conversion], list[Note]]:
    """Return a conversion for each command line. Raises CliError if one is no `docker run`, or names no image."""
    options, common = options or Options(), notes or Notes()
    if not commands:
        raise CliError("The input has no `docker run`.", ExitCode.NEGATIVE)
    if options.name is not None and len(commands) > 1:
        raise CliError("--name is for one ModelService, and the input has several commands: convert one at a time.")
    conversions: list[Conversion] = []
    for command in commands:
        arguments = _arguments(command)
        if arguments is None:
            raise CliError(f"This is no `docker run`: {shlex.join(command)[:80]}", ExitCode.USAGE)
        name, body, unknown = parse_run(arguments)
        name = options.name or _distinct(name, [one.model_service["metadata"]["name"] for one in conversions])
        for word in unknown:
            common.add(Change.OMITTED, f"service/{name}", "this command does not know the option of docker run.", word)
        conversion = convert_service(name, body, options, common, refusals=refusals)
        conversions.append(conversion)
    return conversions, common.items


def _distinct(name: str, used: Sequence[str]) -> str:
    number = 2
    found = name
    while found in used:
        found, number = f"{name}-{number}", number + 1
    return found


def parse_run(arguments: Sequence[str]) -> tuple[str, Object, list[str]]:
    """Return name and Compose service of a command line, and options that are unknown.

    Raises CliError if an option has no value, or there is no image.
    """
    body: Object = {}
    unknown: list[str] = []
    name = ""
    rest = list(arguments)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        word = rest.pop(0)
        if word == "--":
            break
        for option, value in _parsed(word, rest):
            if option == "name":
                name = value or ""
            elif not _add_option(body, option, value):
                unknown.append(f"--{option}")
    if not rest:
        raise CliError("The command line of docker run names no image.", ExitCode.USAGE)
    body["image"] = rest[0]
    if rest[1:]:
        body["command"] = rest[1:]
    return name or image_name(rest[0]), body, unknown


def _parsed(word: str, rest: list[str]) -> list[tuple[str, str | None]]:
    """Return the options of a word, such as -itp, with the value of the last one, which may be the next word."""
    if word.startswith("--"):
        option, equals, value = word[2:].partition("=")
        if equals:
            return [(option, value)]
        return [(option, None if _is_flag(option) else _next(option, rest))]
    found: list[tuple[str, str | None]] = []
    letters = word[1:]
    while letters:
        option = _SHORT.get(letters[0], letters[0])
        letters = letters[1:]
        if _is_flag(option):
            found.append((option, None))
            continue
        found.append((option, letters.removeprefix("=") if letters else _next(option, rest)))
        break
    return found


def _is_flag(option: str) -> bool:
    known = option in _OPTIONS or option in _HEALTH or option in {"name", "mount", "entrypoint"}
    # A value of an unknown option looks like the image: the next word is read as the image.
    return option in _FLAGS or not known


def _next(option: str, rest: list[str]) -> str:
    if not rest:
        raise CliError(f"The option --{option} of docker run has no value.", ExitCode.USAGE)
    return rest.pop(0)


def _add_option(body: Object, option: str, value: str | None) -> bool:
    """Add an option to a Compose service; return False if it is unknown."""
    if option in _SILENT:
        return True
    if (special := _SPECIAL.get(option)) is not None:
        special(body, value or "")
    elif option in _FLAG_KEYS:
        key, flag = _FLAG_KEYS[option]
        body[key] = flag and value not in {"false", "0"}
    elif option in _HEALTH:
        body.setdefault("healthcheck", {})[_HEALTH[option]] = value
    elif (known := _OPTIONS.get(option)) is not None:
        if known.is_list:
            body.setdefault(known.key, []).append(value)
        else:
            body[known.key] = float(value or 0) if option == "stop-timeout" else value
    else:
        return False
    return True


def _entrypoint(body: Object, value: str) -> None:
    body["entrypoint"] = [value] if value else []


def _mount(body: Object, value: str) -> None:
    """Add `--mount type=...,source=...,target=...` in the long form of Compose."""
    fields = dict(part.partition("=")[::2] for part in value.split(","))
    entry: Object = {
        "type": fields.get("type", "volume"),
        "source": fields.get("source") or fields.get("src"),
        "target": fields.get("target") or fields.get("destination") or fields.get("dst"),
        "read_only": any(name in fields and fields[name] in {"", "true", "1"} for name in ("readonly", "ro")),
    }
    if "tmpfs-size" in fields:
        entry["tmpfs"] = {"size": fields["tmpfs-size"]}
    if "volume-subpath" in fields:
        entry["volume"] = {"subpath": fields["volume-subpath"]}
    body.setdefault("volumes", []).append(entry)


def _publish_all(body: Object, _value: str) -> None:
    body["publish_all"] = True


def _no_healthcheck(body: Object, _value: str) -> None:
    body["healthcheck"] = {"disable": True}


def _ignore(_body: Object, _value: str) -> None:
    """Options whose effect ends with the command, or that every pod has."""


_SPECIAL: Mapping[str, Callable[[Object, str], None]] = {
    "entrypoint": _entrypoint,
    "mount": _mount,
    "publish-all": _publish_all,
    "no-healthcheck": _no_healthcheck,
    "disable-content-trust": _ignore,
    "replace": _ignore,
}


def image_name(image: str) -> str:
    """Return the name of a ModelService for an image: its last part without tag, digest and other characters."""
    last = image.partition("@")[0].rpartition("/")[2].partition(":")[0]
    plain = re.sub(r"[^a-z0-9-]+", "-", last.lower()).strip("-")
    return plain if plain[:1].isalpha() else f"model-{plain}".strip("-")

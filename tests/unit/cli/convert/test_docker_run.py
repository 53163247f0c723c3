"""from-run: each option of `docker run` is a field of the ModelService, has a sentence, or is about the terminal."""

from typing import Any

import pytest

from modelservice_cli.convert.conversion import Options
from modelservice_cli.convert.docker_run import (
    _FLAGS,
    _HEALTH,
    _OPTIONS,
    _SHORT,
    _SILENT,
    command_lines,
    convert_runs,
    image_name,
)
from modelservice_cli.errors import CliError

Object = dict[str, Any]
VALUES = {
    "env": "A=b",
    "publish": "80:5000",
    "expose": "5000",
    "volume": "data:/data",
    "tmpfs": "/run",
    "user": "1000",
    "memory": "2g",
    "memory-reservation": "1g",
    "cpus": "2",
    "gpus": "all",
    "shm-size": "1g",
    "pull": "never",
    "platform": "linux/arm64",
    "add-host": "a.example.com:192.0.2.1",
    "dns": "192.0.2.53",
    "stop-timeout": "30",
    "health-cmd": "/bin/check",
    "health-start-period": "40s",
    "health-retries": "4",
    "restart": "no",
}


def run(line: str, **options: Any) -> tuple[str, Object, str]:
    """Return name and spec of the ModelService of a command line, and all sentences."""
    [conversion], common = convert_runs(command_lines(line), Options(**options))
    name = conversion.model_service["metadata"]["name"]
    return name, conversion.model_service["spec"], "\n".join(map(str, (*conversion.notes, *common)))


def test_usual_command_line_is_converted() -> None:
    name, spec, _ = run(
        "docker run -d --rm -p 80:5000 -e LEVEL=info --cpus 2 -m 2g registry.example.com/team/iris:1 --fast"
    )
    assert name == "iris"
    assert spec == {
        "image": "registry.example.com/team/iris:1",
        "args": ["--fast"],
        "containerPort": 5000,
        "env": [{"name": "LEVEL", "value": "info"}],
        "resources": {"limits": {"cpu": "2", "memory": "2Gi"}},
    }


@pytest.mark.parametrize("option", sorted({*_OPTIONS, *_HEALTH, *_FLAGS, "mount", "entrypoint"} - _SILENT))
def test_option_has_an_effect_or_a_sentence(option: str) -> None:
    values = VALUES | {"mount": "type=volume,source=data,target=/data", "entrypoint": "/serve"}
    text = "" if option in _FLAGS else f" {values.get(option, 'x')}"
    usual = run("docker run -p 80:5000 iris")
    if option in {"disable-content-trust", "replace", "no-healthcheck"}:
        assert run(f"docker run -p 80:5000 --{option}{text} iris") == usual
        return
    base = " --health-cmd /bin/check" if option in _HEALTH and option != "health-cmd" else ""
    name, spec, said = run(f"docker run{'' if option == 'publish' else ' -p 80:5000'}{base} --{option}{text} iris")
    assert name == "iris"
    assert spec["image"] == "iris"
    without = run(f"docker run{'' if option == 'publish' else ' -p 80:5000'}{base} iris")
    assert (spec, said) != (without[1], without[2])


@pytest.mark.parametrize("option", sorted(_SILENT))
def test_options_of_the_terminal_change_nothing(option: str) -> None:
    text = "" if option in _FLAGS else " x"
    assert run(f"docker run --{option}{text} -p 80:5000 iris") == run("docker run -p 80:5000 iris")


@pytest.mark.parametrize("short", sorted(_SHORT))
def test_short_options_are_the_long_ones(short: str) -> None:
    option = _SHORT[short]
    value = "" if option in _FLAGS else VALUES.get(option, "x")
    assert run(f"docker run -{short} {value} iris") == run(f"docker run --{option} {value} iris")
    if value:
        assert run(f"docker run -{short}{value} iris") == run(f"docker run --{option}={value} iris")


def test_letters_of_flags_are_joined() -> None:
    assert run("docker run -itdp 80:5000 iris") == run("docker run -p 80:5000 iris")


@pytest.mark.parametrize(
    "line",
    [
        "$ docker run -p 80:5000 iris",
        "sudo docker container run -p 80:5000 iris",
        "podman run -p 80:5000 iris",
        "FOO=bar /usr/bin/docker run -p 80:5000 iris",
        "docker pull iris && docker run -p 80:5000 iris; echo done",
        "docker run \\\n  -p 80:5000 \\\n  iris   # a comment",
        "Text before.\n\n    docker run -p 80:5000 iris\n\ndocker ps\n",
    ],
    ids=["prompt", "sudo", "podman", "variable", "chain", "continued", "document"],
)
def test_command_lines_are_found(line: str) -> None:
    assert run(line) == run("docker run -p 80:5000 iris")


def test_each_command_is_a_model_service() -> None:
    commands = command_lines(
        "docker run -p 80:5000 iris\ndocker run -p 81:5000 iris\ndocker run --name rose -p 1:2 x\n"
    )
    conversions, _ = convert_runs(commands)
    assert [item.model_service["metadata"]["name"] for item in conversions] == ["iris", "iris-2", "rose"]


def test_unknown_option_has_a_sentence() -> None:
    assert (
        "left out: service/iris --frobnicate: this command does not know the option of docker run"
        in run("docker run --frobnicate iris")[2]
    )


def test_command_without_port_names_the_default() -> None:
    _, spec, said = run("docker run iris")
    assert spec == {"image": "iris"}
    assert "the input names no port of the server: requests are sent to 8080" in said


def test_mounts_are_read() -> None:
    _, spec, said = run(
        "docker run --mount type=bind,src=/a,dst=/b,readonly --mount type=tmpfs,target=/c,tmpfs-size=64m iris"
    )
    memory = {"medium": "Memory", "sizeLimit": "64Mi"}
    assert spec["mounts"] == [{"name": "c", "mountPath": "/c", "emptyDir": memory}]
    assert "volumes[/b]: /a is a path of this machine" in said


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("registry.example.com:5000/a/iris-server:1.4", "iris-server"),
        ("iris@sha256:abc", "iris"),
        ("My_Image:latest", "my-image"),
        ("2048", "model-2048"),
    ],
)
def test_name_comes_from_the_image(image: str, name: str) -> None:
    assert image_name(image) == name


@pytest.mark.parametrize(
    ("commands", "message"),
    [
        ([], "The input has no `docker run`."),
        ([["docker", "ps"]], "This is no `docker run`: docker ps"),
        ([["docker", "run", "-p"]], "The option --publish of docker run has no value."),
        ([["docker", "run", "-d"]], "The command line of docker run names no image."),
    ],
    ids=["none", "other", "value", "image"],
)
def test_wrong_command_line_is_an_error(commands: list[list[str]], message: str) -> None:
    with pytest.raises(CliError) as caught:
        convert_runs(commands)
    assert str(caught.value) == message


def test_open_quote_is_an_error() -> None:
    with pytest.raises(CliError, match="open quote"):
        command_lines("docker run -e 'A=b iris")

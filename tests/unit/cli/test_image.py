"""The operator's image does not carry the command line (of the built image: tests/release/test_image_contents.py)."""

import re
import tomllib
from pathlib import Path

CLI_LIBRARIES = {"kubernetes", "cel-expr-python"}


def stage_of(dockerfile: str, name: str) -> str:
    match = re.search(rf"^FROM \S+ AS {name}$(.*?)(?=^FROM |\Z)", dockerfile, re.MULTILINE | re.DOTALL)
    assert match is not None
    return match[1]


def test_image_copies_no_package_of_the_command_line() -> None:
    copied = re.findall(r"^COPY .*/app/site/(\S+) ", stage_of(Path("Dockerfile").read_text(), "operator"), re.MULTILINE)
    assert copied == ["modelservice_operator"]


def test_image_installs_no_library_of_the_command_line() -> None:
    lock = tomllib.loads(Path("uv.lock").read_text())
    packages = {package["name"]: package for package in lock["package"]}
    waiting, found = ["modelservice-operator"], set[str]()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [one["name"] for one in packages[name].get("dependencies", ())]
    assert "pydantic" in found
    assert found & CLI_LIBRARIES == set()
    extras = packages["modelservice-operator"]["optional-dependencies"]
    assert {one["name"] for one in extras["cli"]} == CLI_LIBRARIES
    assert {one["name"] for one in extras["sdk"]} <= CLI_LIBRARIES

"""Every target of the Makefile, and every command of the documents, is run by a test or by a step of CI."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/*.md", "bench/*.md", "examples/**/*.md")
    for path in ROOT.glob(pattern)
)
STEPS = (".ci/run", ".ci/commands", ".ci/slow")
"""Scripts of CI: the first runs the second, for each change; the third runs before a release."""
RUN_BY: dict[str, tuple[str, str]] = {
    "modelservice_operator run": ("tests/support/operator.py", '"run"'),
    "modelservice_operator check": ("tests/unit/cli/test_check.py", '"check"'),
    "model_loader": ("tests/loader/test_cli.py", '"--uri"'),
    "bench prepare": ("Makefile", "python -m bench prepare"),
    "bench run": ("tests/integration/test_bench.py", "Sizes.quick()"),
    "bench isolation": (".ci/slow", "python -m bench isolation"),
    "bench scale": (".ci/slow", 'make bench-scale ARGS="--objects'),
    "tests.environment.cluster up": (".ci/commands", "python -m tests.environment.cluster up"),
    "tests.environment.cluster kubeconfig": (".ci/commands", "python -m tests.environment.cluster kubeconfig"),
    "tests.environment.engine": ("tests/kind/test_engine.py", '"tests.environment.engine"'),
    "tests.environment.prose": ("Makefile", "python -m tests.environment.prose"),
}
"""File that runs a command of a document, which begins with the key after `python -m`, and a text in that file."""
_TARGET = re.compile(r"^([a-z][a-z-]*):([^#\n=]*)(?:##|$)", re.MULTILINE)
_CODE = re.compile(r"^```(?:console|bash|sh)\n(.*?)^```|`([^`\n]+(?:\n[^`\n]+)?)`", re.MULTILINE | re.DOTALL)
_MODULE = re.compile(r"python -m ([\w.]+)((?: [\w./-]+)*)")
_MANIFEST = re.compile(r"kubectl apply (?:-k|-f) ([\w./-]+)")


@cache
def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def targets() -> dict[str, set[str]]:
    """Return the targets of the Makefile and what each needs."""
    return {name: set(needed.split()) for name, needed in _TARGET.findall(text_of("Makefile"))}


def run_in_ci() -> set[str]:
    """Return the targets that a step of CI runs, directly or because another one needs them."""
    commands = "\n".join(text_of(step) for step in STEPS)
    waiting = {
        name for line in re.findall(r"^(?:exec )?make((?: [a-z-]+)+)", commands, re.MULTILINE) for name in line.split()
    }
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting |= (targets().get(name, set()) & set(targets())) - found
    return found


def commands(document: str) -> Iterator[str]:
    """Yield the commands of a document, each on one line."""
    for block, inline in _CODE.findall(text_of(document)):
        yield from (block or inline.replace("\n", " ")).splitlines()


def made_targets(line: str) -> list[str]:
    match = re.match(r"\s*make((?: [a-z][a-z-]*)*)(?:\s*(?:#.*)?)$", line)
    return match[1].split() if match else []


def test_ci_runs_every_target() -> None:
    assert set(targets()) - run_in_ci() == set()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_targets_of_documents_exist(document: str) -> None:
    named = {target for line in commands(document) for target in made_targets(line)}
    assert named <= set(targets())


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_of_documents_are_run(document: str) -> None:
    named = [f"{module}{rest}" for line in commands(document) for module, rest in _MODULE.findall(line)]
    assert [one for one in named if not any(one.startswith(known) for known in RUN_BY)] == []


@pytest.mark.parametrize("command", RUN_BY)
def test_command_is_run_by_the_named_file(command: str) -> None:
    file, text = RUN_BY[command]
    assert text in text_of(file)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_manifests_of_documents_exist(document: str) -> None:
    named = {path for line in commands(document) for path in _MANIFEST.findall(line)}
    owned = {path for path in named if path.split("/")[0] in {"manifests", "crds", "examples"}}
    assert {path for path in owned if not (ROOT / path).exists()} == set()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_test_files_of_documents_exist(document: str) -> None:
    named = {path for line in commands(document) for path in re.findall(r"\bpytest ([\w./]+)", line)}
    assert {path for path in named if not (ROOT / path).exists()} == set()


def test_scripts_of_ci_can_be_run() -> None:
    assert all((ROOT / step).stat().st_mode & 0o111 for step in STEPS)

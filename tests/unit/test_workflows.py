"""The workflows of public CI: pinned actions, few permissions, existing targets."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yaml"))


def steps(path: Path) -> list[dict[str, Any]]:
    workflow = yaml.safe_load(path.read_text())
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_by_commit(path: Path) -> None:
    uses = re.findall(r"uses: (.+)", path.read_text())
    assert len(uses) == sum("uses" in step for step in steps(path))
    assert [use for use in uses if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", use)] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_grant_no_permission_by_default(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] in ({}, {"contents": "read"})
    may_write = {name for name, job in workflow["jobs"].items() if "write" in job.get("permissions", {}).values()}
    assert may_write <= {"publish"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_scripts_do_not_expand_expressions(path: Path) -> None:
    """An expression in a script is code of the author of a branch or a tag."""
    assert [step["run"] for step in steps(path) if "${{" in step.get("run", "")] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_run_what_exists(path: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    scripts = "\n".join(step.get("run", "") for step in steps(path))
    targets = re.findall(r"^make (\S+)", scripts, re.MULTILINE)
    programs = re.findall(r"^((?:\.ci|release)/\w+)", scripts, re.MULTILINE)
    assert targets or programs
    assert [target for target in targets if f"\n{target}:" not in makefile] == []
    assert [program for program in programs if not os.access(ROOT / program, os.X_OK)] == []

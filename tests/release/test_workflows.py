"""The workflows of public CI are correct for actionlint."""

import subprocess
from pathlib import Path

from tests.environment.workflows import actionlint

ROOT = Path(__file__).parents[2]


def run_actionlint(*paths: Path) -> subprocess.CompletedProcess[str]:
    # Programs that actionlint calls if they are installed: results must not depend on that.
    command: list[str | Path] = [actionlint(), "-no-color", "-shellcheck=", "-pyflakes=", *paths]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_workflows_pass_actionlint() -> None:
    workflows = sorted((ROOT / ".github" / "workflows").glob("*.yaml"))
    assert {path.stem for path in workflows} == {"ci", "release"}
    answer = run_actionlint(*workflows)
    assert (answer.returncode, answer.stdout) == (0, "")


def test_actionlint_finds_a_wrong_expression(tmp_path: Path) -> None:
    wrong = (ROOT / ".github" / "workflows" / "release.yaml").read_text().replace("github.token", "github.tokem")
    (tmp_path / "wrong.yaml").write_text(wrong)
    answer = run_actionlint(tmp_path / "wrong.yaml")
    assert answer.returncode == 1
    assert "tokem" in answer.stdout

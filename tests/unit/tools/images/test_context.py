import os
import subprocess
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from tests.environment.images.building import cache_key
from tests.environment.images.catalog import Recipe
from tests.environment.images.context import FIXED_TIME, Context, ContextFile
from tests.environment.images.errors import ImagesError

RECIPE = Recipe("example.test/image:1", Path())


def a_file(path: str = "Dockerfile", content: bytes = b"FROM scratch", *, executable: bool = False) -> ContextFile:
    return ContextFile(PurePosixPath(path), content, executable=executable)


@pytest.fixture
def work_tree(tmp_path: Path) -> Path:
    """A directory with a Dockerfile, in a git work tree that ignores logs."""
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    for name, text in {"Dockerfile": "FROM scratch", ".gitignore": "*.log", "code.py": "1", "run.log": "noise"}.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_context_key_depends_only_on_content(work_tree: Path) -> None:
    before = Context.read(work_tree).digest()
    os.utime(work_tree / "code.py", (1, 1))
    (work_tree / "run.log").write_text("more noise")
    assert Context.read(work_tree).digest() == before
    (work_tree / "code.py").write_text("2")
    assert Context.read(work_tree).digest() != before


def test_new_files_count_before_they_are_committed(work_tree: Path) -> None:
    before = Context.read(work_tree).digest()
    (work_tree / "new.py").touch()
    assert Context.read(work_tree).digest() != before


def test_deleted_files_do_not_count(work_tree: Path) -> None:
    subprocess.run(["git", "-C", str(work_tree), "add", "."], check=True)
    (work_tree / "code.py").unlink()
    assert PurePosixPath("code.py") not in {file.path for file in Context.read(work_tree).files}


def test_directory_without_git_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImagesError, match="git cannot list the files"):
        Context.read(tmp_path)


def test_context_key_ignores_excluded_files_but_not_the_rules() -> None:
    rules = a_file(".dockerignore", b"*\n!kept")
    kept = [a_file(), rules, a_file("kept")]
    assert Context.of([*kept, a_file("left out")]).digest() == Context.of(kept).digest()
    assert Context.of([a_file(), replace(rules, content=b"*\n!kept\n"), a_file("kept")]) != Context.of(kept)


@pytest.mark.parametrize(
    "changed",
    [a_file("Containerfile"), a_file(content=b"FROM other"), a_file(executable=True)],
    ids=["name", "content", "mode"],
)
def test_every_property_of_a_file_changes_the_digest(changed: ContextFile) -> None:
    assert Context.of([changed]).digest() != Context.of([a_file()]).digest()


def test_content_does_not_run_over_into_the_next_name() -> None:
    one = [a_file("a", b"b"), a_file("c", b"")]
    other = [a_file("a", b""), a_file("bc", b"")]
    assert Context.of(one).digest() != Context.of(other).digest()


def test_files_are_laid_out_alike_everywhere(tmp_path: Path) -> None:
    Context.of([a_file("folder/run", executable=True), a_file("folder/read")]).write(tmp_path)
    run, read = tmp_path / "folder" / "run", tmp_path / "folder" / "read"
    assert (run.stat().st_mode & 0o777, read.stat().st_mode & 0o777) == (0o755, 0o644)
    assert {path.stat().st_mtime for path in (run, read, run.parent)} == {FIXED_TIME}


def test_key_covers_recipe_base_and_builder() -> None:
    context = Context.of([a_file()])
    keys = {
        cache_key(context, RECIPE, base="base", builder="1"),
        cache_key(context, RECIPE, base="newer", builder="1"),
        cache_key(context, RECIPE, base="base", builder="2"),
        cache_key(context, replace(RECIPE, target="stage"), base="base", builder="1"),
        cache_key(context, replace(RECIPE, reference="example.test/image:2"), base="base", builder="1"),
        cache_key(Context.of([a_file(content=b"")]), RECIPE, base="base", builder="1"),
    }
    assert len(keys) == 6
    assert cache_key(context, replace(RECIPE, folder=Path("elsewhere")), base="base", builder="1") in keys

"""Hits, accepted places and levels."""

from pathlib import Path

import pytest

from tests.environment.prose.__main__ import main
from tests.environment.prose.check import (
    Hit,
    Pattern,
    Rules,
    corpus_of,
    count_hits,
    files,
    find_hits,
    has_prose,
)
from tests.environment.prose.extract import Kind, Passage, passages

RULES = Rules.load()


def hits_in(path: str, source: str, rules: Rules = RULES) -> list[Hit]:
    return [hit for passage in passages(path, source) for hit in rules.hits(passage)]


def names_in(text: str, kind: Kind = Kind.MARKDOWN) -> list[str]:
    return [hit.pattern.name for hit in RULES.hits(Passage("a.md", kind, text, ((0, 1),)))]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("alone", "files alone are read"),
        ("mostly", "It is mostly fast."),
        ("is-told", "The user is told."),
        ("tells-of", "An Event tells of it."),
        ("nobody", "Nobody reads it."),
        ("somebody", "changed by somebody else"),
        ("whoever", "Whoever writes it"),
        ("is-asked", "The server is asked twice."),
        ("asked-for", "asked again"),
        ("left-alone", "It is left untouched."),
        ("leaves-it", "leaves it to the user"),
        ("lies-in", "lies below the cache"),
        ("stands-for", "the URI stands for it"),
        ("for-ever", "waits for ever"),
        ("at-rest", "a cluster at rest"),
        ("beside", "a file beside it"),
        ("of-its-own", "a module of its own"),
        ("look-at", "objects looked at"),
        ("second-look", "the second look"),
        ("anew", "started anew"),
        ("goes-on", "the rollout goes on"),
        ("went", "the pod went away"),
        ("is-made", "the object is made"),
        ("heal", "the pod heals"),
        ("people", "for people"),
        ("words-of", "the words of the server"),
        ("trouble", "the trouble of a pod"),
        ("is-no", "this is no error"),
        ("meanwhile", "changed meanwhile"),
        ("at-once", "starts at once"),
        ("again-and-again", "once more"),
        ("any-more", "not used any more"),
        ("under-way", "a rollout is under way"),
        ("is-to-be", "it is to be deleted"),
        ("ours", "the Lease is ours"),
        ("we", "our objects"),
        ("folder", "a folder"),
        ("share", "a number or share"),
        ("by-itself", "starts by itself"),
        ("taken-for", "taken for healthy"),
        ("so-long", "not so long"),
        ("sentence-for-people", "a sentence for users, a word for programs"),
        ("by-hand", "scaled by hand"),
    ],
)
def test_pattern_finds_its_phrase(name: str, text: str) -> None:
    assert name in names_in(text)


@pytest.mark.parametrize(
    "text",
    ["which can be told apart", "there is no error", "is no longer there", "is made of parts", "Only files are read."],
)
def test_correct_english_is_accepted(text: str) -> None:
    assert names_in(text) == []


@pytest.mark.parametrize("kind", [Kind.DOCSTRING, Kind.DESCRIPTION])
def test_first_word_is_checked_in_docstrings_and_descriptions(kind: Kind) -> None:
    assert names_in("Whether the cache has synced.", kind) == ["begins-with-what"]
    assert names_in("Return True if the cache has synced. What follows is read.", kind) == []


def test_first_word_is_free_elsewhere() -> None:
    assert names_in("When the cache has synced, workers start.") == []


def test_suggestion_is_given_for_every_pattern() -> None:
    assert len({pattern.name for pattern in RULES.patterns}) == 44
    assert all(pattern.instead for pattern in RULES.patterns)


def test_hit_has_place_level_words_and_suggestion() -> None:
    [hit] = hits_in("docs/x.md", "fine\n\nIt is\nmostly fast.\n")
    assert str(hit) == 'docs/x.md:4: error: mostly: "It is mostly fast." -> usually, most often'
    [long] = hits_in("docs/x.md", f"{'word ' * 20}mostly{' word' * 20}\n")
    assert (long.text[:4], long.text[-4:]) == ('"...', '..."')


def test_first_person_is_only_a_warning_in_docstrings() -> None:
    [hit] = hits_in("a.py", '"""Store our objects."""\n')
    assert not hit.is_error
    [hit] = hits_in("a.py", 'x = "our objects"\n')
    assert hit.is_error


def test_accepted_place_must_cover_the_hit(tmp_path: Path) -> None:
    allowed = tmp_path / "allowed.txt"
    allowed.write_text("# a reason\n\nwent down to\n")
    rules = Rules.load(allowed=allowed)
    assert hits_in("a.md", "It Went down to 3.\n", rules) == []
    assert [hit.pattern.name for hit in hits_in("a.md", "It went down to 3, then went.\n", rules)] == ["went"]


def test_unknown_level_or_kind_is_rejected() -> None:
    entry = {"name": "x", "regex": "x", "instead": "y", "level": "error"}
    assert Pattern.parse(entry).is_error
    with pytest.raises(ValueError, match="unknown level 'fatal'"):
        Pattern.parse(entry | {"level": "fatal"})
    with pytest.raises(ValueError, match="prose"):
        Pattern.parse(entry | {"only_in": ["prose"]})


@pytest.mark.parametrize(
    ("path", "corpus"),
    [
        ("README.md", "docs"),
        ("docs/adr/README.md", "docs"),
        ("docs/runbook.md", "generated"),
        ("operator/model_loader/cli.py", "loader"),
        ("operator/modelservice_operator/errors.py", "operator"),
        ("tests/e2e/gallery.py", "tests"),
        ("crds/kustomization.yaml", "crds"),
    ],
)
def test_corpus_of_a_file(path: str, corpus: str) -> None:
    assert corpus_of(path) == corpus


def test_files_are_those_with_prose() -> None:
    listed = files()
    assert {"README.md", "Makefile", "pyproject.toml", "operator/modelservice_operator/errors.py"} <= set(listed)
    assert all(has_prose(path) for path in listed)
    assert files(["README.md"]) == ["README.md"]
    assert not has_prose("tests/unit/tools/prose/test_check.py")
    assert not has_prose("uv.lock")


def test_command_fails_for_errors_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tests/unit/tools/prose"]) == 0, "excluded: these tests contain what the check forbids"
    hits = hits_in("docs/x.md", "Mostly.\n\nA module of its own.\n")
    assert count_hits(hits) == {("docs", "mostly"): 1, ("docs", "of-its-own"): 1}
    assert [hit.is_error for hit in hits] == [True, False]
    assert capsys.readouterr().err == ""


def test_command_prints_hits_of_a_path_and_counts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tests/environment/prose"]) == 0
    assert main(["--count", "README.md"]) == 0
    assert "pattern" in capsys.readouterr().out


def test_own_prose_has_no_hits() -> None:
    assert find_hits(files(["tests/environment/prose"]), RULES) == []

"""The fuzzers of `make fuzz`: the committed inputs, and a second of new ones for each target."""

from pathlib import Path

import pytest

from tests.fuzz.fuzzer import check, fuzz, reduce
from tests.fuzz.targets import TARGETS, read_corpus

CORPUS = Path(__file__).parents[2] / "fuzz" / "corpus"


def test_every_target_has_a_corpus() -> None:
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS)
    assert all(list(read_corpus(name)) for name in TARGETS)


@pytest.mark.parametrize("name", TARGETS)
def test_committed_inputs_are_handled(name: str) -> None:
    for _, content in read_corpus(name):
        check(TARGETS[name], content)


@pytest.mark.parametrize("name", TARGETS)
def test_changed_inputs_are_handled(name: str) -> None:
    assert fuzz(name, 1.0, seed=1) > 5


def fail_with_both(data: bytes) -> None:
    assert not (b"x" in data and b"y" in data)


def test_failing_input_is_reduced() -> None:
    assert reduce(fail_with_both, b"aaaa" * 20 + b"x" + b"b" * 33 + b"y" + b"c" * 7, AssertionError) == b"xy"


def test_finding_is_written_to_the_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TARGETS, "hub", fail_with_both)
    (tmp_path / "hub").mkdir()
    with pytest.raises(AssertionError):
        fuzz("hub", 20.0, failures=tmp_path)
    [found] = (tmp_path / "hub").iterdir()
    assert sorted(found.read_bytes()) == sorted(b"xy")

import re
from pathlib import Path

from modelservice_operator.status.findings import REASONS_BY_PRIORITY
from modelservice_operator.status.reasons import LOADER_REASONS, ConditionType, Reason
from tests.e2e.gallery import CASES
from tests.environment.runbook import page, recorded
from tests.environment.runbook.said import REGISTRY
from tests.environment.runbook.words import WORDS

DOCS = (Path(__file__).parents[3] / "docs" / "status.md").read_text()


def section(title: str) -> str:
    return DOCS.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_every_reason_is_in_the_runbook() -> None:
    assert set(WORDS) == set(Reason)
    assert all(text.endswith(".") for text in WORDS.values())


def test_runbook_quotes_every_case_of_the_gallery() -> None:
    said = recorded()
    assert set(said) == {case.name for case in CASES}
    for case in CASES:
        entry = said[case.name]
        assert (entry.reason, entry.title, entry.condition) == (case.reason, case.title, case.kind)
        assert case.with_registry(REGISTRY).pattern.fullmatch(entry.message)
        assert entry.message in " ".join(page().replace("\n> ", " ").split())


def test_every_condition_is_documented() -> None:
    assert set(re.findall(r"^\| ([A-Z]\w+) \|", section("Conditions"), re.MULTILINE)) == {str(k) for k in ConditionType}


def test_documented_reasons_are_in_order_of_priority() -> None:
    rows = [row.split(" | ")[1] for row in section("How conditions are derived").splitlines() if " | " in row]
    told = [row for row in rows if row in {str(reason) for reason in REASONS_BY_PRIORITY}]
    generic = [str(reason) for reason in REASONS_BY_PRIORITY if reason not in {*LOADER_REASONS, Reason.LOADER_FAILED}]
    assert list(dict.fromkeys(told)) == generic

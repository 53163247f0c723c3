import re
from pathlib import Path

from modelservice_operator.status.diagnosis import RANKING
from modelservice_operator.status.reasons import LOADER_REASONS, ConditionType, Reason

DOCS = (Path(__file__).parents[3] / "docs" / "status.md").read_text()


def section(title: str) -> str:
    return DOCS.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_every_reason_is_told_once_and_no_other() -> None:
    parts = section("Reasons").split("\n### ")[1:]
    told = {part.partition("\n")[0]: part.partition("\n")[2].strip() for part in parts}
    assert len(told) == len(parts)
    assert set(told) == {str(reason) for reason in Reason}
    assert all(told.values())


def test_every_condition_is_told() -> None:
    assert set(re.findall(r"^\| ([A-Z]\w+) \|", section("Conditions"), re.MULTILINE)) == {str(k) for k in ConditionType}


def test_the_table_names_what_pods_suffer_from_in_its_order() -> None:
    rows = [row.split(" | ")[1] for row in section("From what is seen to what is said").splitlines() if " | " in row]
    told = [row for row in rows if row in {str(reason) for reason in RANKING}]
    generic = [str(reason) for reason in RANKING if reason not in {*LOADER_REASONS, Reason.LOADER_FAILED}]
    assert list(dict.fromkeys(told)) == generic

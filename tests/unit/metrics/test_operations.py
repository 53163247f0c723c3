"""docs/operations.md and the alerts agree with the code."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelservice_operator.metrics import scraped
from modelservice_operator.metrics.instruments import REGISTRY
from modelservice_operator.status.reasons import Reason

ROOT = Path(__file__).parents[3]
MONITORING = ROOT / "manifests" / "components" / "monitoring"
[GROUP] = yaml.safe_load((MONITORING / "rules.yaml").read_text())["spec"]["groups"]
ALERTS: list[dict[str, Any]] = GROUP["rules"]
_SUFFIXES = ("_bucket", "_sum", "_count")


def metrics() -> dict[str, tuple[str, str]]:
    """Return type and description of each metric, by its name in the text format."""
    collectors = dict.fromkeys(REGISTRY._names_to_collectors.values())  # noqa: SLF001 - the registry lists none without series
    process = [one for one in REGISTRY._collector_to_names if one not in collectors]  # noqa: SLF001 - the same
    described = [family for one in collectors for family in one.describe()]  # type: ignore[attr-defined]
    families = [*described, *(family for one in process for family in one.collect())]
    return {
        family.name + "_total" * (family.type == "counter"): (family.type, family.documentation) for family in families
    }


def headings(document: str) -> set[str]:
    text = (ROOT / "docs" / document).read_text(encoding="utf-8")
    return {heading.lower() for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}


def test_documents_list_every_metric() -> None:
    assert scraped.QUEUE_DEPTH in REGISTRY._collector_to_names  # noqa: SLF001 - imported, so registered
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.+) \|$", text, re.MULTILINE)
    assert {name: (kind, description) for name, kind, description in rows} == metrics()


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: str(alert["alert"]))
def test_alert_reads_existing_metrics_and_has_a_runbook(alert: dict[str, Any]) -> None:
    names = re.findall(r"(\w+)\{", alert["expr"])
    assert names
    for name in names:
        base = next((name.removesuffix(suffix) for suffix in _SUFFIXES if name.endswith(suffix)), name)
        assert base in metrics()
    document, anchor = re.fullmatch(
        r"https://modelservice\.dev/docs/(\w+\.md)#(.+)", alert["annotations"]["runbook_url"]
    ).groups()  # type: ignore[union-attr]
    if "{{" in anchor:
        assert {reason.value.lower() for reason in Reason} <= headings(document)
    else:
        assert anchor in headings(document)

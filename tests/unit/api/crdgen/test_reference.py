import re

from modelservice_operator.api.crdgen.reference import reference
from modelservice_operator.api.crdgen.structural import RULES, as_text
from tests.support.schema_fields import fields

DOCUMENT = reference()
HEADINGS = re.findall(r"^## (.+)$", DOCUMENT, re.MULTILINE)


def test_every_link_leads_to_a_section() -> None:
    anchors = {re.sub(r"[^a-z0-9_-]", "", heading.lower()) for heading in HEADINGS}
    links = set(re.findall(r"\]\(#([^)]*)\)", DOCUMENT))
    assert links <= anchors
    assert len(HEADINGS) == len(set(HEADINGS))


def test_every_field_has_a_row_with_its_example() -> None:
    rows = {line for line in DOCUMENT.splitlines() if line.startswith("| ")}
    for part in ("spec", "status"):
        for field in fields(part):
            if field.is_property:
                name = field.path[-1]
                example = f"Example: `{as_text(field.example)}` |"
                assert any(row.startswith((f"| {name} |", f"| **{name}** |")) and example in row for row in rows), name


def test_every_rule_message_is_in_the_reference() -> None:
    plain = DOCUMENT.replace("\\", "")
    for field in fields():
        for rule in field.schema.get(RULES, ()):
            assert f"Rule: {rule['message']}." in plain


def test_reference_rows() -> None:
    assert "| replicas | integer | `1` | 0 to 10000 | Number of replicas. With autoscaling" in DOCUMENT
    assert "| **image** | string | required | 1 to 1024 characters | Image of the model server." in DOCUMENT
    assert (
        "| requests | map of integers or strings |  | at most 8 entries | Minimum amounts, reserved by the scheduler."
        in DOCUMENT
    )
    assert "| [object](#specprobesreadiness) |  |  | Check whether the server can receive requests." in DOCUMENT

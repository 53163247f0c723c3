"""No input leads to a traceback: any text, and any JSON value in any place of an object."""

import contextlib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from modelservice_cli.documents import parse
from modelservice_cli.errors import CliError
from modelservice_cli.offline.judge import Judge
from modelservice_cli.offline.judging import judge_documents
from modelservice_cli.offline.warnings import warnings_of
from tests.support.schema_fields import fields, with_field

JUDGE = Judge()
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | TEXTS
NAMES = st.sampled_from(("name", "labels", "annotations", "finalizers", "generateName", "namespace", "ownerReferences"))
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | TEXTS, inner, max_size=3), max_leaves=8
)
CHARACTERS = st.text(st.sampled_from("ab:-[]{}&*!|>'\"#%@`,? \n\t01.e~<"), max_size=40)


@given(st.one_of(CHARACTERS, TEXTS))
def test_any_text_is_read_or_reported(text: str) -> None:
    with contextlib.suppress(CliError):
        judge_documents(parse(text, "-"), JUDGE)


@given(st.sampled_from(fields()), VALUES)
def test_any_value_of_a_field_is_judged(field: Any, value: Any) -> None:
    verdict = JUDGE.create(with_field(field.path, value).manifest())
    if verdict.refusal is None:
        list(warnings_of(verdict.body))


@given(st.dictionaries(st.sampled_from(("apiVersion", "kind", "metadata", "spec", "status", "other")), VALUES))
def test_any_object_is_judged(body: dict[str, Any]) -> None:
    JUDGE.create(body)

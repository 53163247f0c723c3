"""Other forms of URIs and credentials in them: the loader and the CRD refuse the same ones, with the right form."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_loader.errors import LoaderError, Reason
from model_loader.request import Request
from model_loader.uris import find_right_form
from modelservice_operator.api.crdgen.crd import root_schema
from modelservice_operator.api.v1alpha1.uri import OTHER_FORMS as OTHER_PATTERNS
from tests.support.rule_cases import RULE_CASES
from tests.support.uri_forms import ACCEPTED_URIS, CREDENTIAL_NAMES, OTHER_FORMS, UriForm

MODEL: Any = root_schema()["properties"]["spec"]["properties"]["model"]["properties"]
URI: Any = MODEL["uri"]
EXTRA_URI: Any = MODEL["extra"]["items"]["properties"]["uri"]
OTHER_MESSAGES = {message for _, message in OTHER_PATTERNS}
URI_CHARACTERS = re.compile(r"[^\s\x00-\x1f\x7f]+")
FRAGMENTS = st.sampled_from(
    [
        *("s3", "s3a", "gcs", "hf", "models", "runs", "mlflow-artifacts", "wasbs", "https", "dbfs", "docker"),
        *(":", "/", "//", "@", "?", "&", "=", "#", ";", "%", "..", ".", "-", "a", "main", "tree", "blob", "token"),
        *("huggingface.co", "s3.amazonaws.com", "account.dfs.core.windows.net", "console.aws.amazon.com", "artifacts"),
    ]
)
URIS = st.lists(FRAGMENTS | st.text(max_size=3), max_size=12).map("".join)


def refusal(uri: str) -> str:
    with pytest.raises(LoaderError) as error:
        Request(uri=uri, target=Path("x"))
    assert error.value.reason is Reason.BAD_URI
    return error.value.message


def is_valid(rule: str, uri: str) -> bool:
    """Evaluate a rule of regular expressions, as CEL does."""
    calls = re.sub(r"self\.matches\('((?:[^'\\]|\\.)*)'\)", r"search(r'\1')", rule)
    if "self" in calls:
        return True
    words = calls.replace("||", " or ").replace("!search", "not search")
    return bool(eval(words, {"search": lambda pattern: re.search(pattern.replace("\\\\", "\\"), uri)}))  # noqa: S307 - rules of the schema


def violations(uri: str, field: Any = URI) -> list[str]:
    """Return the messages of the rules that the CRD applies to model.uri, or to the URI of an extra model."""
    return [rule["message"] for rule in field["x-kubernetes-validations"] if not is_valid(rule["rule"], uri)]


@pytest.mark.parametrize("form", OTHER_FORMS, ids=lambda form: form.uri)
def test_other_form_is_refused_with_the_right_one(form: UriForm) -> None:
    assert form.right in refusal(form.uri)
    assert any(form.scheme in message for message in violations(form.uri)) or "lower case" in violations(form.uri)[0]


@pytest.mark.parametrize("form", OTHER_FORMS, ids=lambda form: form.uri)
def test_right_form_is_accepted(form: UriForm) -> None:
    right = form.right.partition(",")[0]
    if right.startswith(("file:", "oci:")) or right in {"s3:", "https:", "s3://models/"} or "NAME" in right:
        return  # not downloaded, or not a whole URI
    assert Request(uri=right, target=Path("x")).uri == right
    assert violations(right) == []


@pytest.mark.parametrize("uri", ACCEPTED_URIS)
def test_uri_is_accepted(uri: str) -> None:
    assert Request(uri=uri, target=Path("x")).uri == uri
    assert violations(uri) == []


@pytest.mark.parametrize("separator", ["?", "?a=b&", "?a=b;", "?versionId=3&"])
@pytest.mark.parametrize("name", CREDENTIAL_NAMES)
def test_credential_in_a_query_is_refused(name: str, separator: str) -> None:
    uri = f"https://example.com/iris{separator}{name}=canary"
    message = refusal(uri)
    assert "HTTP_URL" in message
    assert "canary" not in message
    assert any("HTTP_URL" in found for found in violations(uri))


@pytest.mark.parametrize("uri", ["https://a/b?%73ig=0", "https://a/b?to%6ben=0", "https://a/b#access_token=0"])
def test_encoded_credential_is_refused(uri: str) -> None:
    assert "HTTP_URL" in refusal(uri)


@pytest.mark.parametrize("uri", ["https://me:canary@a/b", "s3://canary@a/b", "abfss://a:canary@b/c", "hf://a:canary@b"])
def test_login_in_a_uri_is_refused(uri: str) -> None:
    assert "canary" not in refusal(uri)
    assert any("user name or password" in found for found in violations(uri))


@settings(max_examples=1000)
@given(URIS)
def test_loader_and_crd_refuse_the_same_forms(uri: str) -> None:
    refused = [found for found in violations(uri) if found in OTHER_MESSAGES]
    if refused and URI_CHARACTERS.fullmatch(uri):
        refusal(uri)
    if find_right_form(uri) is not None:
        assert violations(uri) != []


@given(URIS)
def test_right_form_is_not_refused_for_its_form(uri: str) -> None:
    right = find_right_form(uri)
    for found in re.findall(r"write ([a-z0-9+]+:/[^ ,]*)", right or ""):
        assert find_right_form(found) is None or find_right_form(found) != right


@pytest.mark.parametrize("form", OTHER_FORMS, ids=lambda form: form.uri)
def test_other_form_is_refused_for_an_extra_model(form: UriForm) -> None:
    assert violations(form.uri, EXTRA_URI) != []


@pytest.mark.parametrize("uri", ACCEPTED_URIS)
def test_uri_is_accepted_for_an_extra_model(uri: str) -> None:
    assert violations(uri, EXTRA_URI) == []


@pytest.mark.parametrize("uri", ["file:///app/iris", "pvc://claim/iris", "oci://registry.example.com/iris:1"])
def test_extra_model_must_be_downloaded(uri: str) -> None:
    assert violations(uri) == []
    [message] = violations(uri, EXTRA_URI)
    assert "mount the files with mounts" in message


@given(URIS)
def test_extra_models_have_the_rules_of_the_model(uri: str) -> None:
    """Nothing that model.uri refuses is accepted for an extra model."""
    if violations(uri):
        assert violations(uri, EXTRA_URI) != []


@pytest.mark.parametrize("field", [URI, EXTRA_URI], ids=["model.uri", "model.extra[].uri"])
def test_rules_of_the_crd_have_the_described_cases(field: Any) -> None:
    rules = {rule["message"]: rule["rule"] for rule in field["x-kubernetes-validations"]}
    for message, rule in rules.items():
        if "split" in rule or "RFC 3986" in message:
            continue  # not only regular expressions
        for uri in RULE_CASES[message].rejected:
            assert message in violations(uri, field)
        for uri in RULE_CASES[message].accepted:
            assert violations(uri, field) == []

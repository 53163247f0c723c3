"""Errors have sentences for Python: no option of the command line is left in them."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import modelservice_cli.cluster
from modelservice.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    ModelServiceError,
    NotFoundError,
    UnreachableError,
    converted,
    in_python,
)
from modelservice_cli.cluster.failures import response_error
from modelservice_cli.cluster.kubeconfig import Endpoint
from modelservice_cli.errors import CliError, ExitCode

CLUSTER = Path(modelservice_cli.cluster.__file__).parent
OTHER = {"lookup.py", "check.py"}
"""Modules whose sentences the SDK does not use: it has own ones about names, and no check."""
OPTION = re.compile(r"(?<![\w-])--?[a-z][\w-]*|`\w+ |\bcommand\b")


def sentences() -> Iterator[str]:
    """Yield the text of each string in the modules that raise errors, apart from docstrings."""
    for path in sorted(CLUSTER.glob("*.py")):
        if path.name in OTHER:
            continue
        tree = ast.parse(path.read_text())
        docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                yield "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and not {id(node)} & (docs | parts):
                yield node.value


def status(code: int, reason: str, message: str, details: str = "{}") -> bytes:
    body = {"kind": "Status", "code": code, "reason": reason, "message": message, "details": json.loads(details)}
    return json.dumps(body).encode()


def test_sentences_name_no_option_of_the_command_line() -> None:
    texts = [text for text in sentences() if " " in text]
    assert len(texts) > 50
    assert [text for text in texts if OPTION.search(text)]
    assert [in_python(text) for text in texts if OPTION.search(in_python(text))] == []


@pytest.mark.parametrize(
    ("code", "body", "kind"),
    [
        (401, status(401, "Unauthorized", "Unauthorized"), UnreachableError),
        (403, status(403, "Forbidden", "quota"), ForbiddenError),
        (404, status(404, "NotFound", "pods p not found", '{"name": "p"}'), NotFoundError),
        (404, b"404 page not found", UnreachableError),
        (409, status(409, "Conflict", "conflict with kubectl"), ConflictError),
        (422, status(422, "Invalid", "image is required"), InvalidError),
        (400, status(400, "BadRequest", "unknown field"), InvalidError),
        (500, b"<html>", ModelServiceError),
    ],
    ids=["login", "rights", "object", "kind", "conflict", "invalid", "unknown", "server"],
)
def test_each_response_has_its_exception(code: int, body: bytes, kind: type[Exception]) -> None:
    error = response_error(code, body, Endpoint(server="https://example.com"), path="/api/v1/pods")
    found = converted(error)
    assert type(found) is kind
    assert str(found) == in_python(str(error))


def test_missing_kubeconfig_names_the_argument() -> None:
    text = "There is no kubeconfig x: name one with --kubeconfig or $KUBECONFIG."
    found = converted(CliError(text, ExitCode.UNREACHABLE))
    assert isinstance(found, UnreachableError)
    assert str(found) == "There is no kubeconfig x: name one with Cluster(kubeconfig=...) or $KUBECONFIG."

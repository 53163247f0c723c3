"""Judges documents: finds the ModelServices among them, and says where in a file something is wrong."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from modelservice_cli.documents import Document
from modelservice_cli.errors import CliError, ExitCode
from modelservice_cli.go_text import quote
from modelservice_cli.offline.judge import Finding, Judge
from modelservice_operator.apimachinery.kinds import MODEL_SERVICE
from modelservice_operator.apimachinery.objects import Object

_NOTHING = f"There is no {MODEL_SERVICE.kind} of {MODEL_SERVICE.api_version} in the input."


@dataclass(frozen=True, slots=True)
class JudgedDocument:
    """A ModelService of a file."""

    document: Document
    body: Object
    """The object as the API server would store it; as it is in the file if it is refused."""
    refusals: tuple[Finding, ...]

    def lines(self, findings: Iterable[Finding], word: str = "") -> Iterator[str]:
        """Yield `file:line: message` for findings, by line."""
        for finding in sorted(findings, key=lambda one: self.document.line_of(one.steps)):
            advice = f"; {finding.advice}" if finding.advice else ""
            yield f"{self.document.position(finding.steps)}: {word}{finding.message}{advice}"


def find_model_services(documents: Iterable[Document]) -> list[Document]:
    """Return the documents that are ModelServices.

    Raises CliError if there is none, or if a document is not an object, or almost a ModelService.
    """
    found = []
    for document in documents:
        if (problem := _type_problem(document.value)) is not None:
            raise CliError(f"{document.position(('kind',))}: {problem}")
        if _is_model_service(document.value):
            found.append(document)
    if not found:
        raise CliError(_NOTHING, ExitCode.USAGE)
    return found


def judge_documents(documents: Iterable[Document], judge: Judge) -> list[JudgedDocument]:
    """Judge all ModelServices of a list of documents; objects of other groups are left out.

    Raises CliError if there is none.
    """
    judged = [one for document in documents if (one := _judge(document, judge)) is not None]
    if not judged:
        raise CliError(_NOTHING, ExitCode.USAGE)
    return judged


def load_judge(crd: str | None) -> Judge:
    """Return the judge for a CRD in a file, or for that of this version. Raises CliError if the file has none."""
    if crd is None:
        return Judge()
    from modelservice_cli.documents import read

    for document in read([crd]):
        value = document.value
        names = value.get("spec", {}).get("names", {}) if isinstance(value, dict) else {}
        if (
            isinstance(value, dict)
            and value.get("kind") == "CustomResourceDefinition"
            and names.get("kind") == MODEL_SERVICE.kind
        ):
            return Judge(value)
    raise CliError(f"{crd} has no CustomResourceDefinition of {MODEL_SERVICE.kind}.", ExitCode.USAGE)


def _judge(document: Document, judge: Judge) -> JudgedDocument | None:
    value = document.value
    if (problem := _type_problem(value)) is not None:
        return JudgedDocument(document, value if isinstance(value, dict) else {}, (Finding(problem, ("kind",)),))
    if not _is_model_service(value):
        return None
    verdict = judge.create(value)
    refusals = () if verdict.refusal is None else verdict.refusal.findings
    return JudgedDocument(document, verdict.body, refusals)


def _is_model_service(value: Any) -> bool:
    return (value.get("apiVersion"), value.get("kind")) == (MODEL_SERVICE.api_version, MODEL_SERVICE.kind)


def _type_problem(value: Any) -> str | None:
    """Return what kubectl says about an object without a type, or of an unknown one that is almost a ModelService."""
    if not isinstance(value, dict) or not value.get("kind"):
        return "Object 'Kind' is missing"
    kind, api_version = str(value["kind"]), str(value.get("apiVersion") or "")
    if not api_version:
        return f"Object 'apiVersion' is missing in the {kind}"
    is_close = kind == MODEL_SERVICE.kind or get_close_matches(kind.lower(), [MODEL_SERVICE.kind.lower()], cutoff=0.8)
    is_own_group = api_version.partition("/")[0] == MODEL_SERVICE.group
    if (is_own_group or (is_close and "/" not in api_version)) and not _is_model_service(value):
        expected = f"{MODEL_SERVICE.kind} of {MODEL_SERVICE.api_version}"
        return f"no matches for kind {quote(kind)} in version {quote(api_version)}; did you mean {expected}?"
    return None

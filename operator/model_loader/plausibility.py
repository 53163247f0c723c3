"""Checks that downloaded files can be a model: a store answers 200 also with a login form or a placeholder.

A file that model.loader.allowPatterns names in full, without a wildcard, is accepted as it is.
"""

import re
from collections.abc import Iterable

from model_loader.errors import LoaderError, Reason
from model_loader.manifest import File
from model_loader.request import Request

START_BYTES = 1024
"""Bytes of a file that are checked. A pointer of Git LFS is shorter (git-lfs, docs/spec.md)."""
_PAGE = re.compile(rb"<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_PREAMBLES = ((b"<?xml", b"?>"), (b"<!--", b"-->"))
"""Begin and end of what may precede a page."""
_PAGE_SUFFIXES = (".html", ".htm", ".xhtml", ".md", ".txt", ".jinja", ".jinja2", ".j2", ".tmpl", ".tpl")
"""Files that may begin like a page: documents and templates next to a model."""
_POINTER = re.compile(
    rb"version https://(?:git-lfs\.github\.com|hawser\.github\.com)/spec/v1\r?\n(?:.*\n)*?size (\d+)\r?\n?"
)


def check_start(path: str, start: bytes, request: Request) -> None:
    """Raise LoaderError (NotAModel) for the first bytes of a page or of a pointer of Git LFS."""
    if path not in request.allow_patterns and (problem := _find_problem(path, start[:START_BYTES])) is not None:
        raise _not_a_model_error(problem, path)


def check_plausible(files: Iterable[File], request: Request) -> None:
    """Raise LoaderError (NotAModel) for a model without a byte."""
    unnamed = [file for file in files if file.path not in request.allow_patterns]
    if unnamed and not any(file.size for file in files):
        message = (
            f"Every file at {request.uri} is empty." if len(unnamed) > 1 else f"The file at {request.uri} is empty."
        )
        raise _not_a_model_error(message, unnamed[0].path)


def _find_problem(path: str, start: bytes) -> str | None:
    if (pointer := _POINTER.fullmatch(start)) is not None:
        size = int(pointer[1])
        return (
            f"The file {path!r} is a pointer of Git LFS to {size} bytes, not the file itself."
            " Run git lfs pull before the upload, or use the address of the file's content."
        )
    if _is_page(start) and not path.lower().endswith(_PAGE_SUFFIXES):
        return (
            f"The file {path!r} is an HTML page, such as a login form or the page about a file. Use the"
            " address of the file itself (/resolve/ or /raw/ instead of /blob/ or /tree/), or hf:// for the Hub."
        )
    return None


def _is_page(start: bytes) -> bool:
    start = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    while end := next((end for begin, end in _PREAMBLES if start.startswith(begin)), None):
        start = start.partition(end)[2].lstrip()
    return _PAGE.match(start) is not None


def _not_a_model_error(problem: str, path: str) -> LoaderError:
    hint = f"If it is meant, name it in full in model.loader.allowPatterns ({path[:200]!r})."
    return LoaderError(Reason.NOT_A_MODEL, f"{problem} {hint}")

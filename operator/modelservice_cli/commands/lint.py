"""Say what the API server refuses of ModelServices, and what it warns of. No cluster is needed.

Each line has file, line and the message of the API server; for an unknown field also the name that may have been meant.
The exit code is 1 if an object is refused, with --strict also if there is a warning.
"""

import argparse
import json
from typing import Any

from modelservice_cli.arguments import add_files, add_output, files_of
from modelservice_cli.errors import ExitCode


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the arguments."""
    add_files(parser, "files or directories with ModelServices; - reads standard input")
    parser.add_argument("--crd", metavar="FILE", help="judge by this CRD (default: that of this version)")
    parser.add_argument("--strict", action="store_true", help="exit with 1 for warnings too")
    add_output(parser, ("text", "json"))


def run(options: argparse.Namespace) -> int:
    """Judge all ModelServices of the files."""
    from modelservice_cli import documents
    from modelservice_cli.offline.judging import judge_documents, load_judge
    from modelservice_cli.offline.warnings import warnings_of
    from modelservice_cli.output import Style, paint

    judged = judge_documents(documents.read(files_of(options)), load_judge(options.crd))
    warned = [[] if one.refusals else list(warnings_of(one.body)) for one in judged]
    counts = {
        "objects": len(judged),
        "refused": sum(bool(one.refusals) for one in judged),
        "warnings": sum(len(found) for found in warned),
    }
    if options.output == "json":
        found = [
            _entry(one, finding, level)
            for one, warnings in zip(judged, warned, strict=True)
            for level, findings in (("error", one.refusals), ("warning", warnings))
            for finding in findings
        ]
        print(json.dumps(counts | {"findings": found}, indent=2, ensure_ascii=False))
    else:
        for one, warnings in zip(judged, warned, strict=True):
            for line in one.lines(one.refusals):
                print(paint(line, Style.BAD))
            for line in one.lines(warnings, "Warning: "):
                print(paint(line, Style.WARNING))
        print(f"{counts['objects']} ModelServices: {counts['refused']} refused, {counts['warnings']} warnings")
    is_negative = counts["refused"] or (options.strict and counts["warnings"])
    return ExitCode.NEGATIVE if is_negative else ExitCode.OK


def _entry(one: Any, finding: Any, level: str) -> dict[str, Any]:
    return {
        "file": one.document.source,
        "line": one.document.line_of(finding.steps),
        "level": level,
        "message": finding.message,
        "advice": finding.advice,
    }

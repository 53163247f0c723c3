"""Print the child objects that the operator creates for ModelServices. No cluster is needed.

The input is judged as the API server judges it. If it refuses an object, its message is printed with file and line, the
exit code is 1, and nothing is rendered. Objects of other kinds are left out. The objects are those of an operator with
default settings.
"""

import argparse
import sys

from modelservice_cli.arguments import add_files, files_of
from modelservice_cli.errors import CliError, ExitCode


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the arguments."""
    add_files(parser, "files or directories with ModelServices; - reads standard input")
    parser.add_argument("--crd", metavar="FILE", help="judge by this CRD (default: that of this version)")


def run(options: argparse.Namespace) -> int:
    """Render all ModelServices of the files, or print the refusals."""
    from modelservice_cli import documents
    from modelservice_cli.offline.judging import judge_documents, load_judge
    from modelservice_cli.output import to_yaml
    from modelservice_operator.api.v1alpha1.spec import ModelService
    from modelservice_operator.errors import InvalidSpecError
    from modelservice_operator.resources import build_children

    judged = judge_documents(documents.read(files_of(options)), load_judge(options.crd))
    refused = [line for one in judged for line in one.lines(one.refusals)]
    if refused:
        print("\n".join(refused), file=sys.stderr)
        return ExitCode.NEGATIVE
    rendered = []
    for one in judged:
        metadata = {"namespace": "default", "uid": "00000000-0000-0000-0000-000000000000"} | one.body["metadata"]
        try:
            children = build_children(ModelService.parse(one.body | {"metadata": metadata}))
        except InvalidSpecError as error:  # a CRD of another version
            raise CliError(f"{one.document.position()}: {error}") from error
        rendered += [child.create_body() for child in children]
    sys.stdout.write(to_yaml(*rendered))
    return ExitCode.OK

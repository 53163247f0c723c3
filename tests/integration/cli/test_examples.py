"""The examples of the help texts and documents run as they are written, against a real API server."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from modelservice_cli.errors import ExitCode
from tests.environment.cluster import Cluster
from tests.environment.command_pages import GENERATED, description_of, page_of
from tests.support.builders import model_service
from tests.support.doc_examples import Example, run_example
from tests.support.namespace import NamespaceFixture

NAMES = ("iris", "diabetes")
EXAMPLES = [(name, example) for name in GENERATED for example in description_of(name)[1]]
ENDLESS = re.compile(r" --watch\b| --follow\b")
DELETION = "modelservice wait iris --for=delete"
EXIT_CODES: Mapping[str, set[int]] = {
    "predict": {ExitCode.NEGATIVE, ExitCode.UNREACHABLE},  # simulated nodes have no server behind their pods
    "logs": {ExitCode.OK, ExitCode.NEGATIVE},  # nor a log
    "top": {ExitCode.UNREACHABLE},  # nor metrics
    "check": {ExitCode.OK, ExitCode.NEGATIVE},  # the operator runs outside of the cluster
    "wait": {ExitCode.OK, ExitCode.NEGATIVE},  # no controller exposes it, and it is not deleted
    "url": {ExitCode.OK, 6},  # curl cannot resolve the name of a Service
}
"""Exit codes of the commands that do not end with 0 here (tests/e2e/test_cli.py has a real node)."""


@pytest.fixture(scope="module")
def user_kubeconfig(ns: NamespaceFixture, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A kubeconfig whose context has the namespace of the test, with the ModelServices that the examples name."""
    for name in NAMES:
        ns.apply(model_service().named(name))
    for name in NAMES:
        ns.wait_ready(name)
    path = tmp_path_factory.mktemp("examples") / "config"
    path.write_text(ns.cluster.kubeconfig.read_text())
    ns.kubectl("config", "set-context", "--current", f"--namespace={ns.namespace}", f"--kubeconfig={path}")
    return path


@pytest.mark.parametrize(("name", "example"), EXAMPLES, ids=[example for _, example in EXAMPLES])
def test_example_of_the_help_runs(
    name: str, example: str, user_kubeconfig: Path, control_plane: Cluster, tmp_path: Path
) -> None:
    (tmp_path / "request.json").write_text('{"instances": [[5.1, 3.5, 1.4, 0.2]]}')
    command = _with_an_end(example)
    variables = {"KUBECONFIG": str(user_kubeconfig), "fpath": str(tmp_path), "NO_PROXY": "*", "no_proxy": "*"}
    output, code = run_example(Example(command, "", 0), tmp_path, variables)
    assert control_plane.server
    assert "Traceback" not in output, output
    assert code in EXIT_CODES.get(name, {ExitCode.OK}), output


def _with_an_end(example: str) -> str:
    """Return a command that ends soon: nothing more happens to what it watches."""
    if ENDLESS.search(example):
        return f"timeout --preserve-status --signal=INT 3 {example}; [ $? -eq {ExitCode.INTERRUPTED} ]"
    if example.startswith("modelservice wait"):
        return f"{re.sub(' --timeout=[^ ]+', '', example)} --timeout=1s"
    return (
        example.replace("curl ", "curl --silent --max-time 5 ")
        .replace("| fish", "> fish.txt #")
        .replace("| source", "> fish")
    )


@pytest.mark.parametrize("name", GENERATED)
def test_page_of_a_command_is_current(name: str) -> None:
    assert (Path("docs/cli") / f"{name}.md").read_text() == page_of(name)

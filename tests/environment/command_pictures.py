"""Pictures of a terminal for docs/cli: the output of commands for objects of the tests, exported by rich as SVG.

The status of each ModelService is computed by the operator's code, so that a picture shows real messages.
"""

import io
import re
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from unittest.mock import patch

from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI
from rich.text import Text

from modelservice_cli.commands.why import _print as print_explanation
from modelservice_cli.output import format_table, paint
from modelservice_cli.view import listing
from modelservice_cli.view.fixes import Facts
from modelservice_cli.view.tree import build_tree, render_tree
from modelservice_cli.view.why import explain
from tests.support.builders import model_service
from tests.support.families import NOW, deployment, family, service_body, with_computed_status
from tests.support.pods import PodBuilder, new_pod
from tests.support.snapshots import deployment_status

WIDTH = 118
_FONT_FACES = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)
"""Fonts of a content delivery network: a document must not load anything."""
IRIS = (
    model_service()
    .with_generation(3)
    .with_spec(replicas=2, resources={"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"memory": "1Gi"}})
)
KILLED = new_pod().crashed(
    exitCode=137, reason="OOMKilled", message="Loading weights\nMemoryError: cannot allocate 2.0 GiB"
)
SERVICE = {
    "kind": "Service",
    "metadata": {"name": "iris"},
    "spec": {"type": "ClusterIP", "clusterIP": "10.96.12.7", "ports": [{"name": "http", "port": 80}]},
}
NODE = {"metadata": {"name": "node-1"}, "status": {"allocatable": {"cpu": "8", "memory": "32Gi"}}}


def picture_of(name: str) -> str:
    """Return the picture of a command as SVG."""
    output = io.StringIO()
    with patch("modelservice_cli.output.has_colours", return_value=True), redirect_stdout(output):
        command = PICTURES[name]()
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, legacy_windows=False)
    console.print(Text(f"$ {command}", style="bold"))
    console.print(Text.from_ansi(output.getvalue().rstrip("\n")))
    svg = console.export_svg(title="modelservice", theme=DIMMED_MONOKAI, unique_id=name)
    return "\n".join(line.rstrip() for line in _FONT_FACES.sub("", svg).splitlines()) + "\n"


def _list() -> str:
    ready = [new_pod(), new_pod().named("b")]
    loading = service_body(model_service().named("churn"), model={"progress": {"loadedBytes": 3, "percent": 30}})
    services = [
        _named(with_computed_status(*ready, rollout=deployment_status()), "diabetes"),
        _named(with_computed_status(KILLED, service=IRIS), "iris"),
        _named(with_computed_status(new_pod().waiting("ErrImagePull", "manifest unknown"), service=IRIS), "wine"),
        loading | {"status": with_computed_status(new_pod().running(started=False))["status"]},
    ]
    rows = [listing.row(one, NOW, wide=False, all_namespaces=True) for one in services]
    columns = listing.columns(wide=False, all_namespaces=True)
    index = columns.index("reason")
    for one, cells in zip(services, rows, strict=True):
        cells[index] = paint(cells[index], listing.style_of(one))
    print(format_table(columns, rows), end="")
    return "kubectl modelservice list -A"


def _named(service: dict[str, object], name: str) -> dict[str, object]:
    metadata = service["metadata"]
    assert isinstance(metadata, dict)
    return {**service, "metadata": {**metadata, "name": name}}


def _status() -> str:
    pods: list[PodBuilder] = [KILLED, new_pod().named("b7rqd")]
    shown = family(with_computed_status(*pods, service=IRIS), pods, children=[deployment(), SERVICE])
    print(render_tree(build_tree(shown, NOW)), end="")
    return "kubectl modelservice status iris"


def _why() -> str:
    shown = family(with_computed_status(KILLED, service=IRIS), [KILLED])
    explanation = explain(shown, Facts(nodes=(NODE,)), NOW, program="kubectl modelservice")
    assert explanation is not None
    print_explanation(explanation)
    return "kubectl modelservice why iris"


PICTURES: Mapping[str, Callable[[], str]] = {"list": _list, "status": _status, "why": _why}
"""Commands with a picture; each function prints the output and returns the command line."""

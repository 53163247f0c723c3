"""Health of an object by each tool: Argo CD by the project's script in Lua 5.1, kstatus and Flux by their libraries."""

import json
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from lupa import lua51

from tests.environment.cluster.go_program import go_program

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "manifests" / "gitops" / "argocd" / "health.lua"
FLUX = ROOT / "manifests" / "gitops" / "flux" / "kustomization.yaml"
SOURCE = Path(__file__).parent / "health"
AGREED = {"Healthy": "Current", "Progressing": "InProgress", "Degraded": "Failed"}
"""Argo CD's words and those of kstatus."""

Object = dict[str, Any]


@dataclass(frozen=True)
class Verdicts:
    """Health by each tool."""

    ours: str
    argo: str
    message: str
    """Argo CD's."""
    kstatus: str
    flux: str

    @property
    def agree(self) -> bool:
        """Return True if all agree, each in its terms. Only kstatus has one for an object that is being deleted."""
        return len({self.ours, AGREED[self.argo], self.kstatus.replace("Terminating", "InProgress"), self.flux}) == 1


def verdicts(objects: Sequence[Object]) -> list[Verdicts]:
    """Ask all of them about objects as the API server gives them."""
    by_libraries = _libraries(objects)
    by_argo = [argo(body) for body in objects]
    rows = zip(objects, by_argo, by_libraries, strict=True)
    return [
        Verdicts(ours(body), status, message, found["kstatus"], found["flux"])
        for body, (status, message), found in rows
    ]


def argo(body: Object) -> tuple[str, str]:
    """Health and message by the script, as Argo CD runs it: `obj` is global, a table is returned."""
    lua: Any = lua51.LuaRuntime(unpack_returned_tuples=True)
    lua.globals().obj = lua.table_from(body, recursive=True)
    health = lua.execute(SCRIPT.read_text())
    return str(health["status"]), str(health["message"])


def ours(body: Object) -> str:
    """Health by the rules for users and programs in docs/status.md."""
    status = body.get("status") or {}
    conditions = {entry["type"]: entry for entry in status.get("conditions") or ()}
    if body["metadata"].get("deletionTimestamp") or status.get("observedGeneration") != body["metadata"]["generation"]:
        return "InProgress"
    if conditions.get("Stalled", {}).get("status") == "True":
        return "Failed"
    if conditions.get("Reconciling", {}).get("status") == "True":
        return "InProgress"
    return "Current" if conditions.get("Ready", {}).get("status") == "True" else "InProgress"


def expressions() -> dict[str, str]:
    """Return the example's expressions for Flux."""
    [found] = yaml.safe_load(FLUX.read_text())["spec"]["healthCheckExprs"]
    return {name: found[name] for name in ("current", "inProgress", "failed")}


def build_health_program() -> Path:
    """Return the program that calls the libraries of kstatus and Flux, building it if the cache has none."""
    return go_program(SOURCE, "gitops-health")


def kstatus_of(objects: Iterable[Object]) -> list[tuple[str, str]]:
    """Return the status and the message by kstatus for objects of any kind, as the API server gives them."""
    found = _ask({"object": body} for body in objects)
    return [(one["kstatus"], one["message"]) for one in found]


def _libraries(objects: Iterable[Object]) -> list[dict[str, str]]:
    return _ask({"object": body, "expressions": expressions()} for body in objects)


def _ask(requests: Iterable[Object]) -> list[dict[str, str]]:
    lines = [json.dumps(request) for request in requests]
    result = subprocess.run(
        [build_health_program()], input="\n".join(lines), capture_output=True, text=True, check=False, timeout=60
    )
    if result.returncode:
        raise AssertionError(result.stderr)
    return [json.loads(line) for line in result.stdout.splitlines()]

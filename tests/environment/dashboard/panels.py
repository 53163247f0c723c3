"""The rows and panels of the dashboard, and the series that a Prometheus has for their queries."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.support.prometheus import MONITORING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.prometheus import Prometheus

DASHBOARD = MONITORING / "dashboard.json"
POINTS = 120
"""Points of a series, at most."""


class Query(NamedTuple):
    """A query, and the form of its legend: `{{label}}` is the value of a label."""

    expression: str
    legend: str


@dataclass(frozen=True)
class Panel:
    """A panel: what it asks, and its place in units of the grid, of which a row of the dashboard has 24."""

    title: str
    is_stat: bool
    unit: str
    queries: tuple[Query, ...]
    x: int
    y: int
    width: int
    height: int

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Panel:
        grid = body["gridPos"]
        return cls(
            title=body["title"],
            is_stat=body["type"] == "stat",
            unit=body["fieldConfig"]["defaults"]["unit"],
            queries=tuple(Query(target["expr"], target["legendFormat"]) for target in body["targets"]),
            x=grid["x"],
            y=grid["y"],
            width=grid["w"],
            height=grid["h"],
        )


@dataclass(frozen=True)
class Row:
    """A row of the dashboard with its panels; each is one picture."""

    title: str
    panels: tuple[Panel, ...]

    @property
    def file_name(self) -> str:
        return re.sub(r"[^a-z]+", "-", self.title.lower()).strip("-") + ".svg"


class Series(NamedTuple):
    """One line: seconds since the start of the run, and values."""

    name: str
    points: tuple[tuple[float, float], ...]


class Period(NamedTuple):
    """A time range of the run, and what was done to the operator in it."""

    start: float
    end: float
    label: str


def dashboard_rows() -> tuple[Row, ...]:
    """Return the rows of the dashboard."""
    rows: list[tuple[str, list[Panel]]] = []
    for body in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        if body["type"] == "row":
            rows.append((body["title"], []))
        else:
            rows[-1][1].append(Panel.of(body))
    return tuple(Row(title, tuple(panels)) for title, panels in rows)


def read_series(
    prometheus: Prometheus, panel: Panel, *, start: float, end: float, rate_interval: str
) -> tuple[Series, ...]:
    """Return all series of a panel between two times, in seconds since the epoch."""
    step = max(1.0, math.ceil((end - start) / POINTS))
    found = []
    for query in panel.queries:
        expression = query.expression.replace("$__rate_interval", rate_interval)
        for result in prometheus.query_range(expression, start=start, end=end, step=step):
            points = ((float(time) - start, float(value)) for time, value in result["values"])
            finite = tuple(point for point in points if math.isfinite(point[1]))
            if finite:
                found.append(Series(_legend(query.legend, result["metric"]), finite))
    return tuple(sorted(found, key=lambda one: -max(value for _, value in one.points)))


def _legend(form: str, labels: Mapping[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda match: labels.get(match[1], ""), form).strip()

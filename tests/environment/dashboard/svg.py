"""Draws a row of the dashboard as one SVG. Text stays text, so that a change of a picture can be read."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from tests.environment.dashboard.panels import POINTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.environment.dashboard.panels import Panel, Period, Row, Series

Point = tuple[float, float]
"""Seconds since the start of the run, and a value."""
UNIT_WIDTH, UNIT_HEIGHT = 50, 32
"""Size of a unit of the dashboard's grid, in pixels."""
HEAD = 22
"""Height of the line above the panels."""
MARGIN = 6
TITLE, LEGEND_LINE, AXIS = 22, 13, 16
LEFT = 46
MAX_LEGEND = 6
CHARACTER = 6.2
"""Width of a character of the legend, about."""
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#7a5195", "#8c8c00", "#444444")
"""Distinct for most forms of colour blindness (Okabe and Ito, 2008)."""
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


def draw_row(row: Row, series: Mapping[str, Sequence[Series]], periods: Sequence[Period], seconds: float) -> str:
    """Return the picture of a row. `series` are those of each panel, by its title; the run took `seconds`."""
    top = min(panel.y for panel in row.panels)
    height = HEAD + UNIT_HEIGHT * max(panel.y + panel.height - top for panel in row.panels)
    width = 24 * UNIT_WIDTH
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    style = f'font-family="sans-serif" font-size="11" role="img" aria-label="{escape(row.title)}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        _text(MARGIN, 15, _key(periods), fill="#555"),
    ]
    for panel in row.panels:
        place = f"translate({panel.x * UNIT_WIDTH} {HEAD + (panel.y - top) * UNIT_HEIGHT})"
        lines += [f'<g transform="{place}">', *_panel(panel, series[panel.title], periods, seconds), "</g>"]
    return "\n".join([*lines, "</svg>"]) + "\n"


def _key(periods: Sequence[Period]) -> str:
    return "   ".join(f"{number}: {period.label}" for number, period in enumerate(periods, start=1))


def _panel(panel: Panel, series: Sequence[Series], periods: Sequence[Period], seconds: float) -> Iterator[str]:
    width, height = panel.width * UNIT_WIDTH - MARGIN, panel.height * UNIT_HEIGHT - MARGIN
    yield f"<title>{escape(panel.title)}</title>"
    yield f"<desc>{escape(queries_of(panel))}</desc>"
    yield f'<rect x="0.5" y="0.5" width="{width}" height="{height}" fill="none" stroke="#ccc"/>'
    yield _text(8, 15, panel.title, weight="bold")
    if not series:
        yield _text(width / 2, height / 2, "No data in this run", fill="#777", anchor="middle")
    elif panel.is_stat:
        yield from _stat(panel, series, width, height)
    else:
        yield from _Chart(panel, series, width, height, seconds).draw(periods)


def queries_of(panel: Panel) -> str:
    """Return the queries of a panel as its picture names them."""
    return "\n".join(query.expression for query in panel.queries)


def _stat(panel: Panel, series: Sequence[Series], width: float, height: float) -> Iterator[str]:
    share = width / len(series)
    for number, one in enumerate(series):
        middle = share * (number + 0.5)
        value = _value(one.points[-1][1], panel.unit)
        yield _text(middle, height / 2 + 14, value, size=34, anchor="middle", fill=COLOURS[number])
        yield _text(middle, height - 14, one.name, anchor="middle")


class _Chart:
    """Lines over time, with axes and a legend."""

    def __init__(self, panel: Panel, series: Sequence[Series], width: float, height: float, seconds: float) -> None:
        self._unit = panel.unit
        self._series = series
        self._seconds = seconds
        self._legend = list(_legend_lines(series, width))
        self._left, self._right = LEFT, width - 16
        self._top, self._bottom = TITLE + 6, height - AXIS - LEGEND_LINE * len(self._legend) - 4
        scale = 2.0**20 if panel.unit == "bytes" else 1.0
        self._ticks = [scale * tick for tick in _ticks(max(value for one in series for _, value in one.points) / scale)]

    def draw(self, periods: Sequence[Period]) -> Iterator[str]:
        yield from self._periods(periods)
        yield from self._axes()
        for number, one in enumerate(self._series):
            yield from self._line(one, COLOURS[number % len(COLOURS)])
        for number, line in enumerate(self._legend):
            y = self._bottom + AXIS + LEGEND_LINE * (number + 1) - 2
            for x, name, colour in line:
                yield f'<rect x="{x:.0f}" y="{y - 8:.0f}" width="9" height="9" fill="{colour}"/>'
                yield _text(x + 13, y, name, size=10, fill="#333")

    def _x(self, second: float) -> float:
        return self._left + (self._right - self._left) * min(max(second / self._seconds, 0.0), 1.0)

    def _y(self, value: float) -> float:
        return self._bottom - (self._bottom - self._top) * value / self._ticks[-1]

    def _periods(self, periods: Sequence[Period]) -> Iterator[str]:
        for number, period in enumerate(periods, start=1):
            x = self._x(period.start)
            width = max(1.0, self._x(period.end) - x)
            size = f'width="{width:.1f}" height="{self._bottom - self._top:.1f}"'
            yield f'<rect x="{x:.1f}" y="{self._top}" {size} fill="#f1eee4"/>'
            yield _text(x + 2, self._top + 9, str(number), size=9, fill="#998")

    def _axes(self) -> Iterator[str]:
        for tick in self._ticks:
            y = self._y(tick)
            yield f'<path d="M{self._left} {y:.1f}H{self._right:.1f}" stroke="#e5e5e5"/>'
            yield _text(self._left - 5, y + 3.5, _value(tick, self._unit), size=10, anchor="end", fill="#555")
        for minute in range(int(self._seconds // 60) + 1):
            yield _text(self._x(minute * 60), self._bottom + 13, f"{minute}:00", size=10, anchor="middle", fill="#555")

    def _line(self, series: Series, colour: str) -> Iterator[str]:
        path = ""
        for part in _parts(series.points, gap=2.5 * self._seconds / POINTS):
            places = [f"{self._x(second):.1f} {self._y(value):.1f}" for second, value in _without_inner_points(part)]
            path += f"M{'L'.join(places)}" if len(places) > 1 else f"M{places[0]}h0"
        style = 'fill="none" stroke-width="1.5" stroke-linejoin="round" stroke-linecap="round"'
        yield f'<path d="{path}" {style} stroke="{colour}"/>'


def _parts(points: Sequence[Point], *, gap: float) -> list[list[Point]]:
    """Return the parts of a line between which values are missing for more than `gap` seconds."""
    parts: list[list[Point]] = []
    for point in points:
        if not parts or point[0] - parts[-1][-1][0] > gap:
            parts.append([])
        parts[-1].append(point)
    return parts


def _without_inner_points(part: Sequence[Point]) -> list[Point]:
    """Return the points of a line without those inside its horizontal pieces, which need only their ends."""
    neighbours = zip(part, part[1:], part[2:], strict=False)
    inner = [point for before, point, after in neighbours if not before[1] == point[1] == after[1]]
    return [part[0], *inner, part[-1]] if len(part) > 1 else list(part)


def _legend_lines(series: Sequence[Series], width: float) -> Iterator[list[tuple[float, str, str]]]:
    """Yield the lines of the legend: place, name and colour of each entry. The largest series come first."""
    changing = [one for one in series if any(value for _, value in one.points)] or series
    shown = min(MAX_LEGEND, len(changing))
    entries = [(one.name, COLOURS[number % len(COLOURS)]) for number, one in enumerate(series[:shown])]
    if len(series) > shown:
        rest = len(series) - shown
        entries.append((f"and {rest} more" if len(changing) > shown else f"and {rest} that are 0", "#ffffff"))
    line: list[tuple[float, str, str]] = []
    x = 10.0
    for name, colour in entries:
        needed = 22 + CHARACTER * len(name)
        if line and x + needed > width:
            yield line
            line, x = [], 10.0
        line.append((x, name, colour))
        x += needed
    yield line


def _ticks(maximum: float) -> list[float]:
    """Return about four round values from 0 to at least the maximum."""
    if maximum <= 0:
        return [0.0, 1.0]
    power = 10 ** math.floor(math.log10(maximum / 4))
    step = power * next(factor for factor in _STEPS if factor * power * 4 >= maximum * 0.999)
    return [step * number for number in range(math.ceil(maximum / step - 1e-9) + 1)]


def _value(value: float, unit: str) -> str:
    """Return a value with its unit, as Grafana writes it."""
    match unit:
        case "s":
            return f"{value * 1000:.3g} ms" if 0 < value < 1 else f"{value:.4g} s"
        case "bytes":
            return f"{value / 2**20:.4g} MiB"
        case "Bps":
            return f"{value / 10**6:.4g} MB/s"
        case _:
            return f"{value:.4g}"


def _text(
    x: float, y: float, text: str, *, size: int = 11, fill: str = "#222", anchor: str = "", weight: str = ""
) -> str:
    extra = "".join(
        f' {name}="{value}"'
        for name, value in (("font-size", size if size != 11 else ""), ("text-anchor", anchor), ("font-weight", weight))
        if value
    )
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{fill}"{extra} xml:space="preserve">{escape(text)}</text>'

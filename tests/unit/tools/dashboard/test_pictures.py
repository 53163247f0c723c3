"""The pictures of docs/dashboard are those of the dashboard in manifests/: each panel, with its queries."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.environment.dashboard.panels import Panel, Period, Query, Row, Series, dashboard_rows
from tests.environment.dashboard.svg import draw_row, queries_of

ROOT = Path(__file__).parents[4]
PICTURES = ROOT / "docs" / "dashboard"
SVG = "{http://www.w3.org/2000/svg}"
MAX_BYTES = 120_000
"""Of a picture: a page with all of them should load quickly."""


def parse(picture: str) -> ET.Element:
    return ET.fromstring(picture)  # noqa: S314 - a picture of this project


def described(picture: str) -> dict[str, str]:
    """Return the queries of each panel of a picture by its title."""
    groups = parse(picture).iter(f"{SVG}g")
    return {group.findtext(f"{SVG}title", ""): group.findtext(f"{SVG}desc", "") for group in groups}


def lines(picture: str) -> list[str]:
    """Return the paths of the series: the axes have no round ends."""
    return [path.get("d", "") for path in parse(picture).iter(f"{SVG}path") if path.get("stroke-linecap")]


def legend(picture: str) -> list[str]:
    return [text.text or "" for text in parse(picture).iter(f"{SVG}text") if text.get("fill") == "#333"]


def panel(**changes: object) -> Panel:
    fields: dict[str, object] = {
        "title": "A < B",
        "is_stat": False,
        "unit": "s",
        "queries": (Query('rate(a{b="c"}[1m]) > 0', "{{b}}"),),
        "x": 0,
        "y": 3,
        "width": 8,
        "height": 7,
    }
    return Panel(**(fields | changes))  # type: ignore[arg-type]


def drawn(one: Panel, *series: Series) -> str:
    return draw_row(Row("A row", (one,)), {one.title: series}, [Period(10, 20, "nothing")], 60)


@pytest.mark.parametrize("row", dashboard_rows(), ids=lambda row: row.file_name)
def test_picture_has_each_panel_with_its_queries(row: Row) -> None:
    """`make test-monitoring` draws them again after a change of the dashboard."""
    picture = (PICTURES / row.file_name).read_text(encoding="utf-8")
    assert described(picture) == {one.title: queries_of(one) for one in row.panels}
    assert len(picture) <= MAX_BYTES


def test_every_picture_is_shown_and_none_is_left_over() -> None:
    names = {row.file_name for row in dashboard_rows()}
    shown = re.findall(r"\]\(dashboard/([a-z-]+\.svg)\)", (ROOT / "docs" / "operations.md").read_text(encoding="utf-8"))
    assert sorted(shown) == sorted(names) == sorted(path.name for path in PICTURES.iterdir())


def test_text_of_queries_and_labels_is_escaped() -> None:
    one = panel()
    picture = drawn(one, Series("<error> & more", ((0.0, 1.0), (1.0, 2.0))))
    assert described(picture) == {"A < B": queries_of(one)}
    assert "<error> & more" in [text.text for text in parse(picture).iter(f"{SVG}text")]


def test_line_is_interrupted_where_values_are_missing() -> None:
    points = tuple((float(second), 1.0) for second in (0, 1, 2, 3, 30, 31, 50))
    [line] = lines(drawn(panel(), Series("a", points)))
    parts = [[float(place.split()[0]) for place in part.split("L")] for part in line.removesuffix("h0").split("M")[1:]]
    width = (parts[2][0] - parts[0][0]) / 50  # of a second
    assert [[round((x - parts[0][0]) / width) for x in part] for part in parts] == [[0, 3], [30, 31], [50]]


def test_horizontal_line_keeps_its_ends_and_corners() -> None:
    points = tuple(enumerate((0.0, 0.0, 0.0, 2.0, 2.0, 2.0, 1.0)))
    [line] = lines(drawn(panel(), Series("a", points)))
    assert line.count("L") == len(("end of 0", "begin of 2", "end of 2", "1"))


def test_series_without_a_value_but_0_are_not_in_the_legend() -> None:
    series = [Series("busy", ((0.0, 1.0),)), *(Series(f"idle {number}", ((0.0, 0.0),)) for number in range(4))]
    assert legend(drawn(panel(), *series)) == ["busy", "and 4 that are 0"]
    assert legend(drawn(panel(), *series[1:3])) == ["idle 0", "idle 1"]


def test_panel_without_series_is_labelled() -> None:
    assert "No data in this run" in drawn(panel())


@pytest.mark.parametrize(
    ("unit", "value", "expected"),
    [
        ("s", 0.25, "250 ms"),
        ("s", 60.0, "60 s"),
        ("bytes", 3 * 2**20, "3 MiB"),
        ("short", 12.0, "12"),
        ("s", 0.0, "0 s"),
    ],
)
def test_stat_shows_the_last_value_with_its_unit(unit: str, value: float, expected: str) -> None:
    picture = drawn(panel(is_stat=True, unit=unit), Series("a", ((0.0, 9.0), (1.0, value))))
    assert expected in [text.text for text in parse(picture).iter(f"{SVG}text")]


def test_further_series_are_counted_in_the_legend() -> None:
    series = [Series(f"series {number}", ((0.0, 1.0), (1.0, 1.0))) for number in range(9)]
    assert "and 3 more" in drawn(panel(), *series)

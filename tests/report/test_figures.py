"""What is handed to the plotting library."""

from __future__ import annotations

import pytest

from peprank.report.blocks import Cell, Column, Table
from peprank.report.figures import Axis, Line, Map, dots, heat_map, lines

NASTY = '<a href="https://example.com">%{x}</a>'


def a_map(**changes: object) -> Map:
    whole = {
        "lines": ["home", NASTY],
        "columns": ["click"],
        "values": [[0.7], [None]],
        "texts": [["0.70"], [""]],
        "notes": [["AUC 0.7000\n10 rows"], ["no rows"]],
    }
    return Map(**{**whole, **changes})  # type: ignore[arg-type]


def test_a_map_keeps_numbers_gaps_and_notes_in_their_places() -> None:
    (trace,) = heat_map("caption", a_map()).plot["data"]
    assert trace["z"] == [[0.7], [None]]
    assert trace["customdata"][0][0] == "<b>home, click</b><br>AUC 0.7000<br>10 rows"
    assert trace["customdata"][1][0].endswith("<br>no rows")
    assert trace["hoverongaps"] is True


def test_names_can_neither_link_nor_fill_in_templates() -> None:
    figures = [
        heat_map("caption", a_map()),
        lines("caption", Axis(title=NASTY), Axis(title="y"), [Line(name=NASTY, x=[0], y=[1], notes=[NASTY])]),
        dots("caption", Axis(title="x"), [NASTY], [Line(name=NASTY, x=[0.5], y=[], low=[0.4], high=[0.6])]),
    ]
    for figure in figures:
        assert "<a" not in str(figure.plot)
        assert "&#37;{x}" in str(figure.plot)


def test_the_middle_of_two_colours_is_the_zero_of_a_signed_map() -> None:
    figure = heat_map("caption", a_map(is_signed=True, bounds=(-1.0, 1.0), ticks={-1.0: "2", 0.0: "1"}))
    assert figure.plot["data"][0]["coloraxis"] == "coloraxis"
    axis = figure.plot["layout"]["coloraxis"]
    assert (axis["cmin"], axis["cmax"], axis["colorbar"]["ticktext"]) == (-1.0, 1.0, ["2", "1"])


def test_intervals_become_distances_to_both_sides() -> None:
    line = Line(name="a", x=[0.0, 1.0], y=[0.5, 0.6], low=[0.4, 0.5], high=[0.7, 0.9])
    (trace,) = lines("caption", Axis(title="x"), Axis(title="y"), [line]).plot["data"]
    assert trace["error_y"]["array"] == pytest.approx([0.2, 0.3])
    assert trace["error_y"]["arrayminus"] == pytest.approx([0.1, 0.1])


def test_marks_of_one_name_lie_side_by_side_around_its_line() -> None:
    items = [Line(name=name, x=[0.5, 0.6], y=[]) for name in "abc"]
    traces = dots("caption", Axis(title="x"), ["home", "search"], items).plot["data"]
    assert [trace["y"] for trace in traces] == [
        pytest.approx([-0.2, 0.8]),
        pytest.approx([0.0, 1.0]),
        pytest.approx([0.2, 1.2]),
    ]
    assert traces[0]["x"] == [0.5, 0.6]


def test_no_figure_brings_colours_that_the_page_does_not_know() -> None:
    for figure in (heat_map("caption", a_map()), lines("caption", Axis(title="x"), Axis(title="y"), [])):
        assert "template" not in figure.plot["layout"]
        assert "colorscale" not in str(figure.plot)


def test_a_table_lists_each_reason_once() -> None:
    none = Cell("–", reason="no rows")
    table = Table("caption", (Column("a"),), ((none,), (Cell("1"),), (Cell("–", reason="one class"),), (none,)))
    assert table.reasons == ("no rows", "one class")

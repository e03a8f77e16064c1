"""Plots from plain numbers and labels, drawn by plotly; colours come from the page's theme.

Names that a user has given are escaped: plotly reads the tags and templates in any text it shows.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, TypeAlias

import plotly.graph_objects as go

from peprank.report.blocks import Figure

Numbers: TypeAlias = Sequence[float | None]

_LINE_PX, _HEAD_PX = 26, 96  # height of a line of a map, and of what is above and below
_LONGEST = 18  # characters of a name on an axis; the whole name is under the pointer
_MARKS = ("circle", "square", "diamond", "triangle-up", "x", "star", "cross", "triangle-down")
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
_PLOT_PX = 340


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """What an axis shows."""

    title: str
    format: str = ""  # of d3, such as ".0%"
    is_log: bool = False
    bounds: tuple[float, float] | None = None  # None: as the numbers need


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Points joined by a line."""

    name: str
    x: Numbers
    y: Numbers
    low: Numbers = ()  # of an interval around each y
    high: Numbers = ()
    notes: Sequence[str] = ()  # shown under the pointer after x and y
    is_marked: bool = True  # show the points themselves
    is_shown: bool = True  # False: only after a click on its name


@dataclass(frozen=True, slots=True, kw_only=True)
class Map:
    """Numbers by line and column, as colours."""

    lines: Sequence[str]  # names down the side
    columns: Sequence[str]  # names along the top
    values: Sequence[Numbers]  # [line][column], what the colours say; None stays empty
    texts: Sequence[Sequence[str]]  # [line][column], written into the cells
    notes: Sequence[Sequence[str]]  # [line][column], under the pointer: the number, or why there is none
    bounds: tuple[float, float] | None = None  # of the colours
    is_signed: bool = False  # two colours with nothing between: `bounds` has its zero in the middle
    ticks: dict[float, str] = field(default_factory=dict)  # of the colour bar; {}: as the numbers need


def heat_map(caption: str, item: Map) -> Figure:
    """Colours for a first look, the number in each cell and more under the pointer."""
    trace: dict[str, Any] = {
        "z": [list(line) for line in item.values],
        "text": [list(map(_safe, line)) for line in item.texts],
        "customdata": [
            [
                f"<b>{_safe(line)}, {_safe(column)}</b><br>{_safe(note)}"
                for column, note in zip(item.columns, notes, strict=True)
            ]
            for line, notes in zip(item.lines, item.notes, strict=True)
        ],
        "texttemplate": "%{text}",
        "hovertemplate": "%{customdata}<extra></extra>",
        "hoverongaps": True,
    }
    bar = {"tickvals": list(item.ticks), "ticktext": list(item.ticks.values())} if item.ticks else {}
    low, high = item.bounds or (None, None)
    layout: dict[str, Any] = {"xaxis": {**_names(item.columns), "side": "top"}, "yaxis": _names(item.lines)}
    layout["yaxis"]["autorange"] = "reversed"
    if item.is_signed:
        trace["coloraxis"] = "coloraxis"
        layout["coloraxis"] = {"cmin": low, "cmax": high, "colorbar": bar}
    else:
        trace |= {"zmin": low, "zmax": high, "colorbar": bar}
    return _figure(caption, [go.Heatmap(trace)], layout, _HEAD_PX + _LINE_PX * len(item.lines))


def lines(
    caption: str, x: Axis, y: Axis, items: Sequence[Line], *, diagonal: str = "", diagonal_end: float = 1.0
) -> Figure:
    """Lines that differ in colour, dash and mark.

    Args:
        diagonal: name of the line from (0, 0) to (diagonal_end, diagonal_end); "": none is drawn.
    """
    traces = [_line(k, item, x, y) for k, item in enumerate(items)]
    if diagonal:
        ends, style = [0.0, diagonal_end], {"dash": "dot", "width": 1, "color": "#8a929a"}
        traces.append(go.Scatter(x=ends, y=ends, name=diagonal, mode="lines", line=style, hoverinfo="skip"))
    layout = {"xaxis": _axis(x), "yaxis": _axis(y), "showlegend": len(traces) > 1}
    return _figure(caption, traces, layout, _PLOT_PX + 12 * len(traces))


def _line(k: int, item: Line, x: Axis, y: Axis) -> go.Scatter:
    notes = [_safe(note) for note in item.notes] or [""] * len(item.x)
    hover = f"<b>{_safe(item.name)}</b><br>{_safe(x.title)} %{{x{_d3(x)}}}<br>{_safe(y.title)} %{{y{_d3(y)}}}"
    trace = go.Scatter(
        x=list(item.x),
        y=list(item.y),
        name=_safe(_short(item.name)),
        mode="lines+markers" if item.is_marked else "lines",
        line={"dash": _DASHES[k % len(_DASHES)], "width": 2},
        marker={"symbol": _MARKS[k % len(_MARKS)], "size": 7},
        customdata=notes,
        hovertemplate=f"{hover}<br>%{{customdata}}<extra></extra>",
        visible=True if item.is_shown else "legendonly",
    )
    if item.low:
        up, down = _distances(item.y, item.high), _distances(item.low, item.y)
        trace.error_y = {
            "type": "data",
            "array": up,
            "arrayminus": down,
            "symmetric": False,
            "thickness": 1,
            "width": 3,
        }
    return trace


def dots(caption: str, x: Axis, names: Sequence[str], items: Sequence[Line]) -> Figure:
    """One line per name, a mark with its interval for each item; `Line.x` is the number, `low` and `high` its bounds.

    Args:
        names: down the side, as many as each item has numbers.
    """
    step = 0.6 / max(len(items), 1)
    traces = [
        _dots(k, item, [row + step * (k - (len(items) - 1) / 2) for row in range(len(names))], names)
        for k, item in enumerate(items)
    ]
    side = {**_names(names), "range": [len(names) - 0.5, -0.5]}
    layout = {"xaxis": _axis(x), "yaxis": side, "showlegend": len(items) > 1}
    return _figure(caption, traces, layout, _HEAD_PX + max(_LINE_PX, 12 * len(items)) * len(names))


def _dots(k: int, item: Line, places: Sequence[float], names: Sequence[str]) -> go.Scatter:
    notes = item.notes or [""] * len(names)
    hover = [
        f"<b>{_safe(item.name)}</b>, {_safe(name)}<br>{_safe(note)}" for name, note in zip(names, notes, strict=True)
    ]
    trace = go.Scatter(
        x=list(item.x),
        y=list(places),
        name=_safe(_short(item.name)),
        mode="markers",
        marker={"symbol": _MARKS[k % len(_MARKS)], "size": 8},
        customdata=hover,
        hovertemplate="%{customdata}<extra></extra>",
    )
    if item.low:
        up, down = _distances(item.x, item.high), _distances(item.low, item.x)
        trace.error_x = {
            "type": "data",
            "array": up,
            "arrayminus": down,
            "symmetric": False,
            "thickness": 1,
            "width": 3,
        }
    return trace


def _figure(caption: str, traces: list[Any], layout: dict[str, Any], height: int) -> Figure:
    drawn = go.Figure(data=traces, layout=layout)
    plot = json.loads(drawn.to_json())
    plot["layout"].pop("template", None)  # the page's script puts the theme there
    return Figure(caption, plot, height)


def _axis(axis: Axis) -> dict[str, Any]:
    shown = {"title": {"text": _safe(axis.title)}, "tickformat": axis.format}
    if axis.is_log:
        return shown | {"type": "log", "dtick": "D2"}
    return shown | ({"range": list(axis.bounds)} if axis.bounds else {"rangemode": "normal"})


def _d3(axis: Axis) -> str:
    return f":{axis.format}" if axis.format else ":.4g"


def _names(names: Sequence[str]) -> dict[str, Any]:
    """An axis of names: by place, since two names may look the same when they are cut short."""
    texts = [_safe(_short(name)) for name in names]
    return {
        "ticks": "",
        "tickmode": "array",
        "tickvals": list(range(len(names))),
        "ticktext": texts,
        "showgrid": False,
        "zeroline": False,
    }


def _safe(text: str) -> str:
    """Text that plotly shows as it stands, in several lines if it has several."""
    return escape(text).replace("%", "&#37;").replace("\n", "<br>")


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


def _distances(low: Numbers, high: Numbers) -> list[float | None]:
    pairs = zip(low, high, strict=True)
    return [None if a is None or b is None else b - a for a, b in pairs]

"""Colours of the plots by day and by night, told apart by people who do not see all colours.

Series: Okabe & Ito, "Color universal design" (2008), darkened by day and lightened by night. Maps: blue for more,
orange for less, near the ground's own colour where nothing differs, and none so strong that a number on it is hard to
read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ground:
    """Colours of one mode; the style sheet has the same for text and ground."""

    text: str
    line: str
    surface: str
    series: tuple[str, ...]
    diverging: tuple[str, ...]  # low to high, evenly spaced, the middle in the middle


_LIGHT = _Ground(
    text="#1d2126",
    line="#d5dade",
    surface="#ffffff",
    series=("#0072b2", "#d55e00", "#009270", "#b8588c", "#b07d00", "#3d94c9", "#5b5b5b", "#6b4a9e"),
    diverging=("#e07b39", "#f0b48a", "#f1f3f4", "#a5cdea", "#4a98d2"),
)
_DARK = _Ground(
    text="#e6e9ec",
    line="#3c444d",
    surface="#1b1f24",
    series=("#56b4e9", "#ff8a3d", "#2fc79b", "#e79ac6", "#f0c13d", "#9fd3f5", "#b5b5b5", "#c9a94f"),
    diverging=("#9f500f", "#6b4327", "#262b31", "#22496b", "#1c66a3"),
)


def themes() -> dict[str, Any]:
    """The two templates of the plotting library: light and dark."""
    return {"light": _template(_LIGHT), "dark": _template(_DARK)}


def _template(ground: _Ground) -> Any:
    axis = {
        "gridcolor": ground.line,
        "zerolinecolor": ground.line,
        "linecolor": ground.line,
        "automargin": True,
        "fixedrange": True,  # a finger that scrolls the page must not zoom a plot
    }
    hover = {"bgcolor": ground.surface, "bordercolor": ground.line, "font": {"color": ground.text}, "align": "left"}
    bar = {"outlinewidth": 0, "thickness": 10, "tickfont": {"color": ground.text}}
    layout = {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": ground.text, "family": "system-ui, sans-serif", "size": 12},
        "colorway": list(ground.series),
        "coloraxis": {"colorscale": _scale(ground.diverging), "colorbar": bar},
        "dragmode": False,
        "hoverlabel": hover,
        "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "xaxis": axis,
        "yaxis": axis,
    }
    rising = _scale(ground.diverging[len(ground.diverging) // 2 :])
    maps = [{"colorscale": rising, "colorbar": bar, "xgap": 2, "ygap": 2, "textfont": {"color": ground.text}}]
    template = go.layout.Template(layout=layout, data={"heatmap": maps})
    return template.to_plotly_json()


def _scale(colours: tuple[str, ...]) -> list[list[Any]]:
    return [[k / (len(colours) - 1), colour] for k, colour in enumerate(colours)]

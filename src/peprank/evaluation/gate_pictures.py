"""Heat maps as PNG files, where matplotlib is installed."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from peprank.errors import PeprankError
from peprank.evaluation.gate_maps import HeatMap
from peprank.sealed import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = "RdBu_r"  # blue below neutral, white at it, red above: colour-blind readers tell them apart
_MISSING = "#BBBBBB"
_LEAST_RANGE = 0.02  # of the colours to either side of neutral: what hardly moves shall look so
_LINE, _COLUMN = 0.22, 0.66  # inches of a cell
_MARGIN = (3.2, 1.7)  # inches of names and colour bar beside the cells, and of title and names above and below
_DARK = 0.6  # of that range: from here on a colour is too dark for black numbers
_BAR = 4.0  # inches of the colour bar at most
_LONG = 8  # characters of a column's name that need more than its width
_DOTS_PER_INCH = 120


def require_matplotlib() -> None:
    """Do nothing where pictures can be drawn.

    Raises:
        PeprankError: matplotlib is missing.
    """
    if find_spec("matplotlib") is None:
        raise PeprankError("pictures need matplotlib, which is missing: pip install 'peprank[plots]'")


def draw_heat_maps(heat_maps: Iterable[HeatMap], folder: Path) -> list[Path]:
    """Write each as `<name>.png` into `folder`, and return the paths.

    Raises:
        PeprankError: matplotlib is missing.
    """
    require_matplotlib()
    return [_draw(heat_map, folder / f"{heat_map.name}.png") for heat_map in heat_maps]


def _draw(heat_map: HeatMap, path: Path) -> Path:
    from matplotlib.figure import Figure

    size = (len(heat_map.columns) * _COLUMN + _MARGIN[0], len(heat_map.lines) * _LINE + _MARGIN[1])
    figure = Figure(figsize=size, dpi=_DOTS_PER_INCH, facecolor="white", layout="constrained")
    axes = figure.add_subplot()
    figure.suptitle(heat_map.title, fontsize=10, x=0.01, ha="left")
    _name_cells(axes, heat_map)
    _colour_cells(axes, heat_map)
    with replacing(path) as beside:
        figure.savefig(beside, format="png")
    return path


def _name_cells(axes: Axes, heat_map: HeatMap) -> None:
    notes = heat_map.column_notes or ("",) * len(heat_map.columns)
    columns = [f"{name}\n{note}".strip() for name, note in zip(heat_map.columns, notes, strict=True)]
    axes.set_xticks(range(len(columns)), columns, fontsize=8)
    axes.set_yticks(range(len(heat_map.lines)), heat_map.lines, fontsize=8)
    axes.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)  # seen without scrolling
    axes.spines[:].set_visible(False)
    if any(len(name) > _LONG for name in heat_map.columns):
        for label in axes.get_xticklabels():
            label.set(rotation=40, horizontalalignment="left", rotation_mode="anchor")


def _colour_cells(axes: Axes, heat_map: HeatMap) -> None:
    """Colours that are centred at neutral, and each cell's number."""
    from matplotlib.colors import CenteredNorm

    values = np.array(heat_map.values, dtype=np.float64)  # None becomes NaN
    away = np.abs(np.nan_to_num(values, nan=heat_map.neutral) - heat_map.neutral)
    half = max(float(away.max(initial=0.0)), _LEAST_RANGE)
    axes.set_facecolor(_MISSING)
    image = axes.imshow(values, cmap=_COLOURS, norm=CenteredNorm(heat_map.neutral, half), aspect="auto")
    for (line, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            colour = "white" if away[line, column] > _DARK * half else "black"
            text = f"{round(value, 2) + 0.0:.2f}"  # + 0.0 makes 0 of -0
            axes.text(column, line, text, ha="center", va="center", fontsize=7, color=colour)
    height = min(1.0, _BAR / (len(heat_map.lines) * _LINE))
    bar = axes.figure.colorbar(image, ax=axes, shrink=height, anchor=(0, 1), aspect=20)
    bar.set_label(heat_map.unit, fontsize=8)
    bar.ax.tick_params(labelsize=8, length=0)
    bar.outline.set_visible(False)

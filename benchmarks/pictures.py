"""The pictures of the curves: all in one style, on white, in colours that colour-blind readers can tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FixedLocator, LogLocator, NullLocator

_BLUE, _ORANGE, _GREY = "#0072B2", "#D55E00", "#666666"  # Okabe and Ito's, and a grey
_INCHES = (6.4, 3.6)
_AS_POWER = 100_000  # x values from here on are powers of ten, and written so
_LEAST_RANGE = 8.0  # of the upper axis over the lower: a flat curve shall look flat


def draw(
    path: Path,
    quantity: str,
    x: Sequence[float],
    *,
    measured: Sequence[Sequence[float]],
    law: Sequence[float],
    arithmetic: Sequence[float],
) -> None:
    """Write one curve as SVG: rows/s over a quantity, both axes logarithmic.

    Args:
        quantity: label of the x axis, with its unit.
        measured: rows/s in each round, per x; drawn as the median, with a bar from the least to the greatest.
        law: rows/s by the whole law, per x.
        arithmetic: rows/s if the multiply-adds were all.
    """
    style = matplotlib.rc_context(
        {
            "font.family": "sans-serif",
            "font.size": 10.0,
            "svg.fonttype": "none",  # text stays text: small files
            "svg.hashsalt": "peprank",  # the same figures give the same file
            "axes.spines.top": False,
            "axes.spines.right": False,
        }
    )
    with style:
        figure = Figure(figsize=_INCHES, facecolor="white", layout="constrained")
        axes = figure.add_subplot()
        axes.plot(x, arithmetic, ":", color=_GREY, label="multiply-adds alone, at the GEMM rate")
        axes.plot(x, law, "--", color=_ORANGE, label="the law")
        middle = [sorted(rounds)[len(rounds) // 2] for rounds in measured]
        below = [y - min(rounds) for y, rounds in zip(middle, measured, strict=True)]
        above = [max(rounds) - y for y, rounds in zip(middle, measured, strict=True)]
        axes.errorbar(x, middle, [below, above], fmt="o-", color=_BLUE, capsize=3, label="measured")
        _scale(axes, quantity, x)
        figure.savefig(path, format="svg", metadata={"Date": None})


def _scale(axes: Axes, quantity: str, x: Sequence[float]) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    widen = max(1.0, _LEAST_RANGE * low / high) ** 0.5
    axes.set_ylim(low / widen, high * widen)
    axes.xaxis.set_major_locator(FixedLocator(list(x)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(list(x), [_short(value) for value in x])
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(EngFormatter(sep=""))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.grid(visible=True, color="#E5E5E5", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel(quantity)
    axes.set_ylabel("training, rows/s")
    axes.legend(frameon=False)


def _short(value: float) -> str:
    """250, 8192, 10^6."""
    return f"$10^{{{len(str(int(value))) - 1}}}$" if value >= _AS_POWER else str(int(value))

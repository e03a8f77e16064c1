"""Calibration curves and ROC of each task, folded away until they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from peprank.evaluation import Curves
from peprank.metrics import Reliability, Roc, wilson_interval
from peprank.report import blocks
from peprank.report.blocks import Column, Fold, Grid, Section, Text, table_of
from peprank.report.figures import Axis, Line, lines

_ALL = "all rows"
_EXPLAINED = (
    "Calibration: rows in ten bins of about equal size by prediction; a point on the diagonal is right, bars are 95 % "
    "intervals. ROC: the share of positives found against the share of negatives taken along."
)


@dataclass(frozen=True, slots=True)
class Named:
    """Curves of one task, of a model or of some rows."""

    name: str  # "all rows", "tab 1", "mmoe"
    reliability: Reliability
    roc: Roc | None  # None: one class is missing
    is_shown: bool = True  # False: only after a click on its name


def curve_section(curves: Sequence[Curves]) -> Section | None:
    """One fold per task, for all rows and for the largest domains; None where no task is binary."""
    if not curves:
        return None
    tasks = dict.fromkeys(curve.task for curve in curves)
    folds = [_fold(task, [_named(curve) for curve in curves if curve.task == task]) for task in tasks]
    note = "Lines of single domains, the largest, show after a click on their name."
    return Section("curves", "Calibration and ROC", (Text(f"{_EXPLAINED} {note}"), *folds))


def model_curve_section(by_task: Mapping[str, Sequence[Named]], rows: str) -> Section | None:
    """One fold per task with a line per model or run; None where there is nothing to draw.

    Args:
        rows: says what the curves are drawn from.
    """
    if not by_task:
        return None
    folds = [_fold(task, curves) for task, curves in by_task.items()]
    note = f"{rows} A click on a name hides its line."
    return Section("curves", "Calibration and ROC", (Text(f"{_EXPLAINED} {note}"), *folds))


def _named(curve: Curves) -> Named:
    name = _ALL if curve.column is None else f"{curve.column} {curve.segment}"
    return Named(name, curve.reliability, curve.roc, is_shown=curve.column is None)


def _fold(task: str, curves: Sequence[Named]) -> Fold:
    figures = Grid((_calibration(task, curves), _roc(task, curves)))
    return Fold(f"{task}: calibration curve and ROC", (figures, _table(task, curves)))


def _calibration(task: str, curves: Sequence[Named]) -> blocks.Figure:
    return lines(
        f"{task}: does what is predicted happen as often?",
        Axis(title="mean prediction", format=".2~%"),
        Axis(title="share of positives", format=".2~%"),
        [_calibration_line(curve) for curve in curves],
        diagonal="right",
        diagonal_end=_top(curves),
    )


def _top(curves: Sequence[Named]) -> float:
    """A little above all points that are shown at first: those of a rare task lie near 0."""
    shown = [curve.reliability for curve in curves if curve.is_shown]
    return min(1.0, 1.1 * max((float(max(b.mean_prob.max(), b.rate.max())) for b in shown if len(b.rows)), default=1.0))


def _calibration_line(curve: Named) -> Line:
    bins = curve.reliability
    low, high = wilson_interval(bins.positives, bins.rows)
    return Line(
        name=curve.name,
        x=bins.mean_prob.tolist(),
        y=bins.rate.tolist(),
        low=low.tolist(),
        high=high.tolist(),
        notes=[f"{k:,} of {n:,} rows" for k, n in zip(bins.positives, bins.rows, strict=True)],
        is_shown=curve.is_shown,
    )


def _roc(task: str, curves: Sequence[Named]) -> blocks.Figure:
    drawn = [
        Line(
            name=curve.name,
            x=np.round(curve.roc.false_positive_rate, 5).tolist(),
            y=np.round(curve.roc.true_positive_rate, 5).tolist(),
            is_marked=False,
            is_shown=curve.is_shown,
        )
        for curve in curves
        if curve.roc is not None
    ]
    return lines(
        f"{task}: how many positives for how many negatives?",
        Axis(title="negatives taken", format=".2~%", bounds=(0.0, 1.0)),
        Axis(title="positives found", format=".2~%", bounds=(0.0, 1.0)),
        drawn,
        diagonal="a guess",
    )


def _table(task: str, curves: Sequence[Named]) -> blocks.Table:
    """The bins of the lines that are shown at first as numbers."""
    shown = [curve for curve in curves if curve.is_shown]
    rows = [row for curve in shown for row in _bins(curve)]
    return table_of(
        f"{task}: the calibration curve as numbers",
        rows,
        [
            (Column("Line", is_text=True), lambda row: blocks.words(row[0])),
            (Column("Mean prediction"), lambda row: blocks.share(row[1], decimals=3)),
            (Column("Share of positives"), lambda row: blocks.share(row[2], decimals=3)),
            (Column("95 % from"), lambda row: blocks.share(row[3], decimals=3)),
            (Column("to"), lambda row: blocks.share(row[4], decimals=3)),
            (Column("Positives"), lambda row: blocks.count(int(row[5]))),
            (Column("Rows"), lambda row: blocks.count(int(row[6]))),
        ],
    )


def _bins(curve: Named) -> Iterator[tuple[str, float, float, float, float, int, int]]:
    bins = curve.reliability
    low, high = wilson_interval(bins.positives, bins.rows)
    columns = (bins.mean_prob, bins.rate, low, high, bins.positives, bins.rows)
    return ((curve.name, *row) for row in zip(*(column.tolist() for column in columns), strict=True))

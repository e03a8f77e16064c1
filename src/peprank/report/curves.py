"""Calibration curves and ROC of each task, folded away until they are asked for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from peprank.evaluation import Curves
from peprank.metrics import wilson_interval
from peprank.report import blocks
from peprank.report.blocks import Block, Column, Fold, Grid, Section, Text, table_of
from peprank.report.figures import Axis, Line, lines

_ALL = "all rows"


def curve_section(curves: Sequence[Curves]) -> Section | None:
    """One fold per task; None where no task is binary."""
    if not curves:
        return None
    tasks = list(dict.fromkeys(curve.task for curve in curves))
    folds = [_fold(task, [curve for curve in curves if curve.task == task]) for task in tasks]
    explained = (
        "Calibration: rows in ten bins of about equal size by prediction; a point on the diagonal is right, bars are "
        "95 % intervals. ROC: the share of positives found against the share of negatives taken along. Lines of single "
        "domains, the largest, show after a click on their name."
    )
    return Section("curves", "Calibration and ROC", (Text(explained), *folds))


def _fold(task: str, curves: Sequence[Curves]) -> Fold:
    figures = Grid((_calibration(task, curves), _roc(task, curves)))
    return Fold(f"{task}: calibration curve and ROC", (figures, _table(task, curves)))


def _name(curve: Curves) -> str:
    return _ALL if curve.column is None else f"{curve.column} {curve.segment}"


def _calibration(task: str, curves: Sequence[Curves]) -> blocks.Figure:
    drawn = [_calibration_line(curve) for curve in curves]
    return lines(
        f"{task}: does what is predicted happen as often?",
        Axis(title="mean prediction", format=".2~%"),
        Axis(title="share of positives", format=".2~%"),
        drawn,
        diagonal="right",
    )


def _calibration_line(curve: Curves) -> Line:
    bins = curve.reliability
    low, high = wilson_interval(bins.positives, bins.rows)
    return Line(
        name=_name(curve),
        x=bins.mean_prob.tolist(),
        y=bins.rate.tolist(),
        low=low.tolist(),
        high=high.tolist(),
        notes=[f"{k:,} of {n:,} rows" for k, n in zip(bins.positives, bins.rows, strict=True)],
        is_shown=curve.column is None,
    )


def _roc(task: str, curves: Sequence[Curves]) -> blocks.Figure:
    drawn = [
        Line(
            name=_name(curve),
            x=np.round(curve.roc.false_positive_rate, 5).tolist(),
            y=np.round(curve.roc.true_positive_rate, 5).tolist(),
            is_marked=False,
            is_shown=curve.column is None,
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


def _table(task: str, curves: Sequence[Curves]) -> Block:
    """The bins over all rows as numbers."""
    bins = next(curve.reliability for curve in curves if curve.column is None)
    low, high = wilson_interval(bins.positives, bins.rows)
    rows = list(zip(bins.mean_prob, bins.rate, low, high, bins.positives, bins.rows, strict=True))
    return table_of(
        f"{task}: the calibration curve of all rows",
        rows,
        [
            (Column("Mean prediction"), lambda row: blocks.share(row[0], decimals=3)),
            (Column("Share of positives"), lambda row: blocks.share(row[1], decimals=3)),
            (Column("95 % from"), lambda row: blocks.share(row[2], decimals=3)),
            (Column("to"), lambda row: blocks.share(row[3], decimals=3)),
            (Column("Positives"), lambda row: blocks.count(int(row[4]))),
            (Column("Rows"), lambda row: blocks.count(int(row[5]))),
        ],
    )

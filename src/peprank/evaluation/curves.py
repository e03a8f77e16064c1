"""Curves of one binary task on some rows: are its probabilities right, and how does it part the classes?"""

from __future__ import annotations

from dataclasses import dataclass

from peprank import metrics
from peprank.evaluation.measures import TaskRows


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """Points to draw, a few hundred at most."""

    task: str
    column: str | None = None  # the column that splits the rows; None: all rows
    segment: str = ""  # its value in these rows
    reliability: metrics.Reliability
    roc: metrics.Roc | None  # None: one class is missing


def curves_of(rows: TaskRows) -> Curves:
    """The curves of these rows, without their place."""
    return Curves(
        task=rows.task.name,
        reliability=metrics.reliability(rows.prediction, rows.label),
        roc=metrics.roc(rows.score, rows.label),
    )

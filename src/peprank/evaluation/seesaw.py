"""The seesaw: did what makes one task or domain better make another one worse?"""

from __future__ import annotations

from dataclasses import dataclass

from peprank.evaluation.results import Cell, Results

LARGER_IS_BETTER = frozenset({"auc", "gauc", "gauc_unweighted", "multiclass_auc", "accuracy", "xauc"})
SMALLER_IS_BETTER = frozenset(
    {"logloss", "normalized_entropy", "cross_entropy", "mean_absolute_error", "mean_squared_error"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One measure of one task and segment, against the baseline's."""

    task: str
    column: str | None  # None: all rows
    segment: str
    in_space: bool
    measure: str
    value: float
    baseline: float

    @property
    def gain(self) -> float:
        """By how much it got better; negative where it got worse."""
        difference = self.value - self.baseline
        return difference if self.measure in LARGER_IS_BETTER else -difference


@dataclass(frozen=True, slots=True)
class Seesaw:
    """All changes against a baseline, in the order of the results' cells."""

    changes: tuple[Change, ...]

    def better(self, measure: str) -> tuple[Change, ...]:
        """Where `measure` got better."""
        return tuple(change for change in self.changes if change.measure == measure and change.gain > 0)

    def worse(self, measure: str) -> tuple[Change, ...]:
        """Where `measure` got worse."""
        return tuple(change for change in self.changes if change.measure == measure and change.gain < 0)


def seesaw(results: Results, baseline: Results) -> Seesaw:
    """Compare each measure that has a better direction, where both have the task and segment and both are defined."""
    before = {_place(cell): cell for cell in baseline.cells}
    pairs = [(cell, before[_place(cell)]) for cell in results.cells if _place(cell) in before]
    return Seesaw(tuple(change for cell, old in pairs for change in _changes(cell, old)))


def _place(cell: Cell) -> tuple[str, str | None, str, bool]:
    return cell.task, cell.column, cell.segment, cell.in_space


def _changes(cell: Cell, old: Cell) -> list[Change]:
    changes = []
    for name, measure in cell.measures.items():
        baseline = old.measures[name].value if name in old.measures else None
        if name in LARGER_IS_BETTER | SMALLER_IS_BETTER and measure.value is not None and baseline is not None:
            changes.append(
                Change(
                    task=cell.task,
                    column=cell.column,
                    segment=cell.segment,
                    in_space=cell.in_space,
                    measure=name,
                    value=measure.value,
                    baseline=baseline,
                )
            )
    return changes

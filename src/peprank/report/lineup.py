"""Runs side by side: which of their numbers can be compared, and by how much each differs from the first's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from peprank.compare import MEAN, Place
from peprank.compare.judge import ENOUGH
from peprank.evaluation import Cell, Results, TaskKind
from peprank.evaluation.seesaw import LARGER_IS_BETTER, SMALLER_IS_BETTER
from peprank.report.quality import SHOWN, Shown, has_few
from peprank.report.run import Run

_MAIN = {TaskKind.BINARY: "auc", TaskKind.MULTICLASS: "multiclass_auc", TaskKind.REGRESSION: "mean_absolute_error"}


class Lineup:
    """Runs that a page tells of together; differences are told against the first.

    Args:
        runs: in the order they were named; their names differ.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        self.runs = tuple(runs)
        self.first, *self.others = self.runs
        columns = [run.results.domain_column for run in self.runs]
        self.domain_column = next((column for column in columns if column is not None), None)
        self._cells = {run.name: dict(_cells(run.results, self.domain_column)) for run in self.runs}
        self.kinds = self._kinds()
        groups = {run.results.group_feature for run in self.runs}
        self.has_gauc = groups != {None}
        self.shares_groups = self.has_gauc and len(groups) == 1
        self.problem = self._problem()  # why the runs cannot be compared; "": they can

    def _kinds(self) -> dict[str, TaskKind]:
        """Task -> what it predicts, for those that some run has and no two runs have differently."""
        found: dict[str, set[TaskKind]] = {}
        for run in self.runs:
            for cell in run.results.select():
                found.setdefault(cell.task, set()).add(cell.kind)
        return {task: kinds.pop() for task, kinds in found.items() if len(kinds) == 1}

    @property
    def domains(self) -> list[str]:
        """All domains, those with the most rows in the first run that tells them apart first."""
        found = (domain for cells in self._cells.values() for _, domain in cells)
        return list(dict.fromkeys(domain for domain in found if domain is not None))

    @property
    def shared_tasks(self) -> list[str]:
        """Tasks that all runs have."""
        return [task for task in self.kinds if all((task, None) in cells for cells in self._cells.values())]

    def _problem(self) -> str:
        rows = {run.name: run.results.rows for run in self.runs}
        if len(set(rows.values())) > 1:
            return f"they were judged on different rows ({_each(rows, 'rows')}); --eval-input judges all on the same"
        for task in self.shared_tasks:
            positives = {run.name: self._cells[run.name][task, None].positives for run in self.runs}
            if len(set(positives.values())) > 1:
                return f"they were judged on different rows or labels ({task} has {_each(positives, 'positives')})"
        return "" if self.shared_tasks else "there is no task that all have"

    def main(self, kind: TaskKind) -> str:
        """The measure that a kind of task is ranked by: GAUC of binary ones, where all runs group rows alike."""
        return "gauc" if kind is TaskKind.BINARY and self.shares_groups else _MAIN[kind]

    def shown(self, kind: TaskKind) -> list[Shown]:
        """Measures of a kind of task, the main one first."""
        known = [shown for shown in SHOWN[kind] if shown.name != "gauc" or self.has_gauc]
        return sorted(known, key=lambda shown: shown.name != self.main(kind))

    def cell(self, run: Run, task: str, domain: str | None) -> Cell | None:
        """One task of a run in one domain, None: over all rows."""
        return self._cells[run.name].get((task, domain))

    def averaged(self, domain: str | None) -> list[str]:
        """Tasks that count in a domain's mean: binary ones of all runs with enough rows of each class."""
        return [
            task
            for task in self.shared_tasks
            if self.kinds[task] is TaskKind.BINARY
            and all(_has_enough(self.cell(run, task, domain)) for run in self.runs)
        ]

    def value(self, run: Run, place: Place) -> float | None:
        """A run's number; that of `MEAN` is over the tasks that count in the domain."""
        if place.task == MEAN:
            tasks = self.averaged(place.domain)
            values = [self.value(run, Place(task, place.domain, place.measure)) for task in tasks]
            known = [value for value in values if value is not None]
            return sum(known) / len(known) if known and len(known) == len(values) else None
        cell = self.cell(run, place.task, place.domain)
        return cell.measures[place.measure].value if cell and place.measure in cell.measures else None

    def gain(self, run: Run, place: Place) -> float | None:
        """By how much a run is better than the first; None where that would compare other rows, or too few."""
        difference = self.difference(run, place)
        has_direction = place.measure in LARGER_IS_BETTER | SMALLER_IS_BETTER
        return None if difference is None or not has_direction else oriented(place.measure, difference)

    def difference(self, run: Run, place: Place) -> float | None:
        """A run's number less the first's; None as for `gain`, but also of measures that have no better direction."""
        value, first = self.value(run, place), self.value(self.first, place)
        return None if value is None or first is None or not self._is_comparable(run, place) else value - first

    def comparable(self, place: Place) -> dict[str, float]:
        """Each run's number by its name; {} where one is missing or stands on other rows than the first, or too few."""
        values = {run.name: self.value(run, place) for run in self.runs if self._is_comparable(run, place)}
        known = {name: value for name, value in values.items() if value is not None}
        return known if len(known) == len(self.runs) else {}

    def _is_comparable(self, run: Run, place: Place) -> bool:
        if place.task == MEAN:
            tasks = self.averaged(place.domain)
            return all(self._is_comparable(run, Place(task, place.domain, place.measure)) for task in tasks)
        one, other = (self.cell(each, place.task, place.domain) for each in (run, self.first))
        if self.problem or one is None or other is None or not (_has_enough(one) and _has_enough(other)):
            return False
        if place.measure == "gauc" and (not self.shares_groups or one.groups != other.groups):
            return False
        return (one.rows, one.positives) == (other.rows, other.positives)


def oriented(measure: str, value: float) -> float:
    """The value, or its negative, so that more is better."""
    return value if measure in LARGER_IS_BETTER else -value


def _cells(results: Results, domain_column: str | None) -> Iterator[tuple[tuple[str, str | None], Cell]]:
    for column in dict.fromkeys((None, domain_column)):
        for cell in results.select(column=column):
            yield (cell.task, None if column is None else cell.segment), cell


def _has_enough(cell: Cell | None) -> bool:
    return cell is not None and cell.rows >= ENOUGH and not has_few(cell, ENOUGH)


def _each(numbers: Mapping[str, int | None], what: str) -> str:
    return ", ".join(f"{name}: {'no' if number is None else f'{number:,}'} {what}" for name, number in numbers.items())

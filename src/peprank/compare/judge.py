"""From scores to a comparison: numbers over seeds, paired tests, the seesaw.

Every contender is judged as `peprank evaluate` does it. Differences are tested by drawing the users again, the same
ones for both contenders, and by the spread of the seeds (see `metrics/paired.py`), in cells with enough positives and
negatives. p values that are read side by side, those of the domains or of the tasks, are corrected together (Holm).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from peprank.compare.results import MEAN, PairedTest, Place, Spread
from peprank.compare.rows import Logits, Rows, Truth
from peprank.evaluation import Curves, Results
from peprank.evaluation.seesaw import LARGER_IS_BETTER
from peprank.metrics.paired import holm, paired
from peprank.metrics.resampled import Resampled, UserDraws, over_users

TESTED: Final = ("auc", "gauc", "logloss")
ENOUGH: Final = 50  # positives and negatives that a cell needs to be tested, and to count in a mean over tasks


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Rows of one task that are tested together."""

    task: int  # its position
    name: str
    domain: str | None  # None: all rows
    rows: Rows
    counts: bool  # in the mean over tasks


def cells_of(truth: Truth, *, mean_over: Sequence[str] = ()) -> list[Cell]:
    """The cells with at least `ENOUGH` positives and negatives, of binary tasks; all rows first, then each domain.

    Args:
        mean_over: tasks that count in the mean; (): all.
    """
    names, counts = np.unique(truth.domains, return_counts=True)
    by_size = [str(name) for name in names[np.argsort(-counts, kind="stable")]] if truth.spec.model.domain else []
    cells = []
    for k, task in enumerate(truth.spec.model.tasks):
        for domain in (None, *by_size) if task.num_class == 1 and not task.is_regression else ():
            rows = np.arange(len(truth.labels)) if domain is None else np.flatnonzero(truth.domains == domain)
            positives = int(truth.labels[rows, k].sum())
            if min(positives, len(rows) - positives) >= ENOUGH:
                is_counted = not mean_over or task.name in mean_over
                cells.append(Cell(task=k, name=task.name, domain=domain, rows=rows, counts=is_counted))
    return cells


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One contender with one seed."""

    results: Results
    curves: tuple[Curves, ...]  # of each binary task over all rows
    resampled: Mapping[Place, Resampled]


def judge(truth: Truth, logits: Logits, cells: Sequence[Cell], *, num_replicates: int) -> Judged:
    """All numbers of logits [N, K], and the tested ones on other draws of the users."""
    users, columns = truth.users, truth.spec.model.logit_slices
    resampled: dict[Place, Resampled] = {}
    for cell in cells:
        _, user = np.unique(users[cell.rows], return_inverse=True)
        draws = UserDraws(num_users=int(user.max()) + 1, num_replicates=num_replicates)
        logit, label = logits[cell.rows, columns[cell.task].start], truth.labels[cell.rows, cell.task].astype(np.int64)
        for measure, found in over_users(logit, label, user, draws).items():
            resampled[Place(cell.name, cell.domain, measure)] = found
    counted = {place: resampled[place] for cell in cells if cell.counts for place in _places(cell)}
    evaluation = truth.evaluation(logits)
    return Judged(
        results=evaluation.result(),
        curves=tuple(evaluation.curves(max_segments=0)),
        resampled=resampled | _means(counted),
    )


def _places(cell: Cell) -> list[Place]:
    return [Place(cell.name, cell.domain, measure) for measure in TESTED]


def _means(resampled: Mapping[Place, Resampled]) -> dict[Place, Resampled]:
    """Means over the tasks of a domain; they share their users, and so the draws."""
    by_place: dict[Place, list[Resampled]] = {}
    for place, found in resampled.items():
        by_place.setdefault(Place(MEAN, place.domain, place.measure), []).append(found)
    return {place: _mean(found) for place, found in by_place.items()}


def _mean(found: Sequence[Resampled]) -> Resampled:
    values = [each.value for each in found if each.value is not None]
    value = float(np.mean(values)) if len(values) == len(found) else None
    return Resampled(value, np.mean([each.replicates for each in found], axis=0))


def numbers(seeds: Sequence[Judged]) -> dict[Place, Spread]:
    """Every measure of every task and domain over the seeds, and the means over tasks."""
    if not seeds:
        return {}
    found: dict[Place, list[float | None]] = {}
    for judged in seeds:
        for place, value in _values(judged):
            found.setdefault(place, []).append(value)
    return {place: Spread(tuple(values)) for place, values in found.items()}


def _values(judged: Judged) -> Iterator[tuple[Place, float | None]]:
    domain_column = judged.results.domain_column
    for cell in judged.results.cells:
        if not cell.in_space and cell.column in (None, domain_column):
            for measure, value in cell.measures.items():
                yield Place(cell.task, None if cell.column is None else cell.segment, measure), value.value
    for place, resampled in judged.resampled.items():
        if place.task == MEAN:
            yield place, resampled.value


def paired_tests(
    seeds: Sequence[Judged], others: Sequence[Judged], against: str, *, everywhere: bool
) -> dict[Place, PairedTest]:
    """Paired tests of a contender against another one in every cell, or over all rows only."""
    if not seeds or not others:
        return {}
    generator = np.random.default_rng(0)
    found = {}
    for place in seeds[0].resampled:
        if everywhere or place.domain is None:
            ours, theirs = ([judged.resampled[place] for judged in each] for each in (seeds, others))
            if (difference := paired(ours, theirs, generator)) is not None:
                found[place] = difference
    corrected = dict[Place, float]()
    for family in _families(found):
        corrected |= zip(family, holm([found[place].p for place in family]), strict=True)
    return {
        place: PairedTest(
            against=against,
            difference=difference,
            p_holm=corrected[place],
            gain=difference.value if place.measure in LARGER_IS_BETTER else -difference.value,
        )
        for place, difference in found.items()
    }


def _families(places: Mapping[Place, object]) -> list[list[Place]]:
    """Places that are read side by side: the tasks over all rows, the domains of a task, each mean over all rows."""
    families: dict[tuple[str, str], list[Place]] = {}
    for place in places:
        kind = place.task if place.domain is not None or place.task == MEAN else "all rows"
        scope = "" if place.domain is None else " domains"
        families.setdefault((kind + scope, place.measure), []).append(place)
    return list(families.values())

"""From the runs that are done to the standings: every contender judged, best first."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from peprank.compare.contenders import Contender
from peprank.compare.judge import Cell, Judged, cells_of, judge, numbers, paired_tests
from peprank.compare.plan import Settings
from peprank.compare.results import MEAN, Bounds, Comparison, Curve, Failure, Place, Spread, Standing, TaskRows
from peprank.compare.rows import DomainPart, Logits, Truth
from peprank.compare.runs import Outcome, Run, logits_of
from peprank.errors import DataError


def comparison_of(
    truth: Truth,
    contenders: Sequence[Contender],
    parts: Mapping[str | None, DomainPart],
    outcomes: Mapping[Run, Outcome],
    bounds: Mapping[Place, Bounds],
    settings: Settings,
    *,
    judged: Callable[[int, int], None],
) -> Comparison:
    """Every contender that has scores, best first; then those without.

    Args:
        judged: told of each model and seed that is judged: how many are, of how many; first of none.
    """
    cells = cells_of(truth, mean_over=settings.mean_over)
    sides = [
        _Side(contender, {run: end for run, end in outcomes.items() if run.contender == contender.name})
        for contender in contenders
    ]
    verdicts = _judge_all(truth, sides, parts, cells, settings, judged)
    measure = "gauc" if truth.spec.evaluation.gauc_feature else "auc"
    found = {side.name: numbers(verdicts[side.name]) for side in sides}
    ranked = sorted(sides, key=lambda side: -(_rank_value(found[side.name], measure)))
    leaders = [side.name for side in ranked if verdicts[side.name]][:2]

    def standing(side: _Side) -> Standing:
        seeds = verdicts[side.name]
        rival = next((name for name in leaders if name != side.name), None)
        is_reference = side.name == settings.reference
        return side.standing(
            seeds=tuple(side.whole_seeds),
            numbers=found[side.name],
            curves=tuple(map(Curve.of, seeds[0].curves)) if seeds else (),
            against_reference={}
            if is_reference
            else paired_tests(seeds, verdicts[settings.reference], settings.reference, everywhere=True),
            against_leader={} if rival is None else paired_tests(seeds, verdicts[rival], rival, everywhere=False),
        )

    return Comparison(
        config=settings.config,
        made=datetime.now().astimezone().isoformat(timespec="seconds"),
        eval_rows=len(truth.labels),
        seeds=settings.seeds,
        tasks=tuple(_tasks(truth, cells)),
        domain_column=truth.rows.schema.names[0] if truth.rows.schema.names else None,
        domains=_domain_sizes(truth),
        measure=measure,
        reference=settings.reference,
        is_matched=settings.is_matched,
        num_replicates=settings.num_replicates,
        bounds=bounds,
        standings=tuple(standing(side) for side in ranked),
    )


@dataclass(frozen=True, slots=True)
class _Side:
    """A contender with its runs."""

    contender: Contender
    outcomes: Mapping[Run, Outcome]

    @property
    def name(self) -> str:
        return self.contender.name

    @property
    def whole_seeds(self) -> list[int]:
        """Seeds of which every run is done."""
        failed = {run.seed for run, outcome in self.outcomes.items() if outcome.failure is not None}
        return sorted({run.seed for run in self.outcomes} - failed)

    def logits(self, seed: int, truth: Truth, parts: Mapping[str | None, DomainPart]) -> Logits:
        """Scores of all rows [N, K], put together from its nets."""
        columns = {
            task.name: where for task, where in zip(truth.spec.model.tasks, truth.spec.model.logit_slices, strict=True)
        }
        logits = np.full((len(truth.labels), truth.spec.model.logit_slices[-1].stop), np.nan, np.float32)
        for run in self.outcomes:
            if run.seed == seed:
                into = np.r_[tuple(columns[task] for task in run.tasks)]
                logits[np.ix_(parts[run.part].positions, into)] = logits_of(run)
        return logits

    def standing(self, *, seeds: tuple[int, ...], **judged: Any) -> Standing:
        """What is said of it."""
        nets, ends = self.contender.nets, self.outcomes.items()
        return Standing(
            name=self.name,
            model=nets[0].model,
            changes=self.contender.changes,
            num_nets=len({(run.tasks, run.part) for run in self.outcomes}),
            dense_parameters=max(net.dense_parameters for net in nets),
            embedding_parameters=max(net.embedding_parameters for net in nets),
            multiply_adds=max(net.multiply_adds for net in nets),
            train_s=tuple(sum(end.train_s for run, end in ends if run.seed == seed) for seed in seeds),
            seeds=seeds,
            failures=tuple(Failure(run=run.name, reason=end.failure) for run, end in ends if end.failure is not None),
            **judged,
        )


def _judge_all(
    truth: Truth,
    sides: Sequence[_Side],
    parts: Mapping[str | None, DomainPart],
    cells: Sequence[Cell],
    settings: Settings,
    judged: Callable[[int, int], None],
) -> dict[str, list[Judged]]:
    """Judge every contender and seed; in processes, for it is as much work as a short run."""
    pairs = [(side, seed) for side in sides for seed in side.whole_seeds]
    found: dict[str, list[Judged]] = {side.name: [] for side in sides}
    judged(0, len(pairs))
    with (
        ThreadPoolExecutor(1)
        if settings.jobs == 1
        else ProcessPoolExecutor(settings.jobs, get_context("spawn")) as pool
    ):
        pending = [
            pool.submit(judge, truth, side.logits(seed, truth, parts), cells, num_replicates=settings.num_replicates)
            for side, seed in pairs
        ]
        for num_done, ((side, _), future) in enumerate(zip(pairs, pending, strict=True), start=1):
            found[side.name].append(future.result())
            judged(num_done, len(pairs))
    return found


def _rank_value(found: Mapping[Place, Spread], measure: str) -> float:
    """The mean over tasks and seeds; below everything without scores."""
    mean = found[Place(MEAN, None, measure)].mean if Place(MEAN, None, measure) in found else None
    return -math.inf if mean is None else mean


def _tasks(truth: Truth, cells: Sequence[Cell]) -> Iterator[TaskRows]:
    tested = {cell.task: cell for cell in cells if cell.domain is None}
    for k, task in enumerate(truth.spec.model.tasks):
        is_binary = task.num_class == 1 and not task.is_regression
        positives = int(truth.labels[:, k].sum()) if is_binary else None
        counts = k in tested and tested[k].counts
        yield TaskRows(name=task.name, positives=positives, is_tested=k in tested, counts=counts)


def _domain_sizes(truth: Truth) -> dict[str, int]:
    if not truth.rows.schema.names:
        return {}
    return {str(name): count for name, count in Counter(truth.domains.tolist()).most_common()}


def bounds_of(path: Path) -> dict[Place, Bounds]:
    """What `peprank datasets synthetic` writes beside its rows."""
    try:
        tasks = json.loads(path.read_text("utf-8"))["tasks"]
        return {
            Place(task, None if domain == "all" else domain, "auc"): Bounds(part["constant_auc"], part["oracle_auc"])
            for task, parts in tasks.items()
            for domain, part in parts.items()
            if part["constant_auc"] is not None and part["oracle_auc"] is not None
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path}: is no truth.json of made-up rows ({error}); name one, or leave --truth out"
        ) from error

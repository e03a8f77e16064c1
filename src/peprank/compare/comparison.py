"""A whole comparison: plan the runs, carry them out, judge them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from peprank.compare.contenders import Contender
from peprank.compare.plan import Settings, parts_of, runs_of
from peprank.compare.pool import Watcher, run_all
from peprank.compare.results import Comparison
from peprank.compare.rows import truth_of
from peprank.compare.runs import outcome_of
from peprank.compare.standings import bounds_of, comparison_of
from peprank.compare.tables import markdown
from peprank.errors import SpecError
from peprank.sealed import write_whole
from peprank.spec.pipeline import PipelineSpec

RESULTS, PAGE = "compare.json", "compare.md"


def compare(
    spec: PipelineSpec,
    contenders: Sequence[Contender],
    settings: Settings,
    watcher: Watcher,
    *,
    prepare: Callable[[], None] | None = None,
) -> Comparison:
    """Train every contender with every seed and judge all of them on the same rows.

    Writes `compare.json` and `compare.md`. What an earlier call has finished in `out` is taken over; a run that was
    stopped goes on from its checkpoint.

    Args:
        spec: the plan that says rows, tasks, domain and groups to judge by.
        prepare: called once in each worker process.

    Raises:
        SpecError: the reference is none of the contenders, or the mean is over a task that is none.
        DataError: the rows do not fit the plan.
    """
    _check("--reference", settings.reference, [contender.name for contender in contenders])
    for task in settings.mean_over:
        _check("--mean-over", task, [task.name for task in spec.model.tasks])
    bounds = {} if settings.truth is None else bounds_of(settings.truth)
    truth = truth_of(spec)
    parts = parts_of(spec, contenders, settings, truth)
    runs = runs_of(spec, contenders, settings, parts, num_eval_rows=len(truth.labels))
    outcomes = {run: outcome for run in runs if (outcome := outcome_of(run)) is not None}
    watcher.planned(runs, done=outcomes)
    left = [run for run in runs if run not in outcomes]
    outcomes |= run_all(left, watcher, jobs=settings.jobs, prepare=prepare)
    comparison = comparison_of(truth, contenders, parts, outcomes, bounds, settings, judged=watcher.judged)
    write_whole(settings.out / RESULTS, json.dumps(comparison.to_json(), indent=1) + "\n")
    write_whole(settings.out / PAGE, markdown(comparison))
    return comparison


def _check(option: str, name: str, known: Sequence[str]) -> None:
    if name not in known:
        raise SpecError(option, name, f"is none of {', '.join(known)}")

"""A whole comparison: plan the runs, carry them out, judge them."""

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
from typing import Any, Final
from urllib.parse import quote

import numpy as np

from peprank.compare.contenders import Contender, Net
from peprank.compare.judge import Cell, Judged, cells_of, judge, numbers, paired_tests
from peprank.compare.pool import Watcher, run_all
from peprank.compare.results import MEAN, Bounds, Comparison, Curve, Failure, Place, Spread, Standing, TaskRows
from peprank.compare.rows import DomainPart, Logits, Truth, split, truth_of
from peprank.compare.runs import MODEL, Outcome, Run, logits_of, outcome_of
from peprank.compare.tables import markdown
from peprank.data import columns_of, open_rows
from peprank.errors import DataError, SpecError
from peprank.sealed import write_whole
from peprank.spec.pipeline import PipelineSpec

RESULTS, PAGE = "compare.json", "compare.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a user chooses beside the contenders."""

    config: str  # name of the base, for readers
    out: Path
    seeds: tuple[int, ...]
    reference: str
    jobs: int = 1
    pool_below: int = 1000  # training rows; smaller domains share one net
    num_replicates: int = 1000  # draws of users
    is_matched: bool = False
    truth: Path | None = None  # truth.json of made-up rows
    mean_over: tuple[str, ...] = ()  # tasks whose mean ranks; (): all with enough positives


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
    truth = truth_of(spec)
    parts = _parts(spec, contenders, settings, truth)
    runs = _runs(spec, contenders, settings, parts, num_eval_rows=len(truth.labels))
    outcomes = {run: outcome for run in runs if (outcome := outcome_of(run)) is not None}
    watcher.planned(runs, done=outcomes)
    left = [run for run in runs if run not in outcomes]
    outcomes |= run_all(left, watcher, jobs=settings.jobs, prepare=prepare)
    watcher.judging()
    comparison = _judged(truth, contenders, parts, outcomes, settings)
    write_whole(settings.out / RESULTS, json.dumps(comparison.to_json(), indent=1) + "\n")
    write_whole(settings.out / PAGE, markdown(comparison))
    return comparison


def _check(option: str, name: str, known: Sequence[str]) -> None:
    if name not in known:
        raise SpecError(option, name, f"is none of {', '.join(known)}")


# The plan


def _parts(
    spec: PipelineSpec, contenders: Sequence[Contender], settings: Settings, truth: Truth
) -> dict[str | None, DomainPart]:
    """What nets are trained on: all rows, and the rows of each domain where a contender has a net for each."""
    num_rows = open_rows(spec.train_inputs, spec.data, columns_of(spec, with_targets=True)).num_rows
    whole = DomainPart(train_rows=num_rows or 0, positions=np.arange(len(truth.labels)))
    parts: dict[str | None, DomainPart] = {None: whole}
    if any(contender.per_domain for contender in contenders):
        parts |= split(spec, truth, settings.out / "rows", pool_below=settings.pool_below)
    return parts


def _runs(
    spec: PipelineSpec,
    contenders: Sequence[Contender],
    settings: Settings,
    parts: Mapping[str | None, DomainPart],
    *,
    num_eval_rows: int,
) -> list[Run]:
    """All runs, one seed after the other."""
    rows = json.dumps([spec.train_inputs, parts[None].train_rows, spec.eval_inputs, num_eval_rows, settings.pool_below])
    return [
        Run(
            contender=contender.name,
            is_trees=contender.is_trees,
            seed=seed,
            tasks=net.tasks,
            part=name,
            config=_config(contender, net, settings.out),
            folder=_folder(settings.out, _file_name(contender, net), part.folder, seed),
            train_inputs=part.train_inputs or spec.train_inputs,
            eval_inputs=part.eval_inputs or spec.eval_inputs,
            cost=float(part.train_rows) * (net.multiply_adds + _ROW_COST),
            rows=rows,
        )
        for seed in settings.seeds
        for contender in contenders
        for net in contender.nets
        for name, part in parts.items()
        if contender.per_domain == (name is not None)
    ]


def _config(contender: Contender, net: Net, out: Path) -> Path:
    """Where the config of a net stands; it is written if it is not there."""
    path = out / "configs" / f"{_file_name(contender, net)}.config"
    if not path.is_file() or path.read_text("utf-8") != net.text:
        write_whole(path, net.text)
    return path


def joint_model(out: Path, name: str, seed: int) -> Path | None:
    """The model_dir of a contender that has one net for all rows and tasks; None for any other, and for trees."""
    model_dir = _folder(out, quote(name, safe=_PLAIN), "", seed) / MODEL
    return model_dir if (model_dir / "checkpoints").is_dir() else None


def _folder(out: Path, file_name: str, part: str, seed: int) -> Path:
    return out / "runs" / file_name / (part or "all") / f"seed-{seed}"


def _file_name(contender: Contender, net: Net) -> str:
    task = f" {net.tasks[0]}" if len(contender.nets) > 1 else ""
    return quote(contender.name + task, safe=_PLAIN)


# The judgement


def _judged(
    truth: Truth,
    contenders: Sequence[Contender],
    parts: Mapping[str | None, DomainPart],
    outcomes: Mapping[Run, Outcome],
    settings: Settings,
) -> Comparison:
    """Every contender that has scores, best first; then those without."""
    cells = cells_of(truth, mean_over=settings.mean_over)
    sides = [
        _Side(contender, {run: end for run, end in outcomes.items() if run.contender == contender.name})
        for contender in contenders
    ]
    judged = _judge_all(truth, sides, parts, cells, settings)
    measure = "gauc" if truth.spec.evaluation.gauc_feature else "auc"
    found = {side.name: numbers(judged[side.name]) for side in sides}
    ranked = sorted(sides, key=lambda side: -(_rank_value(found[side.name], measure)))
    leaders = [side.name for side in ranked if judged[side.name]][:2]

    def standing(side: _Side) -> Standing:
        seeds = judged[side.name]
        rival = next((name for name in leaders if name != side.name), None)
        is_reference = side.name == settings.reference
        return side.standing(
            seeds=tuple(side.whole_seeds),
            numbers=found[side.name],
            curves=tuple(map(Curve.of, seeds[0].curves)) if seeds else (),
            against_reference={}
            if is_reference
            else paired_tests(seeds, judged[settings.reference], settings.reference, everywhere=True),
            against_leader={} if rival is None else paired_tests(seeds, judged[rival], rival, everywhere=False),
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
        bounds={} if settings.truth is None else _bounds(settings.truth),
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
) -> dict[str, list[Judged]]:
    """Judge every contender and seed; in processes, for it is as much work as a short run."""
    pairs = [(side, seed) for side in sides for seed in side.whole_seeds]
    found: dict[str, list[Judged]] = {side.name: [] for side in sides}
    with (
        ThreadPoolExecutor(1)
        if settings.jobs == 1
        else ProcessPoolExecutor(settings.jobs, get_context("spawn")) as pool
    ):
        pending = [
            pool.submit(judge, truth, side.logits(seed, truth, parts), cells, num_replicates=settings.num_replicates)
            for side, seed in pairs
        ]
        for (side, _), future in zip(pairs, pending, strict=True):
            found[side.name].append(future.result())
    return found


def _bounds(path: Path) -> dict[Place, Bounds]:
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


_PLAIN: Final = " @"  # characters that stay as they are in file names
_ROW_COST: Final = 100_000  # what reading a row and its share of a step cost, in multiply-adds

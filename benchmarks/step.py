"""The training step: rows/s against the plain network and the processor's own rate, and the share of the tables."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product

from benchmarks import machine, peer, workload
from benchmarks.arithmetic import needed
from benchmarks.machine import Gemm, num_cores
from benchmarks.section import Aim, Section, number, spread
from benchmarks.timing import in_turn, measured_process, rates, ratios, timed_method
from benchmarks.training import (
    DTYPES,
    FUSED,
    OURS,
    PLAIN,
    OurTraining,
    Training,
    in_precision,
    precision_name,
    trainings,
    with_rule,
)
from peprank.spec.pipeline import PipelineSpec
from peprank.spec.train import Precision, RowWiseAdagrad, SparseAdagrad, SparseAdam, SparseRule
from peprank.training.batches import Batch
from peprank.training.sparse import EmbeddingOptimizer

_GEMM = "GEMM"
_RULES: dict[str, SparseRule] = {
    "Adagrad": SparseAdagrad(),
    "row-wise Adagrad": RowWiseAdagrad(),
    "Adam": SparseAdam(),
}
EMULATED = "BF16 is emulated here, which says nothing about processors that have it"


@dataclass(frozen=True, slots=True)
class _Form:
    """How much is timed."""

    rounds: int
    thread_counts: tuple[int, ...]  # the last one is all that may be used
    steps: int  # updates in one timed call
    small_steps: int  # the same on the workload of small batches
    gemms: int  # products of the ruler in one timed call


def run(quick: bool) -> list[Section]:
    """Time the step on both workloads."""
    form = _Form(1, (1,), 2, 1, 1) if quick else _Form(3, tuple(sorted({1, num_cores()})), 2, 40, 8)
    work = workload.taobao(quick=quick)
    plan = work.plan()
    batches = workload.batches(plan, form.steps)
    cases = [
        _case(in_precision(plan, precision), batches, num_threads, form, with_references=True)
        for precision, num_threads in product(DTYPES, form.thread_counts)
    ]
    return [
        _rates_section(work.name, plan, cases),
        _sparse_section(work.name, plan, batches, form),
        _memory_section(work.name, plan, quick),
        _kuairand_section(workload.kuairand(quick=quick), form),
    ]


@dataclass(frozen=True, slots=True)
class Case:
    """Times of one arithmetic and number of threads, one per round."""

    precision: Precision
    num_threads: int
    rows: int  # of all updates of one round
    step_flop: int  # per row
    gemm_flops: list[float]
    seconds: dict[str, list[float]]  # of all updates of one round, by training

    def rows_per_s(self, name: str = OURS) -> list[float]:
        """Of a training."""
        return rates(self.rows, self.seconds[name])

    def flops(self) -> list[float]:
        """FLOP/s of ours, of those that the mathematics needs."""
        return [rate * self.step_flop for rate in self.rows_per_s()]

    def shares(self) -> list[float]:
        """Per cent of the ruler's rate that ours reaches."""
        return [100 * share for share in ratios(self.flops(), self.gemm_flops)]


def _case(
    plan: PipelineSpec, batches: Sequence[Batch], num_threads: int, form: _Form, *, with_references: bool
) -> Case:
    """Time ours, the ruler and, if asked, the references in turn."""
    gemm = Gemm(DTYPES[plan.train.precision], products=form.gemms)
    makers = trainings(plan) if with_references else {OURS: partial(OurTraining, plan)}
    with machine.threads(num_threads):
        calls: dict[str, Callable[[], object]] = {_GEMM: gemm}
        calls |= {name: partial(_updates, make(), batches) for name, make in makers.items()}
        seconds = in_turn(calls, form.rounds)
    return Case(
        precision=plan.train.precision,
        num_threads=num_threads,
        rows=sum(batch.num_rows for batch in batches),
        step_flop=needed(plan.model).step_flop,
        gemm_flops=rates(gemm.flop, seconds.pop(_GEMM)),
        seconds=seconds,
    )


def _updates(training: Training, batches: Sequence[Batch]) -> None:
    for batch in batches:
        training.update(batch)


def _rates_section(name: str, plan: PipelineSpec, cases: Sequence[Case]) -> Section:
    flop = needed(plan.model).step_flop / 1e6
    return Section(
        title=f"Training step, {name}",
        text=f"Batches of {plan.data.batch_rows:,} encoded rows; forward, losses, gradients, optimisers. A row needs "
        f"{number(flop)} MFLOP (see `benchmarks/arithmetic.py`); GFLOP/s and the share of the GEMM rate count these "
        "only, whatever was computed beside them. The plain network is `benchmarks/plain.py`, in the same process and "
        "with the same settings of threads and memory as ours.",
        columns=(
            "arithmetic",
            "threads",
            "rows/s",
            "plain PyTorch, rows/s",
            "ratio to plain",
            "over fbgemm's tables, rows/s",
            "GFLOP/s",
            "GEMM, GFLOP/s",
            "share of GEMM, %",
        ),
        rows=[_cells(case) for case in cases],
        notes=[] if machine.describe().has_bf16 else [f"{EMULATED}."],
        aims=[aim for case in cases if case.num_threads == cases[-1].num_threads for aim in _aims(case)],
    )


def _cells(case: Case) -> list[str]:
    return [
        precision_name(case.precision),
        str(case.num_threads),
        spread(case.rows_per_s()),
        spread(case.rows_per_s(PLAIN)),
        spread(ratios(case.rows_per_s(), case.rows_per_s(PLAIN))),
        spread(case.rows_per_s(FUSED)) if FUSED in case.seconds else "not installed",
        spread([flops / 1e9 for flops in case.flops()]),
        spread([flops / 1e9 for flops in case.gemm_flops]),
        spread(case.shares()),
    ]


def _aims(case: Case) -> list[Aim]:
    share, rows = {Precision.FLOAT32: (80, 12_000), Precision.BF16: (70, 25_000)}[case.precision]
    what = f"training step, {precision_name(case.precision)}"
    there = peer.rates_there(case.rows_per_s(), case.gemm_flops, case.precision)
    aims = [
        Aim(f"{what}: share of the GEMM rate", share, case.shares(), "%"),
        Aim(f"{what}: rate, scaled to the peer's machine by the GEMM rates", rows, there, "rows/s"),
    ]
    return [judged(aim, case.precision) for aim in aims]


def judged(aim: Aim, precision: Precision) -> Aim:
    """The aim as it is; without a verdict where its arithmetic is only emulated."""
    if precision is Precision.FLOAT32 or machine.describe().has_bf16:
        return aim
    return replace(aim, measured=(), remark=EMULATED)


def _sparse_section(name: str, plan: PipelineSpec, batches: Sequence[Batch], form: _Form) -> Section:
    with machine.threads(form.thread_counts[-1]):
        updates, steps = _sparse_times(plan, batches, form.rounds)
    shares = {rule: [100 * share for share in ratios(updates[rule], steps[rule])] for rule in _RULES}
    return Section(
        title=f"Update of the tables within the step, {name}",
        text=f"float32, threads: {form.thread_counts[-1]}. From the gradients of the looked-up rows to the written "
        "tables and their optimiser's state; only rows that the batch touched are read or written.",
        columns=("rule", "update, ms", "step, ms", "share of the step, %"),
        rows=[(rule, _ms(updates[rule]), _ms(steps[rule]), spread(shares[rule])) for rule in _RULES],
        aims=[
            Aim(f"update of the tables, {rule}: share of the step", 12, shares[rule], "%", at_most=True)
            for rule in _RULES
        ],
    )


def _sparse_times(
    plan: PipelineSpec, batches: Sequence[Batch], rounds: int
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Seconds of the tables' update and of the whole step, per step and round, by rule; all rules in turn."""
    made = {name: OurTraining(with_rule(plan, rule)) for name, rule in _RULES.items()}
    updates: dict[str, list[float]] = {name: [] for name in _RULES}

    def timed(name: str) -> None:
        with timed_method(EmbeddingOptimizer, "step") as seconds:
            _updates(made[name], batches)
        updates[name].append(sum(seconds) / len(batches))

    steps = in_turn({name: partial(timed, name) for name in _RULES}, rounds)
    return (
        {name: of_rounds[1:] for name, of_rounds in updates.items()},  # the first round does not count
        {name: [s / len(batches) for s in of_rounds] for name, of_rounds in steps.items()},
    )


def _ms(seconds: Sequence[float]) -> str:
    return spread([1e3 * s for s in seconds])


def _memory_section(name: str, plan: PipelineSpec, quick: bool) -> Section:
    form = ["--quick"] if quick else []
    peaks = {
        training: measured_process(
            [sys.executable, "-m", "benchmarks.alone", training, *form], cwd=workload.ROOT
        ).peak_bytes
        for training in trainings(plan)
    }
    return Section(
        title=f"Peak memory of training steps, {name}",
        text="Resident memory of a process that imports torch, builds the network and makes three updates in float32.",
        columns=("training", "peak, MB", "ratio to plain"),
        rows=[(training, number(peak / 1e6), number(peak / peaks[PLAIN])) for training, peak in peaks.items()],
    )


def _kuairand_section(work: workload.Workload, form: _Form) -> Section:
    plan = work.plan()
    batches = workload.batches(plan, form.small_steps)
    cases = [
        _case(in_precision(plan, precision), batches, form.thread_counts[-1], form, with_references=False)
        for precision in DTYPES
    ]
    return Section(
        title=f"Training step, {work.name}",
        text=f"Batches of {plan.data.batch_rows:,} encoded rows, {number(needed(plan.model).step_flop / 1e6)} MFLOP a "
        "row. Its wiring is the paper's and some of its features are numbers; the plain network has neither.",
        columns=("arithmetic", "threads", "rows/s", "ms a step", "GFLOP/s", "share of GEMM, %"),
        rows=[
            (
                precision_name(case.precision),
                str(case.num_threads),
                spread(case.rows_per_s()),
                _ms([s / len(batches) for s in case.seconds[OURS]]),
                spread([flops / 1e9 for flops in case.flops()]),
                spread(case.shares()),
            )
            for case in cases
        ],
    )

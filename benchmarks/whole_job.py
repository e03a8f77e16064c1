"""Whole jobs as users run them: `peprank train` from start to evaluation, then `evaluate` and `predict`."""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from benchmarks import machine, peer, workload
from benchmarks.arithmetic import needed, table_bytes
from benchmarks.machine import Gemm, num_cores
from benchmarks.plain import Plain
from benchmarks.section import Aim, Section, number, spread
from benchmarks.timing import ProcessRun, in_turn, measured_process, rates, ratios
from benchmarks.training import DTYPES, precision_name
from benchmarks.workload import Workload
from peprank import api
from peprank.predict import Scorer, predict_files
from peprank.spec.train import Precision
from peprank.training.batches import Batch

_PEPRANK = (sys.executable, "-m", "peprank")
_FIRST_STEP = re.compile(r"step 1\b(?!,)")  # the line of progress; "step 1, saved" is another
_SAVED = re.compile(r"step [\d,]+, saved ")
_NO_BF16 = "this processor has no BF16: emulated, it would say nothing about those that have it"
_GEMM, _PLAIN, _EVALUATE, _PREDICT = "GEMM", "plain", "evaluate", "predict"


def run(quick: bool) -> list[Section]:
    """Train, evaluate and predict, each precision in turn; BF16 where the processor has it, and in the quick form."""
    work = workload.taobao(quick=quick)
    rounds = 1 if quick else 3
    precisions = tuple(DTYPES) if quick or machine.describe().has_bf16 else (Precision.FLOAT32,)
    with tempfile.TemporaryDirectory(dir=workload.CACHE) as folder:
        model_dir, bundle = Path(folder) / "model", Path(folder) / "bundle"
        jobs: dict[Precision, list[Job]] = {precision: [] for precision in precisions}
        for _ in range(rounds):
            for precision, done in jobs.items():
                done.append(_job(work, precision, model_dir))
        api.export(model_dir, bundle)
        scorings = [_scoring(work, bundle, precision, rounds) for precision in precisions]
    return [_job_section(work, jobs), _scoring_section(work, scorings)]


@dataclass(frozen=True, slots=True)
class Job:
    """One run of `peprank train`."""

    process: ProcessRun
    gemm_flops: float  # the ruler, just before

    @property
    def first_step_s(self) -> float:
        """From the start of the process to the end of the first update."""
        return self._when(_FIRST_STEP)

    @property
    def saved_s(self) -> float:
        """From the start of the process until the last checkpoint is on disk."""
        return self._when(_SAVED, last=True)

    def _when(self, pattern: re.Pattern[str], *, last: bool = False) -> float:
        times = [line.seconds for line in self.process.lines if pattern.match(line.text)]
        if not times:
            raise RuntimeError(f"peprank train wrote no line like '{pattern.pattern}'")
        return times[-1 if last else 0]


def _job(work: Workload, precision: Precision, model_dir: Path) -> Job:
    """Train afresh in a process of its own."""
    shutil.rmtree(model_dir, ignore_errors=True)
    gemm = machine.gemm_flops(DTYPES[precision], num_cores())
    arguments = [*work.arguments(model_dir), "--set", f'train_config.mixed_precision="{precision.value}"']
    return Job(measured_process([*_PEPRANK, "train", *arguments]), gemm)


def _job_section(work: Workload, jobs: dict[Precision, list[Job]]) -> Section:
    tables, state = table_bytes(work.plan())
    notes = [
        f"Peer: {', '.join(f'{precision_name(p)} {number(s)} s' for p, s in peer.WHOLE_JOB_S.items())}; scaled: "
        "multiplied by the GEMM rate here and divided by the one there.",
        f"Tables {number(tables / 1e6)} MB, their optimiser's state {number(state / 1e6)} MB.",
        "First step: until `peprank train` prints the line of step 1, which follows the update.",
    ]
    if Precision.BF16 not in jobs:
        notes.append(f"BF16 was not run: {_NO_BF16}.")
    return Section(
        title=f"The whole job, {work.name}",
        text=f"`peprank train` as a process of its own: start, {work.train_rows:,} rows in batches of "
        f"{work.plan().data.batch_rows:,}, checkpoint, evaluation on {work.eval_rows:,} rows, end.",
        columns=(
            "arithmetic",
            "wall, s",
            "scaled to the peer's machine, s",
            "to the first step, s",
            "to the checkpoint, s",
            "peak, MB",
            "over tables and state, MB",
        ),
        rows=[_job_cells(precision, done, tables + state) for precision, done in jobs.items()],
        notes=notes,
        aims=_job_aims(jobs, tables + state),
    )


def _job_cells(precision: Precision, jobs: Sequence[Job], kept_bytes: int) -> list[str]:
    return [
        precision_name(precision),
        spread([job.process.seconds for job in jobs]),
        spread(_there(precision, jobs)),
        spread([job.first_step_s for job in jobs]),
        spread([job.saved_s for job in jobs]),
        spread([job.process.peak_bytes / 1e6 for job in jobs]),
        spread(_excess_mb(jobs, kept_bytes)),
    ]


def _job_aims(jobs: dict[Precision, list[Job]], kept_bytes: int) -> list[Aim]:
    in_float32 = jobs[Precision.FLOAT32]
    aims = [
        Aim(
            f"whole job, {precision_name(precision)}, scaled to the peer's machine: half the peer's time",
            peer.WHOLE_JOB_S[precision] / 2,
            _there(precision, jobs[precision]) if precision in jobs else (),
            "s",
            at_most=True,
            remark="" if precision in jobs else _NO_BF16,
        )
        for precision in DTYPES
    ]
    return [
        *aims,
        Aim(
            "peak memory of `peprank train` over tables and optimiser state",
            700,
            _excess_mb(in_float32, kept_bytes),
            "MB",
            at_most=True,
        ),
        Aim("time to the first step", 4, [job.first_step_s for job in in_float32], "s", at_most=True),
    ]


def _there(precision: Precision, jobs: Sequence[Job]) -> list[float]:
    """Wall seconds, scaled to the peer's machine."""
    return peer.seconds_there([job.process.seconds for job in jobs], [job.gemm_flops for job in jobs], precision)


def _excess_mb(jobs: Sequence[Job], kept_bytes: int) -> list[float]:
    return [(job.process.peak_bytes - kept_bytes) / 1e6 for job in jobs]


@dataclass(frozen=True, slots=True)
class Scoring:
    """Evaluation and prediction in one arithmetic."""

    precision: Precision
    rows: int
    gemm_flops: list[float]
    seconds: dict[str, list[float]]  # by verb, the model loaded before; and of the plain network's forward pass
    processes: dict[str, list[ProcessRun]]  # by verb

    def rows_per_s(self, what: str) -> list[float]:
        """With the model loaded."""
        return rates(self.rows, self.seconds[what])


def _scoring(work: Workload, bundle: Path, precision: Precision, rounds: int) -> Scoring:
    """Time both verbs on the evaluation rows, as calls with the model loaded and as processes."""
    is_bf16, out = precision is Precision.BF16, bundle.with_name("scores.parquet")
    scorer, evaluation = api.load(bundle, bf16=is_bf16), str(work.eval)
    gemm = Gemm(DTYPES[precision], products=1 if rounds == 1 else 8)
    calls: dict[str, Callable[[], object]] = {
        _GEMM: gemm,
        _PLAIN: partial(_plain_scores, *_plain(work, scorer), is_bf16),
        _EVALUATE: partial(api.evaluate, scorer, evaluation),
        _PREDICT: partial(predict_files, scorer, [evaluation], out),
    }
    with machine.threads(num_cores()):
        seconds = in_turn(calls, rounds)
    form = ["--precision", "bf16" if is_bf16 else "float32"]
    results = str(bundle.with_name("results.json"))
    commands = {
        _EVALUATE: [*_PEPRANK, "evaluate", str(bundle), evaluation, "--out", results, *form],
        _PREDICT: [*_PEPRANK, "predict", str(bundle), evaluation, "--out", str(out), *form],
    }
    processes = {verb: [measured_process(command) for _ in range(rounds)] for verb, command in commands.items()}
    return Scoring(precision, work.eval_rows, rates(gemm.flop, seconds.pop(_GEMM)), seconds, processes)


def _plain(work: Workload, scorer: Scorer) -> tuple[Plain, list[Batch]]:
    """The plain network with the weights of a model, and the evaluation rows encoded."""
    plan = work.plan(f'train_input_path="{work.eval}"')
    network = Plain(plan.model).eval()
    network.take_weights(scorer.ranker)
    return network, workload.batches(plan, -(-work.eval_rows // plan.data.batch_rows))


def _plain_scores(network: Plain, batches: Sequence[Batch], bf16: bool) -> None:
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        for batch in batches:
            network(batch.features)


def _scoring_section(work: Workload, scorings: Sequence[Scoring]) -> Section:
    flop = needed(work.plan().model).forward_flop
    return Section(
        title=f"Evaluation and prediction, {work.name}",
        text=f"{work.eval_rows:,} rows of Parquet, to the table of metrics or to Parquet; a row needs "
        f"{number(flop / 1e6)} MFLOP. First with the model loaded, then as a process, start and loading included. The "
        "plain network is given rows that are encoded already, and only computes logits.",
        columns=(
            "verb",
            "arithmetic",
            "rows/s",
            "plain network's forward pass alone, rows/s",
            "ratio",
            "share of GEMM, %",
            "whole process, rows/s",
            "its peak, MB",
        ),
        rows=[_scoring_cells(verb, scoring, flop) for scoring in scorings for verb in (_EVALUATE, _PREDICT)],
        notes=[
            "Peer, rows/s: evaluation "
            f"{number(peer.EVALUATE_ROWS_PER_S[Precision.FLOAT32])} in float32 and "
            f"{number(peer.EVALUATE_ROWS_PER_S[Precision.BF16])} in BF16, prediction "
            f"{number(peer.PREDICT_ROWS_PER_S[Precision.FLOAT32])} in float32."
        ],
        aims=[
            aim
            for precision, target in ((Precision.FLOAT32, 45_000), (Precision.BF16, 60_000))
            for aim in _scoring_aims(precision, target, scorings)
        ],
    )


def _scoring_cells(verb: str, scoring: Scoring, flop: int) -> list[str]:
    own = scoring.rows_per_s(verb)
    shares = [100 * rate * flop / gemm for rate, gemm in zip(own, scoring.gemm_flops, strict=True)]
    processes = scoring.processes[verb]
    return [
        verb,
        precision_name(scoring.precision),
        spread(own),
        spread(scoring.rows_per_s(_PLAIN)),
        spread(ratios(own, scoring.rows_per_s(_PLAIN))),
        spread(shares),
        spread(rates(scoring.rows, [process.seconds for process in processes])),
        spread([process.peak_bytes / 1e6 for process in processes]),
    ]


def _scoring_aims(precision: Precision, target: float, scorings: Sequence[Scoring]) -> list[Aim]:
    scoring = next((scoring for scoring in scorings if scoring.precision is precision), None)
    return [
        Aim(
            f"{verb} from Parquet, {precision_name(precision)}, scaled to the peer's machine",
            target,
            peer.rates_there(scoring.rows_per_s(verb), scoring.gemm_flops, precision) if scoring else (),
            "rows/s",
            remark="" if scoring else _NO_BF16,
        )
        for verb in (_EVALUATE, _PREDICT)
    ]

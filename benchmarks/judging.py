"""Judge ten million rows: all measures of 4 tasks over all rows and in 8 domains, and the memory that it takes.

Run as a module it judges made-up rows in this process and prints JSON: `python -m benchmarks.judging ROWS`.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from benchmarks import made_up
from benchmarks.made_up import DOMAIN, Shape
from benchmarks.section import Aim, Section, number, spread
from benchmarks.timing import measured_process
from benchmarks.workload import ROOT
from peprank.evaluation import Evaluation, Results
from peprank.spec.feature import Identity, IdFeature
from peprank.spec.pipeline import PipelineSpec

TASKS, DOMAINS = 4, 8
ROWS, QUICK_ROWS = 10_000_000, 20_000
USER = "user"
_ROWS_PER_USER = 33
_BATCH_ROWS = 8192
_ROUNDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What one process found."""

    results: Results
    add_s: float  # to take all rows in
    result_s: float  # to judge them

    @property
    def seconds(self) -> float:
        """Both."""
        return self.add_s + self.result_s


def run(quick: bool) -> list[Section]:
    """Judge in processes of their own, so that the memory is theirs alone."""
    rows = QUICK_ROWS if quick else ROWS
    command = [sys.executable, "-m", "benchmarks.judging", str(rows)]
    children = [measured_process(command, cwd=ROOT) for _ in range(1 if quick else _ROUNDS)]
    found = [json.loads(child.stdout) for child in children]
    assert all(report["cells"] == TASKS * (1 + DOMAINS) for report in found)
    assert len({report["auc"] for report in found}) == 1, "the same rows were judged differently"
    seconds = [report["seconds"] for report in found]
    gigabytes = [child.peak_bytes / 1e9 for child in children]
    before = [report["bytes_before"] / 1e9 for report in found]
    text = (
        f"{rows:,} rows x {TASKS} tasks of {rows // _ROWS_PER_USER:,} users through `Evaluation`: AUC, GAUC, logloss, "
        f"normalised entropy and calibration of each task over all rows and in each of {DOMAINS} domains. Seconds: "
        "taking the rows in and judging them, not making them up. Memory: the most that the process ever held, with "
        "Python and all libraries."
    )
    return [
        Section(
            title="Judging",
            text=text,
            columns=("rows", "seconds", "rows/s", "peak memory, GB", "of it before the first row, GB"),
            rows=[
                [
                    f"{rows:,}",
                    spread(seconds),
                    spread([rows / s for s in seconds]),
                    spread(gigabytes),
                    number(max(before)),
                ]
            ],
            aims=[
                Aim(
                    f"AUC, GAUC and logloss of {rows:,} rows x {TASKS} tasks x {DOMAINS} domains",
                    20,
                    seconds,
                    "s",
                    True,
                ),
                Aim("peak memory of that", 1.5, gigabytes, "GB", True),
            ],
        )
    ]


def judged(num_rows: int) -> Judged:
    """Judge rows whose logits know a little of their labels, batch by batch as an evaluation meets them."""
    evaluation, add_s = Evaluation(_plan(num_rows // _ROWS_PER_USER + 1)), 0.0
    for rows, logits, labels, users in _batches(num_rows):
        start = time.perf_counter()
        evaluation.add(rows, logits, labels, {USER: users}, {})
        add_s += time.perf_counter() - start
    start = time.perf_counter()
    results = evaluation.result()
    return Judged(results=results, add_s=add_s, result_s=time.perf_counter() - start)


def _plan(num_users: int) -> PipelineSpec:
    spec = made_up.plan(Shape(num_tasks=TASKS, num_domains=DOMAINS))
    user = IdFeature(name=USER, column=USER, rule=Identity(rows=num_users))
    return replace(spec, features=(*spec.features, user), evaluation=replace(spec.evaluation, gauc_feature=USER))


def _batches(num_rows: int) -> Iterator[tuple[pa.RecordBatch, np.ndarray, np.ndarray, np.ndarray]]:
    """Rows with their domain, logits [B, T], labels [B, T], users [B]."""
    draw = np.random.default_rng(1)
    for start in range(0, num_rows, _BATCH_ROWS):
        num = min(_BATCH_ROWS, num_rows - start)
        logits = draw.standard_normal((num, TASKS), np.float32) - np.float32(2)
        labels = (draw.standard_normal((num, TASKS), np.float32) + logits > 0).astype(np.float32)
        rows = pa.RecordBatch.from_pydict({DOMAIN: draw.integers(0, DOMAINS, num)})
        yield rows, logits, labels, draw.integers(0, num_rows // _ROWS_PER_USER + 1, num)


def _resident_peak() -> int:
    """Bytes of this process's largest resident set so far."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> None:
    """Judge as many rows as the first argument says; print what it took."""
    before = _resident_peak()
    found = judged(int(sys.argv[1]))
    report = {
        "seconds": found.seconds,
        "bytes_before": before,
        "cells": len(found.results.cells),
        "auc": found.results.named()["auc"],
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()

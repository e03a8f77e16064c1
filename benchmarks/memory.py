"""Whether training on ten times the rows takes more memory: `peprank train` over 1 and over 10 million rows."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import workload
from benchmarks.section import Aim, Section, number, spread
from benchmarks.timing import ProcessRun, measured_process, ratios
from benchmarks.workload import CACHE, Workload, kept

COPIES = 10
# A network so small that the rows, and not the arithmetic, take the time; and tables so small that they hide nothing.
NARROW = (
    "feature_configs[:].id_feature.embedding_dim=2",
    "feature_configs[:].raw_feature.embedding_dim=2",
    "model_config.pepnet.ppnet_hidden_units=[8, 4]",
    "model_config.pepnet.task_towers[:].mlp.hidden_units=[4]",
    "data_config.shuffle=true",
)
_ROUNDS = 3


def run(quick: bool) -> list[Section]:
    """Train on the rows once, and on as many files of them as there are copies."""
    work = workload.taobao(quick=quick)
    few = replace(work, overrides=(*work.overrides, *(NARROW[2:] if quick else NARROW)))
    many = replace(few, train=_copies(work), train_rows=COPIES * work.train_rows)
    pairs = [(_trained(few), _trained(many)) for _ in range(1 if quick else _ROUNDS)]
    small, large = ([runs[k].peak_bytes / 1e6 for runs in pairs] for k in (0, 1))
    return [
        Section(
            title="Memory over rows",
            text=f"The most memory that `peprank train` held, with Python and all libraries, on {work.name} with a "
            "small network and narrow embeddings, so that tables and arithmetic hide nothing; rows shuffled. "
            f"The larger input is the same file {COPIES} times.",
            columns=("rows", "peak memory, MB", "seconds, whole process"),
            rows=[
                [f"{rows:,}", spread(peaks), number(runs[0].seconds)]
                for rows, peaks, runs in zip(
                    (few.train_rows, many.train_rows), (small, large), zip(*pairs, strict=True), strict=True
                )
            ],
            aims=[
                Aim(
                    f"growth of memory from {few.train_rows:,} to {many.train_rows:,} rows",
                    10,
                    [100 * (ratio - 1) for ratio in ratios(large, small)],
                    "%",
                    at_most=True,
                )
            ],
        )
    ]


def _trained(work: Workload) -> ProcessRun:
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "peprank", "train", *work.arguments(Path(folder) / "model")]
        return measured_process(command)


def _copies(work: Workload) -> Path:
    """A folder in which the training rows lie several times, without taking room on the disk for it."""

    def write(out: Path) -> None:
        out.mkdir()
        for k in range(COPIES):
            os.link(work.train, out / f"part-{k}.parquet")

    return kept(CACHE / "copies" / f"{COPIES}-of-{work.train_rows}-rows", write)

"""Whether training on ten times the rows takes more memory: `peprank train` over 1 and over 10 million rows."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import workload
from benchmarks.section import Aim, Section, spread
from benchmarks.timing import ProcessRun, measured_process, ratios
from benchmarks.workload import CACHE, Workload, kept

COPIES = 10
# A network so small that the rows, and not the arithmetic, take the time; and tables so small that they hide nothing.
NARROW_EMBEDDINGS = (
    "feature_configs[:].id_feature.embedding_dim=2",
    "feature_configs[:].raw_feature.embedding_dim=2",
)
NARROW_NETWORK = (
    "model_config.pepnet.ppnet_hidden_units=[8, 4]",
    "model_config.pepnet.task_towers[:].mlp.hidden_units=[4]",
    "data_config.shuffle=true",
)
_ROUNDS = 3


def run(quick: bool) -> list[Section]:
    """Train on the rows once, and on as many files of them as there are copies."""
    work = workload.taobao(quick=quick)
    few = narrow(work, quick=quick)
    many = repeated(few)
    rounds = [(_trained(few), _trained(many)) for _ in range(1 if quick else _ROUNDS)]
    return [_section(few, many, rounds)]


def narrow(work: Workload, *, quick: bool) -> Workload:
    """The workload with a small network, and, unless they are narrow as in the quick form, narrow embeddings."""
    embeddings = () if quick else NARROW_EMBEDDINGS
    return replace(work, overrides=(*work.overrides, *embeddings, *NARROW_NETWORK))


def repeated(work: Workload) -> Workload:
    """The workload over several files with the same rows, which take no room on the disk."""
    return replace(work, train=_copies(work), train_rows=COPIES * work.train_rows)


def _trained(work: Workload) -> ProcessRun:
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "peprank", "train", *work.arguments(Path(folder) / "model")]
        return measured_process(command)


def _copies(work: Workload) -> Path:
    """A folder of links to the training rows' file."""

    def write(out: Path) -> None:
        out.mkdir()
        for k in range(COPIES):
            os.link(work.train, out / f"part-{k}.parquet")

    return kept(CACHE / "copies" / f"{COPIES}-of-{work.train_rows}-rows", write)


def _section(few: Workload, many: Workload, rounds: Sequence[tuple[ProcessRun, ProcessRun]]) -> Section:
    small, large = zip(*rounds, strict=True)
    growth = ratios([run.peak_bytes for run in large], [run.peak_bytes for run in small])
    return Section(
        title="Memory over rows",
        text=f"The most memory that `peprank train` held, with Python and all libraries, on {few.name} with a small "
        "network and narrow embeddings, so that tables and arithmetic hide nothing; rows shuffled. The larger input is "
        f"the same file {COPIES} times.",
        columns=("rows", "peak memory, MB", "the whole process, s"),
        rows=[
            [f"{work.train_rows:,}", spread([r.peak_bytes / 1e6 for r in runs]), spread([r.seconds for r in runs])]
            for work, runs in ((few, small), (many, large))
        ],
        aims=[
            Aim(
                f"growth of memory from {few.train_rows:,} to {many.train_rows:,} rows",
                10,
                [100 * (ratio - 1) for ratio in growth],
                "%",
                at_most=True,
            )
        ],
    )

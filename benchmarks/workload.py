"""The work that is timed: rows, configs, plans and encoded batches.

Rows are made once and kept in `build/bench`. The full form reads the project's test data, a folder `shared` beside the
checkout; the quick form needs nothing but the repository.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from peprank import config as configs
from peprank.data import columns_of, open_rows
from peprank.datasets import DayRange, convert, make
from peprank.encode import Encoder
from peprank.sealed import replacing
from peprank.spec.pipeline import PipelineSpec
from peprank.training.batches import Batch

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
CACHE = ROOT / "build" / "bench"

TRAIN_ROWS, EVAL_ROWS = 1_000_000, 200_000
QUICK_TRAIN_ROWS, QUICK_EVAL_ROWS = 4_096, 1_024


class MissingData(RuntimeError):  # noqa: N818  named as what it says
    """The full form was asked for where the project's test data is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A config and its rows."""

    name: str
    config: Path
    train: Path
    eval: Path
    train_rows: int
    eval_rows: int
    overrides: tuple[str, ...] = ()  # as --set takes them

    def plan(self, *more: str) -> PipelineSpec:
        """The plan of the config over these rows; `more` are overrides on top."""
        paths = (f'train_input_path="{self.train}"', f'eval_input_path="{self.eval}"')
        return configs.load(self.config, [*paths, *self.overrides, *more]).spec

    def arguments(self, model_dir: Path) -> list[str]:
        """What `peprank train` is given for it."""
        changes = [part for change in self.overrides for part in ("--set", change)]
        paths = ["--train-input", str(self.train), "--eval-input", str(self.eval), "--model-dir", str(model_dir)]
        return [str(self.config), *paths, *changes]


def taobao(*, quick: bool) -> Workload:
    """The main workload: `pepnet_taobao.config`, whose id columns are integers already; or its shape in small."""
    if quick:
        return _small()
    tool, folder = _shared("tools/taobao_rows.py"), CACHE / "taobao"

    def rows(num: int, seed: int) -> Path:
        command = [sys.executable, str(tool), "--rows", str(num), "--seed", str(seed), "--out"]
        return kept(folder / f"{num}-rows-seed-{seed}.parquet", lambda out: _run([*command, str(out)]))

    return Workload(
        name="pepnet_taobao.config",
        config=_shared("fixtures/configs/pepnet_taobao.config"),
        train=rows(TRAIN_ROWS, 1),
        eval=rows(EVAL_ROWS, 2),
        train_rows=TRAIN_ROWS,
        eval_rows=EVAL_ROWS,
        overrides=("data_config.fg_mode=FG_NONE",),
    )


def kuairand(*, quick: bool) -> Workload:
    """The config of the repository's example, with the slice of KuaiRand-Pure; or with few made-up rows."""
    folder = CACHE / ("made-up" if quick else "kuairand")
    train, evaluation = folder / "train.parquet", folder / "val.parquet"
    if not (train.is_file() and evaluation.is_file()):
        if quick:
            make(folder, rows=QUICK_TRAIN_ROWS, domains=3, tasks=6, seed=1)
        else:
            days = DayRange.parse("20220425:20220504"), DayRange.parse("20220505:20220506")
            convert(_shared("data/KuaiRand-Pure"), folder, train=days[0], val=days[1])
    return Workload(
        name="kuairand.config",
        config=ROOT / "examples" / "kuairand.config",
        train=train,
        eval=evaluation,
        train_rows=pq.read_metadata(train).num_rows,
        eval_rows=pq.read_metadata(evaluation).num_rows,
    )


def batches(spec: PipelineSpec, num: int) -> list[Batch]:
    """The first `num` batches of a plan's training rows, encoded; fewer where the rows end."""
    encoder = Encoder(spec)
    reader = open_rows(spec.train_inputs, spec.data, columns_of(spec, with_targets=True))
    return [Batch(encoder.features(rows), encoder.targets(rows)) for rows in islice(reader.batches(), num)]


def kept(path: Path, write: Callable[[Path], object]) -> Path:
    """`path`, written by `write` if it is not there yet; it appears whole or not at all."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as beside:
            write(beside)
    return path


def _shared(name: str) -> Path:
    path = SHARED / name
    if not path.exists():
        raise MissingData(
            f"the full benchmarks read the project's test data, and there is no 'shared/{name}' beside the checkout; "
            "run the quick form: python -m benchmarks --quick"
        )
    return path


def _run(command: Sequence[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _small() -> Workload:
    folder = CACHE / "small"
    return Workload(
        name="quick.config",
        config=ROOT / "benchmarks" / "quick.config",
        train=kept(folder / "train.parquet", lambda out: pq.write_table(_small_rows(QUICK_TRAIN_ROWS, 1), out)),
        eval=kept(folder / "eval.parquet", lambda out: pq.write_table(_small_rows(QUICK_EVAL_ROWS, 2), out)),
        train_rows=QUICK_TRAIN_ROWS,
        eval_rows=QUICK_EVAL_ROWS,
    )


def _small_rows(num: int, seed: int) -> pa.Table:
    """Rows of quick.config."""
    draw = np.random.default_rng(seed)
    clicks = draw.random(num) < 0.3
    return pa.table(
        {
            "user": draw.integers(0, 5000, num),
            "item": draw.integers(0, 3000, num),
            "brand": draw.integers(0, 100, num),
            "tab": draw.integers(0, 3, num),
            "clk": clicks.astype(np.int64),
            "buy": (clicks & (draw.random(num) < 0.3)).astype(np.int64),
        }
    )

"""Training takes memory for the rows that it has in hand, not for all there are."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.timing import measured_process
from tests import tiny
from tests.promises import Reached, Times

LETTERS = 2000  # of the text in each row
COPIES = 10
WIDE = 'id_feature { feature_name: "wide" expression: "item:wide" hash_bucket_size: 9 embedding_dim: 4 }'
CONFIG = (
    tiny.CONFIG.replace("model_config {", f"feature_configs {{ {WIDE} }}\nmodel_config {{")
    .replace('"all" feature_names: [', '"all" feature_names: ["wide", ')
    .replace("num_epochs: 2", "num_epochs: 1")
)


def write_wide(path: Path, groups: int) -> None:
    """Groups of 1,000 rows each, which no compression makes smaller."""
    rng = np.random.default_rng(3)
    few = tiny.rows(1_000)
    texts = pa.array([rng.bytes(LETTERS // 2).hex() for _ in range(len(few))])
    wide = few.append_column("wide", texts)
    with pq.ParquetWriter(path, wide.schema, compression="none", use_dictionary=False) as file:
        for _ in range(groups):
            file.write_table(wide)


@pytest.mark.promise("R-10", "trainings on ten times the rows")
def test_training_on_ten_times_the_rows_takes_no_more_memory(tmp_path: Path, times: Times, reached: Reached) -> None:
    config = tiny.write(tmp_path, config=CONFIG)
    few = tmp_path / "few"
    few.mkdir()
    write_wide(few / "part-0.parquet", times(5, 500))
    many = tmp_path / "many"
    many.mkdir()
    for k in range(COPIES):
        os.link(few / "part-0.parquet", many / f"part-{k}.parquet")
    batch_rows, peak = times(64, 2048), []
    for rows in (few, many):
        options = ["--train-input", str(rows / "*.parquet"), "--model-dir", str(tmp_path / f"{rows.name}-model")]
        changes = ["--set", "eval_input_path=''", "--set", f"data_config.batch_size={batch_rows}"]
        command = [sys.executable, "-m", "peprank", "train", str(config), *options, *changes]
        peak.append(measured_process(command).peak_bytes)
    assert peak[1] <= 1.1 * peak[0]
    size = (few / "part-0.parquet").stat().st_size
    reached(
        f"training on {size / 1e9:.2g} GB of Parquet held {peak[0] / 1e6:,.0f} MB at most, "
        f"on {COPIES * size / 1e9:.2g} GB {peak[1] / 1e6:,.0f} MB"
    )

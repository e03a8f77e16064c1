"""Whether two runs of one seed come to the same bits on this machine."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from peprank import config
from peprank.doctor.finding import Finding, ok, problem
from peprank.errors import PeprankError
from peprank.training import train

_ROWS, _BATCH_ROWS = 4096, 512
# A small PEPNet with what could make runs differ: dropout, tables with rows that meet in a batch, a shuffle.
_CONFIG = f"""
train_input_path: "rows.parquet"
eval_input_path: ""
model_dir: "model"
train_config {{
  sparse_optimizer {{ adagrad_optimizer {{ lr: 0.05 }} constant_learning_rate {{}} }}
  dense_optimizer {{ adam_optimizer {{ lr: 0.01 }} constant_learning_rate {{}} }}
  num_epochs: 1
  use_tensorboard: false
}}
data_config {{
  batch_size: {_BATCH_ROWS} dataset_type: ParquetDataset fg_mode: FG_NORMAL label_fields: "click" shuffle: true
}}
feature_configs {{ id_feature {{ feature_name: "user" expression: "user:user" num_buckets: 500 embedding_dim: 16 }} }}
feature_configs {{ id_feature {{ feature_name: "tab" expression: "context:tab" num_buckets: 3 embedding_dim: 8 }} }}
model_config {{
  feature_groups {{ group_name: "all" feature_names: ["user", "tab"] group_type: DEEP }}
  feature_groups {{ group_name: "domain" feature_names: "tab" group_type: DEEP }}
  feature_groups {{ group_name: "uia" feature_names: "user" group_type: DEEP }}
  pepnet {{
    domain_input_name: "tab" task_domain_num: 3 ppnet_hidden_units: [256, 64] ppnet_dropout_ratio: 0.1
    task_towers {{ tower_name: "ctr" label_name: "click" losses {{ binary_cross_entropy {{}} }} }}
  }}
}}
"""


def repeats() -> Finding:
    """Train twice and compare all bits of what was saved."""
    about, num_threads = "same seed, same bits", torch.get_num_threads()
    runs = f"two runs of {_ROWS // _BATCH_ROWS} steps with {num_threads} thread{'' if num_threads == 1 else 's'}"
    try:
        with tempfile.TemporaryDirectory(prefix="peprank-doctor-") as folder:
            _write_rows(Path(folder))
            first, second = (_saved(Path(folder), name) for name in ("first", "second"))
    except (PeprankError, OSError) as error:
        return problem(about, f"a short run failed: {error}", "mend what the message names")
    if first == second:
        return ok(about, f"{runs} are equal in weights and optimiser")
    remedy = "train with --threads 1 where runs must be repeatable, and report this with the output of --json"
    return problem(about, f"{runs} differ", remedy)


def _write_rows(folder: Path) -> None:
    draw = np.random.default_rng(0)
    ranges = {"user": 500, "tab": 3, "click": 2}
    rows = {name: draw.integers(0, end, _ROWS) for name, end in ranges.items()}
    pq.write_table(pa.table(rows), folder / "rows.parquet")


def _saved(folder: Path, name: str) -> dict[str, bytes]:
    """The files of a run's last checkpoint."""
    overrides = (f'train_input_path="{folder / "rows.parquet"}"', f'model_dir="{folder / name}"')
    result = train(config.lower(config.parse(_CONFIG, "doctor", overrides)).spec)
    return {path.name: path.read_bytes() for path in sorted(result.latest.glob("*.safetensors"))}

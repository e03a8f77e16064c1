"""A small plan with every kind of column, and rows for it: enough to train, export and score in a second."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

CONFIG = """
train_input_path: "train.parquet"
eval_input_path: "val.parquet"
model_dir: "model"
train_config {
  sparse_optimizer { adagrad_optimizer { lr: 0.05 } constant_learning_rate {} }
  dense_optimizer { adam_optimizer { lr: 0.01 } constant_learning_rate {} }
  num_epochs: 2
  use_tensorboard: false
  seed: 7
}
eval_config { gauc_feature: "user" }
data_config {
  batch_size: 64
  dataset_type: ParquetDataset
  fg_mode: FG_NORMAL
  label_fields: ["click", "buy"]
  shuffle: true
}
feature_configs { id_feature { feature_name: "user" expression: "user:user" num_buckets: 50 embedding_dim: 4 } }
feature_configs { id_feature { feature_name: "item" expression: "item:item" hash_bucket_size: 30 embedding_dim: 4 } }
feature_configs {
  id_feature { feature_name: "tags" expression: "item:tags" vocab_list: ["a", "b", "c"] embedding_dim: 4 }
}
feature_configs {
  id_feature { feature_name: "tab" expression: "context:tab" vocab_list: ["home", "search"] embedding_dim: 4 }
}
feature_configs {
  raw_feature { feature_name: "price" expression: "item:price" boundaries: [1, 2, 5] embedding_dim: 4 }
}
feature_configs { raw_feature { feature_name: "age" expression: "user:age" normalizer: "method=minmax,min=0,max=90" } }
model_config {
  feature_groups {
    group_name: "all" feature_names: ["user", "item", "tags", "tab", "price", "age"] group_type: DEEP
  }
  feature_groups { group_name: "domain" feature_names: ["tab"] group_type: DEEP }
  feature_groups { group_name: "uia" feature_names: ["user", "item"] group_type: DEEP }
  pepnet {
    wiring: PAPER
    ppnet_hidden_units: [8, 4]
    task_towers { tower_name: "ctr" label_name: "click" losses { binary_cross_entropy {} } }
    task_towers { tower_name: "cvr" label_name: "buy" losses { binary_cross_entropy {} } }
  }
}
"""


def rows(num: int, seed: int = 0) -> pa.Table:
    """Rows of the plan's columns, and `note`, which the plan does not read."""
    rng = np.random.default_rng(seed)
    user, item = rng.integers(0, 50, num), rng.integers(0, 200, num)
    click = rng.random(num) < np.where(user % 3 == 0, 0.8, 0.2)
    tags = [list(rng.choice(["a", "b", "c", "?"], rng.integers(0, 4))) for _ in range(num)]
    return pa.table(
        {
            "user": user,
            "item": pa.array([f"item-{k}" for k in item]),
            "tags": pa.array(tags, pa.list_(pa.string())),
            "tab": pa.array(rng.choice(["home", "search"], num)),
            "price": rng.gamma(2.0, 1.5, num).astype(np.float32),
            "age": pa.array(rng.uniform(10, 80, num), mask=rng.random(num) < 0.1),
            "click": click.astype(np.int64),
            "buy": (click & (rng.random(num) < 0.3)).astype(np.int64),
            "note": pa.array([f"row {k}" for k in range(num)]),
        }
    )


def write(folder: Path, *, config: str = CONFIG, train_rows: int = 600, val_rows: int = 200) -> Path:
    """Put config and files into `folder`, with paths that lead there; return the config's path."""
    pq.write_table(rows(train_rows, seed=1), folder / "train.parquet", row_group_size=100)
    pq.write_table(rows(val_rows, seed=2), folder / "val.parquet")
    for name in ("train.parquet", "val.parquet", "model"):
        config = config.replace(f'"{name}"', f'"{folder / name}"')
    path = folder / "tiny.config"
    path.write_text(config)
    return path

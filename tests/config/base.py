"""A small config without mistakes, one statement per line, for tests that break it."""

BASE = """\
train_input_path: "data/train.parquet"
eval_input_path: "data/eval.parquet"
model_dir: "runs/1"
train_config {
  sparse_optimizer {
    adagrad_optimizer { lr: 0.01 }
    constant_learning_rate {}
  }
  dense_optimizer {
    adam_optimizer { lr: 0.001 }
    constant_learning_rate {}
  }
  num_epochs: 1
}
eval_config {
}
export_config {
}
data_config {
  batch_size: 64
  dataset_type: ParquetDataset
  fg_mode: FG_NORMAL
  label_fields: "click"
  label_fields: "like"
  sample_weight_fields: "row_weight"
}
feature_configs {
  id_feature {
    feature_name: "user_id"
    expression: "user:uid"
    hash_bucket_size: 100
    embedding_dim: 8
  }
}
feature_configs {
  id_feature {
    feature_name: "item"
    expression: "item:item_id"
    num_buckets: 50
    embedding_dim: 8
  }
}
feature_configs {
  id_feature {
    feature_name: "tab"
    expression: "context:tab"
    num_buckets: 3
    embedding_dim: 4
  }
}
feature_configs {
  raw_feature {
    feature_name: "price"
    expression: "item:price"
    boundaries: [1, 2.5, 10]
    embedding_dim: 4
  }
}
feature_configs {
  raw_feature {
    feature_name: "age"
    expression: "user:age"
    normalizer: "method=zscore,mean=40,standard_deviation=12.5"
  }
}
model_config {
  feature_groups {
    group_name: "all"
    feature_names: ["user_id", "item", "tab", "price", "age"]
    group_type: DEEP
  }
  feature_groups {
    group_name: "domain"
    feature_names: ["tab"]
  }
  feature_groups {
    group_name: "uia"
    feature_names: ["user_id", "item"]
  }
  pepnet {
    domain_input_name: "tab"
    task_domain_num: 3
    ppnet_hidden_units: [16, 8]
    ppnet_dropout_ratio: [0.1, 0.2]
    task_towers {
      tower_name: "ctr"
      label_name: "click"
      mlp { hidden_units: [8, 4] }
      losses { binary_cross_entropy {} }
      metrics { auc {} }
    }
    task_towers {
      tower_name: "ltr"
      label_name: "like"
      sample_weight_name: "row_weight"
      losses { binary_focal_loss {} }
      metrics { grouped_auc { grouping_key: "user_id" } }
      task_space_indicator_label: "click"
      out_task_space_weight: 0.5
    }
  }
}
"""


def changed(old: str, new: str) -> str:
    """BASE with the first `old`, which must stand in it, replaced by `new`."""
    assert old in BASE, old
    return BASE.replace(old, new, 1)

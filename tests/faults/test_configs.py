"""What a config may ask for, run through every verb: a row's score is one number, whoever asks for it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import peprank
from peprank.cli.main import main
from tests import tiny

CVR = 'tower_name: "cvr" label_name: "buy" losses { binary_cross_entropy {} }'
AGE = 'feature_name: "age" expression: "user:age"'
TOWERS = 'wiring: TZREC domain_input_name: "tab" task_domain_num: 4'

# Name -> (old, new) in the tiny config.
CONFIGS: dict[str, list[tuple[str, str]]] = {
    "towers, a default domain": [
        ("wiring: PAPER", TOWERS),
        ("model_config {", 'model_config { default_domain: "home"'),
    ],
    "hidden only, one gate per field, widths": [
        ("wiring: PAPER", "wiring: HIDDEN_ONLY epnet_gate: FIELD ppnet_gate_hidden_unit: 3 ppnet_dropout_ratio: 0.1"),
    ],
    "three classes, batch norm": [
        ("wiring: PAPER", "wiring: TZREC"),
        ('"click", "buy"]', '"click", "cls"]'),
        (
            CVR,
            'tower_name: "cvr" label_name: "cls" num_class: 3 mlp { hidden_units: [4] use_bn: true }'
            " losses { softmax_cross_entropy {} } metrics { accuracy { top_k: 2 } } metrics { multiclass_auc {} }",
        ),
    ],
    "a number": [
        ('"click", "buy"]', '"click", "price"]'),
        (
            CVR,
            'tower_name: "cvr" label_name: "price" losses { l2_loss {} } metrics { xauc { sample_ratio: 0.5 } }'
            ' metrics { grouped_xauc { grouping_key: "user" } } train_metrics { mean_squared_error {} decay_step: 2 }',
        ),
    ],
    "sessions": [
        (
            CVR,
            'tower_name: "cvr" label_name: "buy" num_class: 2 losses { jrc_loss { session_name: "user" } }'
            " metrics { auc { thresholds: 50 } } metrics { normalized_entropy {} }",
        ),
    ],
    "focal in a space, weighted rows": [
        ("label_fields:", 'sample_weight_fields: "w" label_fields:'),
        (
            CVR,
            'tower_name: "cvr" label_name: "buy" sample_weight_name: "w" task_space_indicator_label: "click"'
            " out_task_space_weight: 0 losses { binary_focal_loss {} } losses { binary_cross_entropy {} }",
        ),
    ],
    "weighted ids, halves, a prior's own tables": [
        ('"item:item" hash_bucket_size: 30', '"item:bag" hash_bucket_size: 30 weighted: true separator: "|"'),
        ("num_buckets: 50", "num_buckets: 50 data_type: 'FP16' init_fn: 'nn.init.normal_,std=0.1'"),
        ('group_name: "uia"', 'group_name: "uia" embedding_name_suffix: "prior"'),
    ],
    "autodis of three numbers, a frozen table": [
        (
            f'{AGE} normalizer: "method=minmax,min=0,max=90"',
            'feature_name: "age" expression: "user:three" value_dim: 3 embedding_dim: 4 autodis { num_channels: 5 }',
        ),
        ("hash_bucket_size: 30", "hash_bucket_size: 30 trainable: false"),
    ],
    "averages, bfloat16, clipping, accumulation": [
        ("adam_optimizer { lr: 0.01 } constant", "adamw_optimizer { lr: 0.01 } ema { decay: 0.5 } constant"),
        ("train_config {", 'train_config { mixed_precision: "BF16" gradient_accumulation_steps: 2'),
        ("adagrad_optimizer { lr: 0.05 }", "partial_rowwise_adam_optimizer { lr: 0.01 }"),
        ("sparse_optimizer {", 'grad_clipping { clipping_type: "norm" max_gradient: 0.1 } sparse_optimizer {'),
    ],
}


def rows(num: int, seed: int) -> pa.Table:
    """Tiny rows with a class, a weight, three numbers and a bag of weighted words."""
    rng = np.random.default_rng(seed)
    words = [f"w{word}:0.5|w7:{weight:.2f}" for word, weight in enumerate(rng.random(num))]
    more = {
        "cls": pa.array(rng.integers(0, 3, num)),
        "w": pa.array(rng.random(num)),
        "three": pa.array(list(rng.random((num, 3)).astype(np.float32))),
        "bag": pa.array(words),
    }
    table = tiny.rows(num, seed=seed)
    for name, column in more.items():
        table = table.append_column(name, column)
    return table


@pytest.mark.parametrize("name", CONFIGS)
def test_a_row_scores_the_same_for_every_verb_alone_and_in_a_batch(name: str, tmp_path: Path) -> None:
    text = tiny.CONFIG
    for old, new in CONFIGS[name]:
        assert old in text, old
        text = text.replace(old, new, 1)
    config, val = tiny.write(tmp_path, config=text), rows(150, seed=2)
    pq.write_table(rows(300, seed=1), tmp_path / "train.parquet")
    pq.write_table(val, tmp_path / "val.parquet")
    model, bundle, files = (str(tmp_path / part) for part in ("model", "bundle", "val.parquet"))

    assert main(["check", str(config), "--data"]) == 0
    assert main(["train", str(config)]) == 0
    assert main(["export", model, "--out", bundle]) == 0
    assert main(["predict", bundle, files, "--out", str(tmp_path / "scores.parquet")]) == 0
    assert main(["evaluate", model, files, "--out", str(tmp_path / "results.json"), "--checkpoint", "latest"]) == 0

    ranker = peprank.load(bundle)
    written = pq.read_table(tmp_path / "scores.parquet")
    for column in written.column_names:
        scores = np.array(written[column].to_pylist())
        alone = [ranker.predict(val.slice(k, 1))[column][0].as_py() for k in range(0, 150, 15)]
        np.testing.assert_allclose(np.array(ranker.predict(val)[column].to_pylist()), scores, atol=1e-6)
        np.testing.assert_allclose(np.array(alone), scores[::15], atol=1e-6, rtol=1e-6)
    _evaluation_agrees(json.loads((tmp_path / "results.json").read_text()), written, val, ranker)


def _evaluation_agrees(results: object, written: pa.Table, val: pa.Table, ranker: peprank.Scorer) -> None:
    """The loss that `evaluate` gives is the mean of the rows' losses, by the scores that `predict` wrote."""
    judged = peprank.Results.from_json(results)  # type: ignore[arg-type]
    for task in ranker.spec.model.tasks:
        label = val[task.label].to_numpy().astype(float)
        measures = next(iter(judged.select(task=task.name))).measures
        if task.is_regression:
            measure, losses = "mean_squared_error", (written[f"y_{task.name}"].to_numpy() - label) ** 2
        elif task.num_class == 1:
            logit = written[f"logits_{task.name}"].to_numpy().astype(float)
            measure, losses = "logloss", np.logaddexp(0, logit) - label * logit
        else:
            probs = np.array(written[f"probs_{task.name}"].to_pylist())
            measure = "logloss" if task.num_class == 2 else "cross_entropy"
            losses = -np.log(probs[np.arange(len(label)), label.astype(int)])
        assert measures[measure].value == pytest.approx(losses.mean(), abs=1e-6), task.name


def test_a_domain_without_a_tower_is_refused_unless_a_default_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "odd").mkdir()
    strange = tiny.rows(20).set_column(3, "tab", pa.nulls(20, pa.string()))
    odd = str(tmp_path / "odd" / "rows.parquet")
    pq.write_table(strange, odd)
    home = tiny.rows(20).set_column(3, "tab", pa.array(["home"] * 20))
    for default in ("", 'default_domain: "home"'):
        text = tiny.CONFIG.replace("wiring: PAPER", TOWERS).replace("model_config {", f"model_config {{ {default}")
        config = tiny.write(tmp_path, config=text)
        assert main(["train", str(config), "--resume", "never"]) == 0
        capsys.readouterr()
        code = main(["predict", str(tmp_path / "model"), odd, "--out", str(tmp_path / "scores.parquet")])
        if default:
            assert code == 0
            expected = peprank.load(tmp_path / "model").predict(home)
            assert pq.read_table(tmp_path / "scores.parquet").equals(expected)
        else:
            assert code == 1
            assert "column 'tab': 20 of 20 rows are of an unknown domain" in capsys.readouterr().err
        assert main(["train", str(config), "--train-input", odd, "--resume", "never"]) == 1  # training has no default
        assert "of an unknown domain" in capsys.readouterr().err

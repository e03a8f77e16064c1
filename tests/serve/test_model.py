"""A served model describes itself and answers with the scores of `predict`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from peprank import bundle as bundles
from peprank.errors import ArtifactError
from peprank.infer import Engine, Precision
from peprank.models import build
from peprank.sealed import digest
from peprank.serve import arithmetic
from peprank.serve.model import ServedModel
from peprank.serve.request import InferRequest
from tests import tiny
from tests.serve.models import SOURCE, load, save_bundle


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_bundle(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def model(path: Path) -> ServedModel:
    return load(path, "tiny", "1")


def test_metadata_names_inputs_and_outputs(model: ServedModel) -> None:
    outputs = ("probs_ctr", "logits_ctr", "probs_cvr", "logits_cvr")
    assert model.metadata(["1", "2"]) == {
        "name": "tiny",
        "versions": ["1", "2"],
        "platform": "peprank",
        "inputs": [
            {"name": "user", "datatype": "INT64", "shape": [-1]},
            {"name": "item", "datatype": "BYTES", "shape": [-1]},
            {"name": "tags", "datatype": "BYTES", "shape": [-1, -1]},
            {"name": "tab", "datatype": "BYTES", "shape": [-1]},
            {"name": "price", "datatype": "FP32", "shape": [-1]},
            {"name": "age", "datatype": "FP64", "shape": [-1]},
        ],
        "outputs": [{"name": name, "datatype": "FP32", "shape": [-1]} for name in outputs],
    }


def test_the_configuration_has_tritons_names(model: ServedModel) -> None:
    config = model.config()
    assert config["max_batch_size"] == 0
    assert config["input"][1] == {"name": "item", "data_type": "TYPE_STRING", "dims": [-1]}
    assert config["output"][0] == {"name": "probs_ctr", "data_type": "TYPE_FP32", "dims": [-1]}


def test_an_answer_has_the_scores_of_predict(model: ServedModel, path: Path) -> None:
    rows = model.golden_rows
    logits = model.logits(model.scorer.encoder.features(rows))
    answer = model.answer(InferRequest(id="42", inputs={}), logits)
    assert (answer.model_name, answer.model_version, answer.id) == ("tiny", "1", "42")
    predicted = model.scorer.score_rows(rows)
    assert [output.name for output in answer.outputs] == predicted.schema.names
    for output in answer.outputs:
        np.testing.assert_allclose(output.values, predicted.column(output.name).to_numpy(), rtol=1e-5, atol=1e-6)
    assert (model.step, model.sha256, model.engine.precision) == (12, digest(path), Precision.FLOAT32)


def test_bfloat16_is_taken_where_the_processor_has_it_and_the_golden_rows_bear_it(
    path: Path, model: ServedModel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rows, scorer = model.golden_rows, model.scorer
    monkeypatch.setattr(arithmetic, "has_bf16", lambda _: False)
    assert arithmetic.make_engine(scorer, rows, None).precision is Precision.FLOAT32
    monkeypatch.setattr(arithmetic, "has_bf16", lambda _: True)
    assert arithmetic.make_engine(scorer, rows, None).precision is Precision.BF16
    assert caplog.messages == []
    scorer = load(path, "tiny", "1").scorer
    with torch.no_grad():
        for _, weight in scorer.ranker.dense_parameters():
            weight.mul_(4.0)  # steep enough for bfloat16 to show
    assert arithmetic.make_engine(scorer, rows, None).precision is Precision.FLOAT32
    assert [message[:72] for message in caplog.messages] == [
        "computing in float32, as bfloat16 moves the golden rows too far: 'probs_"
    ]


def test_an_engine_that_scores_otherwise_is_refused(model: ServedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Engine, "logits", lambda _, features: model.scorer.logits(features) + np.float32(0.001))
    with pytest.raises(
        ArtifactError, match="the engine does not score the golden rows as the model does: 'probs_ctr' by"
    ):
        arithmetic.make_engine(model.scorer, model.golden_rows, None)


def test_a_chosen_precision_that_moves_golden_rows_is_said_and_one_that_moves_them_far_refused(
    model: ServedModel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Engine, "logits", lambda _, features: model.scorer.logits(features) + np.float32(0.01))
    assert arithmetic.make_engine(model.scorer, model.golden_rows, Precision.BF16).precision is Precision.BF16
    (message,) = caplog.messages
    assert message.startswith("bf16 moves golden rows: 'probs_ctr' by 0.002")
    monkeypatch.setattr(Engine, "logits", lambda _, features: model.scorer.logits(features) + np.float32(0.3))
    with pytest.raises(ArtifactError, match=r"^bf16 moves golden rows too far: .* serve with --precision float32$"):
        arithmetic.make_engine(model.scorer, model.golden_rows, Precision.BF16)


def test_a_weight_that_no_golden_row_reads_must_be_finite(tmp_path: Path) -> None:
    weights = build(SOURCE.lower().spec.model, seed=3).weights()
    rows = tiny.rows(4)
    unread = next(user for user in range(50) if user not in rows["user"].to_pylist())
    weights["embeddings.user_emb.weight"][unread, 0] = float("nan")
    bundles.save(tmp_path / "tiny", SOURCE, weights, rows, step=12)
    with pytest.raises(ArtifactError) as refused:
        load(tmp_path / "tiny", "tiny", "1")
    assert str(refused.value) == (
        f"{tmp_path / 'tiny'}: weight 'embeddings.user_emb.weight' is not finite; "
        "export a checkpoint from before it went wrong"
    )

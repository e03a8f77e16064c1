"""A served model describes itself and answers with the scores of `predict`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from peprank import bundle as bundles
from peprank.errors import ArtifactError
from peprank.models import build
from peprank.sealed import digest
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
    logits = model.scorer.logits(model.scorer.encoder.features(rows))
    answer = model.answer(InferRequest(id="42", inputs={}), logits)
    assert (answer.model_name, answer.model_version, answer.id) == ("tiny", "1", "42")
    predicted = model.scorer.score_rows(rows)
    assert [output.name for output in answer.outputs] == predicted.schema.names
    for output in answer.outputs:
        np.testing.assert_array_equal(output.values, predicted.column(output.name).to_numpy())
    assert (model.step, model.sha256) == (12, digest(path))


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

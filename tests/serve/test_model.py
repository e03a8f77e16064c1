"""A served model describes itself and answers with the scores of `predict`."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from peprank import bundle as bundles
from peprank.bundle import ConfigSource
from peprank.encode import Encoder
from peprank.errors import ArtifactError
from peprank.models import build
from peprank.sealed import digest
from peprank.serve import model as models
from peprank.serve.model import Output, ServedModel, TensorInfo
from peprank.serve.repository import Repository
from peprank.serve.request import InferRequest
from peprank.spec.pipeline import PipelineSpec
from tests import tiny

SOURCE = ConfigSource(text=tiny.CONFIG, assets={})


class NoRows:
    """Stands in for `RequestRows`."""

    def __init__(self, spec: PipelineSpec, encoder: Encoder) -> None:
        self.spec, self.encoder = spec, encoder

    def inputs(self) -> Iterable[TensorInfo]:
        return (Output("user", "INT64", (-1,)), Output("item", "BYTES", (-1,)))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny"
    bundles.save(path, SOURCE, build(SOURCE.lower().spec.model, seed=3).weights(), tiny.rows(64), step=12)
    return path


@pytest.fixture(scope="module")
def model(path: Path) -> ServedModel:
    return models.load(path, "tiny", "1", NoRows)


def test_metadata_names_inputs_and_outputs(model: ServedModel) -> None:
    outputs = ("probs_ctr", "logits_ctr", "probs_cvr", "logits_cvr")
    assert model.metadata(["1", "2"]) == {
        "name": "tiny",
        "versions": ["1", "2"],
        "platform": "peprank",
        "inputs": [
            {"name": "user", "datatype": "INT64", "shape": [-1]},
            {"name": "item", "datatype": "BYTES", "shape": [-1]},
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
        models.load(tmp_path / "tiny", "tiny", "1", NoRows)
    assert str(refused.value) == (
        f"{tmp_path / 'tiny'}: weight 'embeddings.user_emb.weight' is not finite; "
        "export a checkpoint from before it went wrong"
    )


def test_a_single_bundle_is_version_1_of_a_model_named_like_its_directory(path: Path) -> None:
    repository = Repository(path, partial(models.load, make_rows=NoRows))
    repository.poll()
    with repository.get("tiny") as model:
        assert (model.name, model.version) == ("tiny", "1")

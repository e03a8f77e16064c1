"""A model of the contract as a graph, held to what torch says."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from peprank.batch import Features
from peprank.models import MultiTaskRanker, build, score
from peprank.onnx import OnnxScorer, Signature
from peprank.onnx.files import OPSET, write
from peprank.onnx.graph import trace
from peprank.onnx.scorer import MODEL
from peprank.onnx.signature import graph_inputs, outputs_of
from peprank.spec.model import ModelSpec
from tests.contract.models import some_features, take_rows

SINGLE, WEIGHTED = ("user", "item", "tab"), ("words",)  # of `some_features`


def exported(ranker: MultiTaskRanker, spec: ModelSpec, folder: Path, *, opset: int = OPSET) -> OnnxScorer:
    """The graph of a network, loaded."""
    inputs = graph_inputs(spec, SINGLE, WEIGHTED)
    about = Signature(inputs=inputs, outputs=outputs_of(spec.tasks), opset=opset, step=1)
    write(folder, trace(ranker, spec, inputs, opset=opset), about)
    return OnnxScorer(folder / MODEL, threads=1)


def check_a_graph_scores_as_its_model(spec: ModelSpec, folder: Path) -> None:
    """Many rows, one row, none; all domains and one domain."""
    ranker = build(spec, seed=1)
    onnx = exported(ranker, spec, folder)
    rows = some_features(64)
    for features in (rows, some_features(1), some_features(0), take_rows(rows, [0, 3, 6])):
        assert_close(onnx, ranker, spec, features)


def assert_close(onnx: OnnxScorer, ranker: MultiTaskRanker, spec: ModelSpec, features: Features) -> None:
    """All outputs within 1e-6."""
    logits, found = score(ranker, features), onnx.score(features)
    assert found.keys() == {output.name for output in outputs_of(spec.tasks)}
    for task, columns in zip(spec.tasks, spec.logit_slices, strict=True):
        own = logits[:, columns]
        probs = own.sigmoid()[:, 0] if task.num_class == 1 else own.softmax(1)
        np.testing.assert_allclose(found[f"probs_{task.name}"], probs.numpy(), rtol=0, atol=1e-6)
        np.testing.assert_allclose(found[f"logits_{task.name}"], own.numpy().reshape(probs.shape), rtol=1e-6, atol=1e-6)

"""A model of the contract as a graph, held to what torch says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from peprank.batch import Features
from peprank.models import MultiTaskRanker, build, score
from peprank.onnx import GraphInput, OnnxScorer, Signature
from peprank.onnx.files import OPSET, write
from peprank.onnx.graph import trace
from peprank.onnx.scorer import MODEL
from peprank.onnx.signature import graph_inputs, outputs_of
from peprank.spec.embedding import GroupSpec, TableSpec
from peprank.spec.model import ModelSpec
from tests.contract.models import FM, PRICE, TAB, WIDE, some_features, take_rows

SINGLE, WEIGHTED = ("user", "item", "tab"), ("words",)  # of `some_features`


def inputs_of(spec: ModelSpec) -> tuple[GraphInput, ...]:
    """What the graph of a model of the contract reads."""
    return graph_inputs(spec, SINGLE, WEIGHTED)


def exported(ranker: MultiTaskRanker, spec: ModelSpec, folder: Path) -> OnnxScorer:
    """The graph of a network, loaded."""
    about = Signature(inputs=inputs_of(spec), outputs=outputs_of(spec.tasks), opset=OPSET, step=1)
    folder.mkdir(parents=True)
    write(folder, trace(ranker, spec, about.inputs, opset=OPSET), about)
    return OnnxScorer(folder / MODEL, threads=1)


def smaller(spec: ModelSpec) -> ModelSpec:
    """The same trunk over two inputs per group and with two tasks: torch takes time for each step of a graph."""
    groups = tuple(group if group in (WIDE, FM) else replace(group, inputs=(TAB, PRICE)) for group in spec.groups)
    return replace(spec, groups=groups, tables=_tables_of(spec, groups), tasks=spec.tasks[:2])


def _tables_of(spec: ModelSpec, groups: tuple[GroupSpec, ...]) -> tuple[TableSpec, ...]:
    used = {item.table for group in groups for item in group.inputs}
    return tuple(table for table in spec.tables if table.name in used)


def check_scores(found: Callable[[Features], Mapping[str, NDArray[np.float32]]], spec: ModelSpec) -> None:
    """Many rows, one row, none; all domains and one domain: `found` gives what the model of seed 1 does."""
    ranker = build(spec, seed=1)
    rows = some_features(64)
    for features in (rows, some_features(1), some_features(0), take_rows(rows, [0, 3, 6])):
        assert_close(found(features), ranker, spec, features)


def assert_close(
    found: Mapping[str, NDArray[np.float32]], ranker: MultiTaskRanker, spec: ModelSpec, features: Features
) -> None:
    """All outputs within 1e-6."""
    logits = score(ranker, features)
    assert found.keys() == {output.name for output in outputs_of(spec.tasks)}
    for task, columns in zip(spec.tasks, spec.logit_slices, strict=True):
        own = logits[:, columns]
        probs = own.sigmoid()[:, 0] if task.num_class == 1 else own.softmax(1)
        np.testing.assert_allclose(found[f"probs_{task.name}"], probs.numpy(), rtol=0, atol=1e-6)
        np.testing.assert_allclose(found[f"logits_{task.name}"], own.numpy().reshape(probs.shape), rtol=1e-6, atol=1e-6)

"""Every model becomes a graph that scores as it does.

torch takes seconds to write a graph. So the short form holds every model to what is traced, the arithmetic on arrays;
traces one per trunk; and writes a few that have every kind of input and of layer. The full form writes all.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from peprank.batch import Features
from peprank.errors import ArtifactError
from peprank.models import build
from peprank.models.ranker import eval_mode
from peprank.models.shared_bottom import SharedBottom
from peprank.onnx.arrays import arrays_of
from peprank.onnx.graph import Graph, capture
from peprank.onnx.signature import outputs_of
from peprank.spec.model import ModelSpec
from tests.contract.models import EVERY_MODEL
from tests.onnx.exported import check_scores, exported, inputs_of, smaller
from tests.promises import Reached, Times

ONE_PER_TRUNK = {type(spec.trunk): name for name, spec in EVERY_MODEL.items()}  # the last: of domain towers, mostly
EVERY_INPUT = EVERY_MODEL["specific_all"]  # single, several and weighted ids, numbers, and tables of each domain
FEW = {
    "every input": replace(EVERY_INPUT, tasks=EVERY_INPUT.tasks[:1]),
    "domain norm": smaller(EVERY_MODEL["star_normalized"]),
    "gates, layer norm, classes": smaller(EVERY_MODEL["layer_norm_prelu_classes"]),
}
GRAPHS = FEW | EVERY_MODEL


@pytest.mark.parametrize("spec", EVERY_MODEL.values(), ids=EVERY_MODEL)
def test_what_is_traced_scores_as_the_model(spec: ModelSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    ranker, inputs = build(spec, seed=1), inputs_of(spec)
    traced = Graph(ranker, spec, inputs).eval()

    def scores(features: Features) -> dict[str, NDArray[np.float32]]:
        arrays = [torch.from_numpy(array) for array in arrays_of(inputs, features).values()]
        with monkeypatch.context() as tracing, eval_mode(ranker), torch.no_grad():
            tracing.setattr(torch.compiler, "is_exporting", lambda: True)
            tracing.setattr(torch, "_check", lambda _: None)  # what the tracer is told to assume
            outputs = traced(*arrays)
        names = [output.name for output in outputs_of(spec.tasks)]
        return {name: values.numpy() for name, values in zip(names, outputs, strict=True)}

    check_scores(scores, spec)


@pytest.mark.parametrize("name", ONE_PER_TRUNK.values())
def test_a_graph_is_traced_for_any_number_of_rows(name: str) -> None:
    spec = smaller(EVERY_MODEL[name])
    program = capture(build(spec, seed=1), spec, inputs_of(spec))
    (outputs,) = program.graph.output_node().args
    assert not any(isinstance(output.meta["val"].shape[0], int) for output in outputs)


def test_a_network_that_asks_for_its_number_of_rows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    forward = SharedBottom.forward

    def counting(self: SharedBottom, groups: dict[str, Tensor], domain: Tensor) -> Tensor:
        return forward(self, groups, domain) / len(domain)

    monkeypatch.setattr(SharedBottom, "forward", counting)
    spec = smaller(EVERY_MODEL["shared_bottom"])
    with pytest.raises(ArtifactError, match=r"^this model cannot become an ONNX graph: Constraints violated \(rows\)"):
        capture(build(spec, seed=1), spec, inputs_of(spec))


@pytest.mark.promise("R-22", "models as graphs")
def test_a_graph_scores_as_its_model(times: Times, reached: Reached, tmp_path: Path) -> None:
    names = list(GRAPHS)[: times(len(FEW), len(GRAPHS))]
    for name in names:
        spec = GRAPHS[name]
        check_scores(exported(build(spec, seed=1), spec, tmp_path / name).score, spec)
    reached(f"{len(names)} models as graphs in ONNX Runtime within 1e-6")

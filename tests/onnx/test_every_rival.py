"""Every rival becomes a graph that scores as it does; a file of its own, so that two processes share the models."""

from __future__ import annotations

from pathlib import Path

import pytest

from peprank.spec.model import ModelSpec
from tests.contract.models import EVERY_RIVAL
from tests.onnx.exported import check_a_graph_scores_as_its_model


@pytest.mark.parametrize("spec", EVERY_RIVAL.values(), ids=EVERY_RIVAL)
def test_a_graph_scores_as_its_model(spec: ModelSpec, tmp_path: Path) -> None:
    check_a_graph_scores_as_its_model(spec, tmp_path)

"""Every wiring of PEPNet becomes a graph that scores as it does."""

from __future__ import annotations

from pathlib import Path

import pytest

from peprank.spec.model import ModelSpec
from tests.contract.models import EVERY_PEPNET
from tests.onnx.exported import check_a_graph_scores_as_its_model


@pytest.mark.parametrize("spec", EVERY_PEPNET.values(), ids=EVERY_PEPNET)
def test_a_graph_scores_as_its_model(spec: ModelSpec, tmp_path: Path) -> None:
    check_a_graph_scores_as_its_model(spec, tmp_path)

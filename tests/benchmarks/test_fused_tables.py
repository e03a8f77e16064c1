"""fbgemm's tables compute and learn what ours do, so that their time may stand beside ours."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from benchmarks import workload
from benchmarks.fused_tables import FusedTraining, is_installed
from peprank.models.ranker import table_name
from peprank.spec.trunk import PEPNetSpec
from peprank.training.learner import Learner

pytestmark = [
    pytest.mark.skipif(not is_installed(), reason="needs fbgemm-gpu-cpu"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # fbgemm's own, for operators that its CPU build lacks
]


def test_fused_tables_learn_what_ours_do() -> None:
    plan = workload.taobao(quick=True).plan()
    assert isinstance(plan.model.trunk, PEPNetSpec)
    pepnet = replace(plan.model.trunk, ppnet=replace(plan.model.trunk.ppnet, dropouts=()))  # type: ignore[type-var]
    plan = replace(plan, model=replace(plan.model, trunk=pepnet))
    batches = workload.batches(plan, 3)
    ours, fused = Learner(plan, torch.device("cpu")), FusedTraining(plan)
    for step, batch in enumerate(batches):
        expected = sum(ours.update([batch], step=step, epoch=0).values())
        assert fused.update(batch) == pytest.approx(expected, rel=1e-5)
    weights = ours.ranker.weights()
    for name, rows in fused.tables.weights().items():
        torch.testing.assert_close(rows, weights[table_name(name)], rtol=1e-4, atol=1e-6)

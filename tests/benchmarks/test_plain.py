"""The plain network is the same function as ours, so that its time may stand beside ours."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from benchmarks import workload
from benchmarks.plain import Plain, PlainTraining
from peprank.models import build, score
from peprank.spec.model import ModelSpec
from peprank.spec.trunk import GeneralInput, PEPNetSpec
from tests.benchmarks.ids import random_ids
from tests.models.taobao import TAOBAO

SMALL = workload.taobao(quick=True).plan().model
WIDE = replace(TAOBAO, tables=tuple(replace(table, rows=min(table.rows, 100)) for table in TAOBAO.tables))


@pytest.mark.parametrize("spec", [SMALL, WIDE], ids=["small", "pepnet_taobao"])
def test_the_plain_network_gives_the_logits_of_ours(spec: ModelSpec) -> None:
    features = random_ids(spec, 40)
    ranker = build(spec, seed=3)
    plain = Plain(spec).eval()
    plain.take_weights(ranker)
    with torch.no_grad():
        torch.testing.assert_close(plain(features), score(ranker, features), rtol=1e-4, atol=1e-6)


def test_taking_weights_leaves_none_out() -> None:
    plan = workload.taobao(quick=True).plan()
    plain = Plain(plan.model)
    with torch.no_grad():
        for value in plain.parameters():
            value.fill_(torch.nan)
    plain.take_weights(build(plan.model, seed=3))
    assert not [name for name, value in plain.named_parameters() if value.isnan().any()]


def test_the_plain_step_learns() -> None:
    plan = workload.taobao(quick=True).plan()
    batch = workload.batches(plan, 1)[0]
    torch.manual_seed(1)
    training = PlainTraining(plan.model, lr=0.01)
    losses = [training.update(batch) for _ in range(20)]
    assert losses[-1] < 0.8 * losses[0]


def test_a_plan_that_the_plain_network_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match="wiring TZREC only"):
        Plain(workload.kuairand(quick=True).plan().model)
    model = workload.taobao(quick=True).plan().model
    assert isinstance(model.trunk, PEPNetSpec)
    trunk = replace(model.trunk, general_input=GeneralInput.ATTACHED)
    with pytest.raises(ValueError, match="without ablations"):
        Plain(replace(model, trunk=trunk))

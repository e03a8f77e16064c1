"""One update at a time: accumulation, gradients that are not finite, and what a failed step leaves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
import torch
from torch import Tensor

from peprank.data import columns_of, conform
from peprank.encode import Encoder
from peprank.spec.mlp import MLPSpec, Normalization
from peprank.spec.model import ModelSpec
from peprank.spec.pipeline import PipelineSpec
from peprank.spec.trunk import PEPNetSpec
from peprank.training.batches import Batch, grouped
from peprank.training.diagnosis import NotFiniteError, not_finite
from peprank.training.learner import Learner
from tests.training.world import make_plan, make_rows


def plain_plan() -> PipelineSpec:
    """Without dropout and task space, so that rows add up."""
    plan = make_plan(Path("unused"))
    model = plan.model
    assert isinstance(model.trunk, PEPNetSpec)
    assert model.trunk.ppnet is not None
    trunk = replace(model.trunk, ppnet=replace(model.trunk.ppnet, dropouts=()))
    tasks = tuple(replace(task, tower=MLPSpec(hidden_dims=(8,)), space=None) for task in model.tasks)
    return replace(plan, model=replace(model, trunk=trunk, tasks=tasks))


def with_batch_norm(model: ModelSpec) -> ModelSpec:
    tower = MLPSpec(hidden_dims=(8,), normalization=Normalization.BATCH, dropouts=(0.5,))
    return replace(model, tasks=tuple(replace(task, tower=tower) for task in model.tasks))


def batches_of(plan: PipelineSpec, rows: pa.Table, batch_rows: int) -> list[Batch]:
    encoder, columns = Encoder(plan), columns_of(plan, with_targets=True)
    parts = (conform(part, columns, "rows") for part in rows.combine_chunks().to_batches(batch_rows))
    return [Batch(encoder.features(part), encoder.targets(part)) for part in parts]


def weights_of(learner: Learner) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in learner.ranker.weights().items()}


def test_accumulated_batches_equal_one_large_batch() -> None:
    plan, rows = plain_plan(), make_rows(3, 128)
    learners = [Learner(plan, torch.device("cpu")) for _ in range(2)]
    (whole,), halves = batches_of(plan, rows, 128), batches_of(plan, rows, 64)
    one = learners[0].update([whole], step=0, epoch=0)
    two = learners[1].update(halves, step=0, epoch=0)
    assert one == pytest.approx(two, rel=1e-6)
    for (name, ours), theirs in zip(weights_of(learners[0]).items(), weights_of(learners[1]).values(), strict=True):
        # Adagrad's first update is lr * sign(g): a gradient near 0 may round to either side.
        assert ((ours - theirs).abs() < 1e-5).float().mean() > 0.99, name


def test_groups_hold_what_is_left_at_the_end() -> None:
    batches = batches_of(plain_plan(), make_rows(3, 70), 10)
    assert [len(group) for group in grouped(iter(batches), 3)] == [3, 3, 1]


@pytest.mark.parametrize("bad", ["loss", "gradient"])
def test_a_failed_update_changes_nothing_at_all(bad: str) -> None:
    plan = make_plan(Path("unused"))
    plan = replace(plan, model=with_batch_norm(plan.model))
    torch.manual_seed(1)
    learner, twin = Learner(plan, torch.device("cpu")), Learner(plan, torch.device("cpu"))
    batches = batches_of(plan, make_rows(3, 192), 64)
    before, random = weights_of(learner), torch.get_rng_state()
    watched = learner.watch.state()
    if bad == "loss":
        batches[1].features.numbers["price"][7] = torch.inf
        handle = None
    else:
        weight = learner.ranker.dense_parameters()[0][1]
        handle = weight.register_hook(lambda gradient: gradient * torch.inf)  # type: ignore[no-untyped-call]
    with pytest.raises(NotFiniteError) as raised:
        learner.update(batches[:2], step=0, epoch=0)
    assert raised.value.batch is batches[1]
    assert raised.value.rows_before == 64
    assert bool(raised.value.gradients) == (bad == "gradient")
    assert all(torch.equal(value, before[name]) for name, value in weights_of(learner).items())
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, watched[name]) for name, value in learner.watch.state().items())
    if handle is not None:
        handle.remove()
    learner.update(batches[2:], step=0, epoch=0)
    torch.set_rng_state(random)
    twin.update(batches[2:], step=0, epoch=0)
    assert all(torch.equal(value, weights_of(twin)[name]) for name, value in weights_of(learner).items())


def test_large_finite_gradients_are_finite_even_if_their_norm_is_not() -> None:
    large = torch.full((10,), 3e38)
    assert not_finite({"a": large, "b": torch.zeros(2)}) == []
    assert not_finite({"a": large, "b": torch.tensor([torch.nan])}) == ["b"]
    assert not_finite({}) == []


def test_a_new_learner_does_not_move_the_random_state() -> None:
    before = torch.get_rng_state()
    Learner(plain_plan(), torch.device("cpu"))
    assert torch.equal(torch.get_rng_state(), before)

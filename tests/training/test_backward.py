"""Parts of a batch add up to the batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from peprank.batch import Targets
from peprank.models import MultiTaskRanker, build
from peprank.spec.mlp import MLPSpec, Normalization
from peprank.spec.model import JRC, ModelSpec
from peprank.spec.trunk import PEPNetSpec, SharedBottomSpec
from peprank.training import backward
from peprank.training.backward import Backward
from peprank.training.batches import Batch
from peprank.training.loss import task_losses, total_loss
from tests.contract.models import EVERY_MODEL, some_features

ROWS, PART_ROWS = 40, 9  # parts of 10 rows


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    threads = torch.get_num_threads()
    monkeypatch.setattr(backward, "_PART_ROWS", PART_ROWS)
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(threads)


def batch_of(spec: ModelSpec) -> Batch:
    draw = torch.Generator().manual_seed(5)
    labels = (torch.rand(ROWS, spec.num_tasks, generator=draw) < 0.4).float()
    weights = torch.rand(ROWS, spec.num_tasks, generator=draw)
    weights[:10, 0] = 0  # a part in which nothing weighs
    return Batch(some_features(ROWS), Targets(labels, weights, {}))


def gradients(ranker: MultiTaskRanker) -> dict[str, Tensor]:
    return {
        name: value.grad.to_dense() if value.grad.is_sparse else value.grad
        for name, value in ranker.named_parameters()
        if value.grad is not None
    }


@pytest.mark.parametrize("spec", EVERY_MODEL.values(), ids=EVERY_MODEL)
def test_parts_add_up_to_the_gradient_of_the_whole_batch(spec: ModelSpec) -> None:
    batch, ranker = batch_of(spec), build(spec, seed=1).train()
    losses, logits = Backward(ranker, spec, torch.float32)(batch, share=0.5)
    found = gradients(ranker)

    ranker.zero_grad(set_to_none=True)
    expected = ranker(batch.features)
    of_batch = task_losses(expected, batch.targets, spec)
    torch.autograd.backward(total_loss(of_batch) * 0.5)

    torch.testing.assert_close(logits, expected)
    torch.testing.assert_close(losses, of_batch)
    assert found.keys() == gradients(ranker).keys()
    torch.testing.assert_close(found, gradients(ranker), atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("num_threads", [1, 3])
def test_what_drops_out_does_not_depend_on_the_threads(num_threads: int) -> None:
    spec = EVERY_MODEL["paper"]
    assert isinstance(spec.trunk, PEPNetSpec)
    assert spec.trunk.ppnet is not None
    ppnet = replace(spec.trunk.ppnet, dropouts=(0.5,) * len(spec.trunk.ppnet.hidden_dims))
    spec = replace(spec, trunk=replace(spec.trunk, ppnet=ppnet))
    runs = []
    for threads in (2, num_threads):
        torch.set_num_threads(threads)
        ranker = build(spec, seed=1).train()
        torch.manual_seed(3)
        _, logits = Backward(ranker, spec, torch.float32)(batch_of(spec), share=1.0)
        runs.append((logits, gradients(ranker)))
    torch.testing.assert_close(*runs, atol=1e-6, rtol=1e-4)
    torch.manual_seed(4)
    _, others = Backward(build(spec, seed=1).train(), spec, torch.float32)(batch_of(spec), share=1.0)
    assert not torch.allclose(others, runs[0][0])


def test_a_loss_that_is_not_finite_leaves_the_parameters_without_gradients() -> None:
    spec = EVERY_MODEL["paper"]
    batch, ranker = batch_of(spec), build(spec, seed=1).train()
    labels = batch.targets.labels.clone()
    labels[-1, 0] = float("nan")
    batch = replace(batch, targets=replace(batch.targets, labels=labels))
    losses, _ = Backward(ranker, spec, torch.float32)(batch, share=1.0)
    assert not all(loss.isfinite() for loss in losses.values())
    assert gradients(ranker) == {}


def test_rows_that_are_compared_stay_together() -> None:
    spec = EVERY_MODEL["paper"]
    batch_norm = MLPSpec(hidden_dims=(4,), normalization=Normalization.BATCH, bias=False)
    first = spec.tasks[0]
    bottom = EVERY_MODEL["shared_bottom"]
    assert isinstance(bottom.trunk, SharedBottomSpec)
    for apart in (spec, bottom):
        assert not backward._compares_rows(build(apart, seed=1), apart)
    for together in (
        replace(spec, tasks=(replace(first, tower=batch_norm), *spec.tasks[1:])),
        replace(spec, tasks=(replace(first, losses=(JRC(session="user"),), num_class=2), *spec.tasks[1:])),
        replace(bottom, trunk=replace(bottom.trunk, bottom=batch_norm)),
        EVERY_MODEL["star_normalized"],
    ):
        assert backward._compares_rows(build(together, seed=1), together)


def test_the_callers_threads_stay_as_they_are() -> None:
    spec = EVERY_MODEL["paper"]
    torch.set_num_threads(2)
    Backward(build(spec, seed=1).train(), spec, torch.float32)(batch_of(spec), share=1.0)
    assert torch.get_num_threads() == 2

"""How far a ranker is from what TorchEasyRec recorded."""

from __future__ import annotations

import torch
from torch import Tensor

from peprank.batch import Targets
from peprank.models import MultiTaskRanker, build, from_torcheasyrec
from peprank.models.peer import peer_names, stack_rows
from peprank.spec.train import Adam, DenseOptimizer, SparseAdagrad, SparseOptimizer
from peprank.training.loss import task_losses, total_loss
from peprank.training.optim import NetworkOptimizer
from peprank.training.sparse import EmbeddingOptimizer
from tests.reference.fixtures import TRAJECTORY, Fixture, load


def logit_deviation(case: str) -> float:
    """Largest difference of a logit of the row's own domain."""
    fixture = load(case)
    recorded = fixture.tensors("out_selected/") or fixture.tensors("out/")
    expected = torch.stack([recorded["logits_ctr"], recorded["logits_cvr"]], dim=1)
    return _largest([_ranker(fixture)(fixture.features()) - expected])


def gradient_deviation(case: str) -> float:
    """Largest difference of a gradient of the total loss, tables included."""
    fixture = load(case)
    ranker = _ranker(fixture)
    torch.autograd.backward(_total_loss(ranker, fixture))
    recorded, gradients = fixture.tensors("g/"), _gradients(ranker)
    names = peer_names(ranker).items()
    return _largest([gradients[own] - stack_rows([recorded[part] for part in parts]) for own, parts in names])


def trajectory_deviation() -> float:
    """Largest difference of a weight after five steps of training's own Adagrad (tables) and Adam (the rest)."""
    fixture = load(TRAJECTORY)
    ranker = build(fixture.spec, seed=0)
    from_torcheasyrec(ranker, fixture.tensors("w0/"))
    tables = EmbeddingOptimizer(dict(ranker.sparse_parameters()), SparseOptimizer(rule=SparseAdagrad()))
    network = NetworkOptimizer(ranker.dense_parameters(), DenseOptimizer(rule=Adam(lr=0.01)))
    for step in range(5):
        torch.autograd.backward(_total_loss(ranker, fixture, f"step{step}/"))
        tables.step(0.05)
        network.step(step=step, epoch=0)
    recorded, own = fixture.tensors("wN/model."), ranker.weights()
    names = peer_names(ranker).items()
    return _largest([own[name] - stack_rows([recorded[part] for part in parts]) for name, parts in names])


def _ranker(fixture: Fixture) -> MultiTaskRanker:
    ranker = build(fixture.spec, seed=0)
    from_torcheasyrec(ranker, fixture.tensors("w/"))
    return ranker


def _total_loss(ranker: MultiTaskRanker, fixture: Fixture, prefix: str = "") -> Tensor:
    """Sum of the tasks' mean cross-entropies, as training has it."""
    targets = Targets(*fixture.labels(prefix), {})
    return total_loss(task_losses(ranker(fixture.features(prefix)), targets, fixture.spec))


def _gradients(ranker: MultiTaskRanker) -> dict[str, Tensor]:
    named = {name: value.grad for name, value in ranker.dense_parameters()}
    gradients = {n: ranker.get_parameter(n).new_zeros(()) if g is None else g for n, g in named.items()}
    for arena, weight in ranker.sparse_parameters():
        assert weight.grad is not None
        parts = ranker.embeddings.split(arena, weight.grad.to_dense())
        gradients |= {f"embeddings.{table}.weight": part for table, part in parts.items()}
    return gradients


def _largest(differences: list[Tensor]) -> float:
    return max(difference.abs().max().item() for difference in differences)

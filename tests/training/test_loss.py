"""Losses: by hand, by the formula of the page, and where numbers get large or rows get few."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from peprank.batch import Targets
from peprank.spec.model import (
    JRC,
    L2,
    BinaryCrossEntropy,
    BinaryFocal,
    LossSpec,
    ModelSpec,
    SoftmaxCrossEntropy,
    TaskSpec,
)
from peprank.training.loss import row_losses, task_losses, total_loss
from tests.training.world import make_model


def model_of(*tasks: TaskSpec) -> ModelSpec:
    return replace(make_model(), tasks=tasks)


def targets_of(labels: list[list[float]], weights: list[list[float]] | None = None) -> Targets:
    label = torch.tensor(labels, dtype=torch.float32)
    return Targets(label, torch.ones_like(label) if weights is None else torch.tensor(weights), {})


def losses_of_one_task(logits: Tensor, targets: Targets, task: TaskSpec) -> Tensor:
    (value,) = task_losses(logits, targets, model_of(task)).values()
    return value


def test_binary_cross_entropy_equals_the_hand_computed_number() -> None:
    # -log sigmoid(2) = 0.126928, -log(1 - sigmoid(-1)) = 0.313262; their mean is 0.220095
    value = losses_of_one_task(torch.tensor([[2.0], [-1.0]]), targets_of([[1], [0]]), TaskSpec(name="ctr", label="clk"))
    assert value.item() == pytest.approx(0.220095, abs=1e-6)


def test_label_smoothing_moves_labels_towards_one_half() -> None:
    # y = 1, s = 0.2: the smoothed label is 0.9; at logit 0 both sides cost log 2, at logit 2: log(1 + e^-2) + 0.1 * 2
    loss = BinaryCrossEntropy(label_smoothing=0.2)
    value = row_losses(loss, torch.tensor([[0.0], [2.0]]), torch.ones(2), {})
    assert value.tolist() == pytest.approx([math.log(2), math.log(1 + math.exp(-2)) + 0.2])


def test_focal_loss_weighs_by_hardness_and_its_weight_has_no_gradient() -> None:
    # p = sigmoid(0) = 0.5: positive: 0.25 * 0.5^2 * log 2, negative: 0.75 * 0.5^2 * log 2
    logits = torch.zeros(2, 1, requires_grad=True)
    value = row_losses(BinaryFocal(gamma=2, alpha=0.25), logits, torch.tensor([1.0, 0.0]), {})
    assert value.tolist() == pytest.approx([0.0625 * math.log(2), 0.1875 * math.log(2)])
    value.sum().backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert logits.grad[:, 0].tolist() == pytest.approx([-0.0625 * 0.5, 0.1875 * 0.5])  # weight * (p - y)


def test_softmax_and_l2_equal_their_formulas() -> None:
    logits = torch.tensor([[1.0, 2.0, 0.5]])
    softmax = row_losses(SoftmaxCrossEntropy(), logits, torch.tensor([1.0]), {})
    assert softmax.item() == pytest.approx(math.log(math.e + math.e**2 + math.e**0.5) - 2)
    assert row_losses(L2(), torch.tensor([[3.0]]), torch.tensor([1.0]), {}).item() == 4.0


def contrast_by_the_paper(logits: Tensor, label: Tensor, session: Tensor) -> list[float]:
    """Row by row: a softmax of the row against its session's rows of the other class, on the row's own logit."""
    values = []
    for i in range(len(label)):
        column = 1 if label[i] > 0 else 0
        rivals = [j for j in range(len(label)) if session[j] == session[i] and label[j] != label[i]]
        scores = torch.stack([logits[i, column], *(logits[j, column] for j in rivals)])
        values.append((scores.logsumexp(0) - logits[i, column]).item())
    return values


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32), rows=st.integers(1, 12), sessions=st.integers(1, 4))
def test_jrc_equals_the_loop_over_rows(seed: int, rows: int, sessions: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    logits = torch.randn(rows, 2, generator=draw, dtype=torch.float64) * 3
    label = torch.randint(0, 2, (rows,), generator=draw).double()
    session = torch.randint(-5, -5 + sessions, (rows,), generator=draw)
    value = row_losses(JRC(session="user", alpha=0.3), logits, label, {"user": session})
    cross = torch.nn.functional.cross_entropy(logits, label.long(), reduction="none")
    contrast = torch.tensor(contrast_by_the_paper(logits, label, session), dtype=torch.float64)
    torch.testing.assert_close(value, 0.3 * cross + 0.7 * contrast, rtol=0, atol=1e-10)


def test_jrc_has_finite_gradients_where_a_session_has_one_class() -> None:
    logits = torch.tensor([[1.0, -200.0], [0.0, 300.0], [2.0, 2.0]], requires_grad=True)
    label, session = torch.tensor([1.0, 1.0, 0.0]), torch.tensor([1, 1, 2])
    row_losses(JRC(session="s"), logits, label, {"s": session}).sum().backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


EVERY_LOSS: tuple[tuple[LossSpec, int], ...] = (
    (BinaryCrossEntropy(), 1),
    (BinaryFocal(), 1),
    (SoftmaxCrossEntropy(), 3),
    (L2(), 1),
    (JRC(session="user"), 2),
)


@pytest.mark.parametrize(("loss", "num_class"), EVERY_LOSS, ids=lambda value: type(value).__name__)
def test_weighted_mean_is_normalised_by_the_weights(loss: LossSpec, num_class: int) -> None:
    logits = torch.randn(5, num_class, generator=torch.Generator().manual_seed(0))
    label, weight = torch.tensor([1.0, 0.0, 1.0, 0.0, 1.0]), torch.tensor([2.0, 0.0, 1.0, 1.0, 4.0])
    keys = {"user": torch.tensor([1, 1, 2, 2, 2])}
    task = TaskSpec(name="ctr", label="clk", num_class=num_class, losses=(loss,), weight=3.0)
    value = losses_of_one_task(logits, Targets(label[:, None], weight[:, None], keys), task)
    rows = row_losses(loss, logits, label, keys)
    assert value.item() == pytest.approx(3.0 * float((rows * weight).sum() / weight.sum()), rel=1e-6)


@pytest.mark.parametrize(("loss", "num_class"), EVERY_LOSS, ids=lambda value: type(value).__name__)
def test_no_row_in_the_task_space_means_loss_and_gradient_zero(loss: LossSpec, num_class: int) -> None:
    logits = torch.randn(3, num_class, generator=torch.Generator().manual_seed(0)).requires_grad_()
    targets = Targets(torch.tensor([[1.0], [0.0], [1.0]]), torch.zeros(3, 1), {"user": torch.tensor([1, 1, 2])})
    task = TaskSpec(name="cvr", label="buy", num_class=num_class, losses=(loss,))
    value = losses_of_one_task(logits, targets, task)
    value.backward()  # type: ignore[no-untyped-call]
    assert value.item() == 0.0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_scale_of_the_weights_does_not_matter() -> None:
    logits, labels = torch.tensor([[0.3], [-1.0]]), [[1.0], [0.0]]
    task = TaskSpec(name="ctr", label="clk")
    small = losses_of_one_task(logits, targets_of(labels, [[0.25], [0.5]]), task)
    large = losses_of_one_task(logits, targets_of(labels, [[25.0], [50.0]]), task)
    assert small.item() == pytest.approx(large.item(), rel=1e-6)


def test_cross_entropy_is_finite_for_logits_that_a_probability_cannot_hold() -> None:
    value = row_losses(BinaryCrossEntropy(), torch.tensor([[200.0], [-200.0]]), torch.tensor([0.0, 1.0]), {})
    assert value.tolist() == [200.0, 200.0]


def test_losses_are_named_like_the_peers_and_read_their_own_columns() -> None:
    model = model_of(
        TaskSpec(name="ctr", label="clk"),
        TaskSpec(name="grade", label="grade", num_class=3, losses=(SoftmaxCrossEntropy(), SoftmaxCrossEntropy())),
        TaskSpec(name="time", label="time", losses=(L2(), BinaryFocal())),
    )
    logits = torch.tensor([[0.0, 9.0, 0.0, 0.0, 5.0]])
    losses = task_losses(logits, targets_of([[1, 0, 5]]), model)
    assert list(losses) == [
        "binary_cross_entropy_ctr",
        "softmax_cross_entropy_grade",
        "l2_loss_time",
        "binary_focal_loss_time",
    ]
    assert losses["l2_loss_time"].item() == 0.0
    twice = 2 * row_losses(SoftmaxCrossEntropy(), logits[:, 1:4], torch.zeros(1), {})
    assert losses["softmax_cross_entropy_grade"].item() == pytest.approx(twice.item())
    assert total_loss(losses).item() == pytest.approx(sum(value.item() for value in losses.values()))


def test_the_total_is_the_plain_sum_of_the_task_losses() -> None:
    losses = {"binary_cross_entropy_ctr": torch.tensor(0.25), "l2_loss_price": torch.tensor(1.5)}
    assert total_loss(losses).item() == 1.75

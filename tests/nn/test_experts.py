from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from peprank.nn import MLP, Experts, Extraction, SoftmaxGate
from peprank.nn.experts import mixture


def times(*factors: float) -> Experts:
    """Experts of one unit that multiply a positive number."""
    experts = Experts(MLP(1, (1,), bias=False) for _ in factors)
    for network, factor in zip(experts.networks, factors, strict=True):
        nn.init.constant_(network.get_parameter("layers.0.linear.weight"), factor)
    return experts


def gate(*logits: float) -> SoftmaxGate:
    """A gate whose logits do not depend on its input."""
    made = SoftmaxGate(MLP(1, ()), len(logits))
    nn.init.zeros_(made.logit.weight)
    made.logit.bias.data.copy_(torch.tensor(logits))
    return made


def column(*values: float) -> Tensor:
    return torch.tensor(values).unsqueeze(1)


def test_experts_stand_below_each_other() -> None:
    assert times(1.0, 3.0)(column(2.0, 5.0)).tolist() == [[[2.0], [6.0]], [[5.0], [15.0]]]


def test_a_gate_gives_shares_that_sum_to_one() -> None:
    shares = gate(0.0, math.log(3.0))(column(7.0))
    assert shares.tolist() == [pytest.approx([0.25, 0.75])]  # 1 : 3


def test_a_gate_with_layers_reads_what_they_make_of_its_input() -> None:
    plain = SoftmaxGate(MLP(1, (1,), bias=False), 2)
    nn.init.constant_(plain.hidden.get_parameter("layers.0.linear.weight"), -1.0)
    torch.testing.assert_close(plain(column(1.0, 2.0)), plain(column(3.0, 4.0)))  # relu(-x) = 0


def test_a_mixture_is_the_weighted_sum_of_its_experts() -> None:
    mixed = mixture(torch.tensor([[0.25, 0.75]]), torch.tensor([[[4.0, 0.0], [8.0, 1.0]]]))
    assert mixed.tolist() == [[7.0, 0.75]]  # 0.25 * 4 + 0.75 * 8, 0.25 * 0 + 0.75 * 1


def test_a_level_mixes_own_and_shared_experts_and_the_shared_path_mixes_all() -> None:
    level = Extraction(
        [times(1.0), times(10.0)],
        [gate(0.0, 0.0), gate(0.0, math.log(3.0))],
        shared_experts=times(100.0),
        shared_gate=gate(0.0, 0.0, math.log(2.0)),
    )
    (first, second), shared = level([column(2.0), column(3.0)], column(4.0))
    assert first.item() == pytest.approx(0.5 * 2 + 0.5 * 400)
    assert second.item() == pytest.approx(0.25 * 30 + 0.75 * 400)
    assert shared is not None
    assert shared.item() == pytest.approx(0.25 * 2 + 0.25 * 30 + 0.5 * 400)


def test_a_level_without_shared_experts_keeps_the_tasks_apart() -> None:
    level = Extraction([times(1.0, 3.0), times(10.0, 30.0)], [gate(0.0, 0.0), gate(0.0, 0.0)])
    (first, second), shared = level([column(2.0), column(3.0)], column(4.0))
    assert (first.item(), second.item()) == (4.0, 60.0)
    assert shared is None

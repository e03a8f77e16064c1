from __future__ import annotations

import pytest
import torch
from torch import nn

from peprank.nn import MLP, StarMLP


def test_all_domains_start_as_the_shared_network() -> None:
    shared = MLP(4, (5, 3), normalization="layer")
    star, x = StarMLP(shared, 3), torch.randn(6, 4)
    for domain in range(3):
        assert torch.equal(star(x, domain), shared(x))


def test_weights_are_multiplied_and_biases_added() -> None:
    star = StarMLP(MLP(1, (1,)), 2)
    for value, number in zip(star.parameters(), (2.0, 1.0, 1.0, 0.0, 3.0, -4.0), strict=True):  # shared, 0, 1
        nn.init.constant_(value, number)
    x = torch.tensor([[1.0], [5.0]])
    assert star(x, 0).flatten().tolist() == [3.0, 11.0]  # 2 x + 1
    assert star(x, 1).flatten().tolist() == [3.0, 27.0]  # 2 * 3 x + 1 - 4


def test_only_the_domain_of_a_row_learns_from_it() -> None:
    star = StarMLP(MLP(4, (5,), bias=False), 2)
    torch.autograd.backward(star(torch.rand(6, 4), 1).sum())
    assert [name for name, value in star.named_parameters() if value.grad is not None] == [
        "shared.layers.0.linear.weight",
        "domains.1.0.weight",
    ]


@pytest.mark.parametrize("num_rows", [0, 1])
def test_few_rows_pass(num_rows: int) -> None:
    assert StarMLP(MLP(4, (5, 3)), 2)(torch.randn(num_rows, 4), 1).shape == (num_rows, 3)

from __future__ import annotations

import torch
from torch import nn

from peprank.nn import Cross, MatrixCross


def row(*values: float) -> torch.Tensor:
    return torch.tensor([values])


def test_a_layer_of_vectors_equals_the_equation() -> None:
    cross = Cross(2, 2)
    for name, values in (("weights.0.weight", [[1.0, 2.0]]), ("weights.1.weight", [[0.5, 0.0]])):
        cross.get_parameter(name).data.copy_(torch.tensor(values))
    cross.get_parameter("biases.1").data.copy_(torch.tensor([100.0, 200.0]))
    # x_1 = (1*3 + 2*4) [3, 4] + [3, 4] = [36, 48]; x_2 = (0.5*36) [3, 4] + [100, 200] + [36, 48]
    assert cross(row(3.0, 4.0)).tolist() == [[190.0, 320.0]]


def test_fresh_biases_are_zero_so_that_an_input_of_zeros_stays_one() -> None:
    assert Cross(3, 2)(torch.zeros(1, 3)).tolist() == [[0.0, 0.0, 0.0]]


def test_a_layer_of_matrices_equals_the_equation() -> None:
    cross = MatrixCross(2, 1)
    cross.get_parameter("layers.0.weight").data.copy_(torch.tensor([[1.0, 2.0], [0.0, 1.0]]))
    cross.get_parameter("layers.0.bias").data.copy_(torch.tensor([10.0, 20.0]))
    # W x + b = [1*3 + 2*4 + 10, 4 + 20] = [21, 24]; x_1 = [3*21 + 3, 4*24 + 4]
    assert cross(row(3.0, 4.0)).tolist() == [[66.0, 100.0]]


def test_a_matrix_of_low_rank_is_a_product_of_two() -> None:
    full, low = MatrixCross(5, 3), MatrixCross(5, 3, rank=2)
    for square, layer in zip(full.layers, low.layers, strict=True):
        assert isinstance(square, nn.Linear)
        square.weight.data.copy_(layer.get_parameter("u.weight") @ layer.get_parameter("v.weight"))
        square.bias.data.copy_(layer.get_parameter("u.bias"))
    x = torch.randn(7, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(low(x), full(x))

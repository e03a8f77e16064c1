"""Cross networks: products of the input's columns, of a degree that grows by one with each layer."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn


class Cross(nn.Module):
    """A number and a vector per layer: x_(l+1) = (x_l · w_l) x_0 + b_l + x_l.

    Source: DCN (Wang et al., ADKDD 2017), section "Cross Network".

    Args:
        dim: width D of the input.
        num_layers: the output holds products of up to this many columns plus one.

    Shapes: x_0 [B, D] -> [B, D].
    """

    def __init__(self, dim: int, num_layers: int) -> None:
        super().__init__()
        self.out_dim = dim
        self.weights = nn.ModuleList(nn.Linear(dim, 1, bias=False) for _ in range(num_layers))
        self.biases = nn.ParameterList(torch.zeros(dim) for _ in range(num_layers))
        for weight in self.weights.parameters():
            nn.init.xavier_uniform_(weight)

    def __len__(self) -> int:
        return len(self.weights)

    def forward(self, x_0: Tensor) -> Tensor:
        """The last layer [B, D]."""
        x = x_0
        for weight, bias in zip(self.weights, self.biases, strict=True):
            x = weight(x) * x_0 + bias + x
        return x


class MatrixCross(nn.Module):
    """A matrix per layer: x_(l+1) = x_0 ⊗ (W_l x_l + b_l) + x_l, with W_l = U_l V_l where its rank is limited.

    Source: DCN-V2 (Wang et al., WWW 2021), sections "Cross Network" and "Cost-Effective Mixture of Low-Rank DCN".

    Args:
        dim: width D of the input.
        num_layers: the output holds products of up to this many columns plus one.
        rank: inner width of U_l V_l; None: W_l is one matrix [D, D].

    Shapes: x_0 [B, D] -> [B, D].
    """

    def __init__(self, dim: int, num_layers: int, *, rank: int | None = None) -> None:
        super().__init__()
        self.out_dim, self.rank = dim, rank
        self.layers = nn.ModuleList(
            nn.Linear(dim, dim) if rank is None else _low_rank(dim, rank) for _ in range(num_layers)
        )

    def __len__(self) -> int:
        return len(self.layers)

    def forward(self, x_0: Tensor) -> Tensor:
        """The last layer [B, D]."""
        x = x_0
        for layer in self.layers:
            x = x_0 * layer(x) + x
        return x


def _low_rank(dim: int, rank: int) -> nn.Sequential:
    return nn.Sequential(OrderedDict(v=nn.Linear(dim, rank, bias=False), u=nn.Linear(rank, dim)))

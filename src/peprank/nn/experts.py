"""Experts, and the gates that say how much of each a task takes."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from peprank.nn.mlp import MLP


class Experts(nn.Module):
    """Several networks over one input, their outputs below each other: v_k = Expert_k(x).

    Args:
        networks: the experts, equal in their widths.

    Shapes: x [B, D] -> v [B, K, H].
    """

    def __init__(self, networks: Iterable[MLP]) -> None:
        super().__init__()
        made = list(networks)
        self.out_dim = made[0].out_dim
        self.networks = nn.ModuleList(made)

    def __len__(self) -> int:
        return len(self.networks)

    def forward(self, x: Tensor) -> Tensor:
        """Outputs of all experts [B, K, H]."""
        return torch.stack([network(x) for network in self.networks], dim=1)


class SoftmaxGate(nn.Module):
    """Shares that sum to 1, read off an input: w = softmax(W g(x) + b).

    Source: MMoE (Ma et al., KDD 2018), Eq 7, where g(x) = x and there is no b.

    Args:
        hidden: makes g(x); without layers g(x) = x.
        num_experts: K.

    Shapes: x [B, D] -> w [B, K].
    """

    def __init__(self, hidden: MLP, num_experts: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.logit = nn.Linear(hidden.out_dim, num_experts)

    def forward(self, x: Tensor) -> Tensor:
        """Shares of the experts [B, K]."""
        return torch.softmax(self.logit(self.hidden(x)), dim=1)

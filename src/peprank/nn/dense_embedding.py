"""Vectors for numbers: what stands for an embedding where a feature has no ids."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class AutoDis(nn.Module):
    """Mix meta-embeddings by a number: softmax((M h + keep h) / temperature) V with h = leaky_relu(W x).

    Source: AutoDis (Guo et al., KDD 2021), section "Automatic discretization"; `keep` is its skip-connection weight.

    Args:
        in_dim: numbers V of the feature per row.
        out_dim: width D of the vector.
        num_channels: meta-embeddings H to mix.
        temperature: softmax temperature; small: nearly one meta-embedding per number.
        keep_prob: weight of the skip connection.

    Shapes: [B, V] -> [B, D].
    """

    def __init__(
        self, in_dim: int, out_dim: int, num_channels: int, *, temperature: float = 0.1, keep_prob: float = 0.8
    ) -> None:
        super().__init__()
        self.hidden = nn.Linear(in_dim, num_channels, bias=False)
        self.mix = nn.Linear(num_channels, num_channels, bias=False)
        self.meta = nn.Linear(num_channels, out_dim, bias=False)
        self.temperature, self.keep_prob = temperature, keep_prob

    def forward(self, numbers: Tensor) -> Tensor:
        """Vector [B, D]."""
        hidden = F.leaky_relu(self.hidden(numbers))  # [B, H]
        score = self.mix(hidden) + self.keep_prob * hidden
        share = torch.softmax(score / self.temperature, dim=-1)  # [B, H], rows sum to 1
        vector: Tensor = self.meta(share)
        return vector

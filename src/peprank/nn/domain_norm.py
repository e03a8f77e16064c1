"""Normalization of rows by the statistics of their domain."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PartitionedNorm(nn.Module):
    """Rows of one domain d, normalized: z' = (γ ⊗ γ_d) ⊗ (z - μ) / sqrt(σ² + ε) + β + β_d.

    In training μ and σ² are those of the rows, and the domain's moving statistics follow them; otherwise they are the
    moving ones, so that a row's score does not depend on its batch mates. They are too in training where the batch has
    but one row of the domain, which has no variance.

    Source: STAR (Sheng et al., CIKM 2021), section "Partitioned Normalization".

    Args:
        dim: width of a row.
        num_domains: D.

    Shapes: z [B, dim], rows of one domain -> [B, dim].
    """

    def __init__(self, dim: int, num_domains: int) -> None:
        super().__init__()
        self.gamma, self.beta = nn.Parameter(torch.ones(dim)), nn.Parameter(torch.zeros(dim))
        self.gammas = nn.ParameterList(torch.ones(dim) for _ in range(num_domains))
        self.betas = nn.ParameterList(torch.zeros(dim) for _ in range(num_domains))
        self.statistics = nn.ModuleList(nn.BatchNorm1d(dim, affine=False) for _ in range(num_domains))

    def forward(self, z: Tensor, domain: int) -> Tensor:
        """Normalized rows of `domain`."""
        statistics = self.statistics[domain]
        assert isinstance(statistics, nn.BatchNorm1d)
        if not self.training or len(z) > 1:
            normal = statistics(z)
        else:
            normal = F.batch_norm(z, statistics.running_mean, statistics.running_var, eps=statistics.eps)
        scaled: Tensor = self.gamma * self.gammas[domain] * normal + (self.beta + self.betas[domain])
        return scaled

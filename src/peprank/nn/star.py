"""Layers in a star: one shared network in the middle, and around it what each domain makes of its weights."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from peprank.nn.mlp import MLP


class StarMLP(nn.Module):
    """The layers of one domain d: h^(l) = f((W^(l) ⊗ W_d^(l)) h^(l-1) + b^(l) + b_d^(l)).

    All domains share W and b. W_d starts at 1 and b_d at 0, so that all domains start as the shared network.

    Source: STAR (Sheng et al., CIKM 2021), section "Star Topology FCN", which does not say how the weights start.

    Args:
        shared: holds W and b, and what follows each linear map.
        num_domains: D.

    Shapes: x [B, in_dim], rows of one domain -> [B, out_dim].
    """

    def __init__(self, shared: MLP, num_domains: int) -> None:
        super().__init__()
        self.out_dim = shared.out_dim
        self.shared = shared
        linears = [part for part in shared.modules() if isinstance(part, nn.Linear)]
        self.domains = nn.ModuleList(nn.ModuleList(_Own(linear) for linear in linears) for _ in range(num_domains))

    def forward(self, x: Tensor, domain: int) -> Tensor:
        """Output of the last layer for rows of `domain`."""
        owns = self.domains[domain]
        assert isinstance(owns, nn.ModuleList)
        for layer, own in zip(self.shared.layers, owns, strict=True):
            assert isinstance(layer, nn.Sequential)
            assert isinstance(own, _Own)
            linear, *rest = layer
            x = own(x, linear)
            for part in rest:
                x = part(x)
        return x


class _Own(nn.Module):
    """W_d and b_d of one linear map; no b_d where the map has no b."""

    def __init__(self, shared: nn.Linear) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones_like(shared.weight))
        self.bias = nn.Parameter(torch.zeros_like(shared.bias)) if shared.bias is not None else None

    def forward(self, x: Tensor, shared: nn.Linear) -> Tensor:
        bias = None if self.bias is None else shared.bias + self.bias
        return F.linear(x, shared.weight * self.weight, bias)

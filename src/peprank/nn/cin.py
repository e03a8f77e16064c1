"""The compressed interaction network: products of field vectors, of a degree that grows by one with each layer."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


class CIN(nn.Module):
    """Mixtures of the products of two layers' vectors: x^k_h = Σ_i Σ_j W^k_(h,i,j) (x^(k-1)_i ⊗ x^0_j) + b^k_h.

    The output is the sum of each vector's entries, of all layers side by side.

    Source: xDeepFM (Lian et al., KDD 2018), section "Compressed Interaction Network", where there is no b.

    Args:
        num_fields: vectors M of the input.
        field_dim: their width D.
        hidden_dims: vectors H_k of each layer.

    Shapes: x^0 [B, M, D] -> [B, Σ_k H_k].
    """

    def __init__(self, num_fields: int, field_dim: int, hidden_dims: Sequence[int]) -> None:
        super().__init__()
        self.num_fields, self.field_dim, self.hidden_dims = num_fields, field_dim, tuple(hidden_dims)
        self.out_dim = sum(hidden_dims)
        self.layers = nn.ModuleList(
            nn.Linear(below * num_fields, above) for below, above in pairwise((num_fields, *hidden_dims))
        )

    @property
    def multiply_adds(self) -> int:
        """Of the linear maps, which a row passes once for each of the D entries of a vector."""
        return self.field_dim * sum(layer.weight.numel() for layer in self.layers if isinstance(layer, nn.Linear))

    def forward(self, vectors: Tensor) -> Tensor:
        """Sums of all layers' vectors [B, Σ_k H_k]."""
        fields = vectors.transpose(1, 2)  # [B, D, M]
        x, sums = fields, []
        for layer in self.layers:
            products = (x.unsqueeze(3) * fields.unsqueeze(2)).flatten(2)  # [B, D, H_(k-1) M]
            x = layer(products)  # [B, D, H_k]
            sums.append(x.sum(1))
        return torch.cat(sums, dim=1)

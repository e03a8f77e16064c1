"""Gate NU: the number that a prior puts on each unit of a layer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class GateNU(nn.Module):
    """Scale each unit by a number read off a prior: delta = gamma * sigmoid(W2 relu(W1 x + b1) + b2).

    The input x is `prior`, or `prior ⊕ sg(observed)`: the gate reads what it observes without steering it, and no
    gradient towards `observed` is computed.

    Source: PEPNet (Chang et al., KDD 2023), section "Gate Neural Unit", Eq 2-3.

    Args:
        prior_dim: width P of the prior.
        out_dim: width H of the units to scale.
        observed_dim: width R of the observed input; 0: there is none.
        hidden_dim: width of the hidden layer; None: as wide as the units.
        gamma: open upper end of delta, no unit. At 2.0 a zero logit leaves a unit as it is.

    Shapes: prior float [B, P], observed float [B, R] -> delta float [B, H], 0 < delta < gamma.
    """

    def __init__(
        self,
        prior_dim: int,
        out_dim: int,
        *,
        observed_dim: int = 0,
        hidden_dim: int | None = None,
        gamma: float = 2.0,
    ) -> None:
        super().__init__()
        hidden_dim = hidden_dim or out_dim
        self.hidden = nn.Linear(prior_dim + observed_dim, hidden_dim)
        self.logit = nn.Linear(hidden_dim, out_dim)
        self.gamma = gamma

    def forward(self, prior: Tensor, observed: Tensor | None = None) -> Tensor:
        """Delta [B, H]."""
        hidden = torch.relu(observing_linear(self.hidden, prior, observed))
        return self.gamma * torch.sigmoid(self.logit(hidden))


class GateBank(nn.Module):
    """Several Gate NUs that read one input; their first layers are one matrix product.

    Equal to one `GateNU` per entry of `out_dims`: gate k has rows `hidden_rows[k]` of `hidden` and layer `logits[k]`.

    Args:
        prior_dim: width P of the prior.
        out_dims: width H_k of the units that gate k scales.
        observed_dim: width R of the input that is read without a gradient.
        hidden_dims: hidden width of each gate; None: as wide as its units.
        gamma: open upper end of delta.

    Shapes: prior [B, P], observed [B, R] -> one delta [B, H_k] per gate.
    """

    def __init__(
        self,
        prior_dim: int,
        out_dims: Sequence[int],
        *,
        observed_dim: int = 0,
        hidden_dims: Sequence[int] | None = None,
        gamma: float = 2.0,
    ) -> None:
        super().__init__()
        self.hidden_dims, self.out_dims = list(hidden_dims or out_dims), list(out_dims)
        self.hidden = nn.Linear(prior_dim + observed_dim, sum(self.hidden_dims))
        self.logits = nn.ModuleList(nn.Linear(h, out) for h, out in zip(self.hidden_dims, out_dims, strict=True))
        self.gamma = gamma

    def forward(self, prior: Tensor, observed: Tensor | None = None) -> list[Tensor]:
        """Delta [B, H_k] of each gate."""
        hidden = torch.relu(observing_linear(self.hidden, prior, observed))  # [B, sum of hidden_dims]
        chunks = torch.split(hidden, self.hidden_dims, dim=1)
        return [self.gamma * torch.sigmoid(logit(x)) for logit, x in zip(self.logits, chunks, strict=True)]


def observing_linear(linear: nn.Linear, prior: Tensor, observed: Tensor | None) -> Tensor:
    """`linear(prior ⊕ sg(observed))`, without computing a gradient towards `observed`.

    Concatenating first would cost that gradient: autograd cannot see that half of a joined input is constant.
    """
    if observed is None:
        return F.linear(prior, linear.weight, linear.bias)
    of_prior, of_observed = torch.split(linear.weight, [prior.shape[1], observed.shape[1]], dim=1)
    return F.linear(prior, of_prior) + F.linear(observed.detach(), of_observed, linear.bias)

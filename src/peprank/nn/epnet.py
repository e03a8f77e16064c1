"""EPNet: one gate, read off the domain, for the whole embedding layer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from peprank.nn.gate import GateNU, GeneralInputName, gate_inputs


class EPNet(nn.Module):
    """Scale the shared embedding for a row's domain: O_ep = GateNU(E(F_d) ⊕ sg(E)) ⊗ E.

    Source: PEPNet (Chang et al., KDD 2023), section "Embedding Personalized Network", Eq 5-6.

    Args:
        domain_dim: width D of the domain side E(F_d): domain id and statistics.
        main_dim: width M of the shared embedding E.
        hidden_dim: hidden width of the gate; None: M.
        gamma: open upper end of the gate.
        general: how the gate reads E: behind a stop-gradient, with a gradient (GateNU(E(F_d) ⊕ E)), or not at all
            (GateNU(E(F_d))).
        field_dims: widths of the feature fields that E joins. Given, the gate has one number per field and not one
            per unit, which is cheaper for wide inputs.

    Shapes: domain [B, D], main [B, M] -> O_ep [B, M].
    """

    field_of_unit: Tensor | None

    def __init__(
        self,
        domain_dim: int,
        main_dim: int,
        *,
        hidden_dim: int | None = None,
        gamma: float = 2.0,
        general: GeneralInputName = "DETACHED",
        field_dims: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        if field_dims is not None and sum(field_dims) != main_dim:
            raise ValueError(f"field_dims sum to {sum(field_dims)}: must sum to main_dim, which is {main_dim}")
        self.domain_dim, self.general = domain_dim, general
        self.gate = GateNU(
            domain_dim,
            main_dim if field_dims is None else len(field_dims),
            observed_dim=0 if general == "LEFT_OUT" else main_dim,
            hidden_dim=hidden_dim or main_dim,
            gamma=gamma,
        )
        fields = None
        if field_dims is not None:
            fields = torch.tensor([field for field, dim in enumerate(field_dims) for _ in range(dim)])
        self.register_buffer("field_of_unit", fields, persistent=False)

    def forward(self, domain: Tensor, main: Tensor) -> Tensor:
        """O_ep [B, M]."""
        return self.delta(domain, main) * main

    def delta(self, domain: Tensor, main: Tensor) -> Tensor:
        """What each unit is scaled by [B, M]; the units of a field alike, where the gate has one number per field."""
        delta: Tensor = self.gate(*gate_inputs(domain, main, self.general))  # [B, M], or [B, number of fields]
        return delta if self.field_of_unit is None else delta.index_select(1, self.field_of_unit)

"""MMoE (Ma et al., KDD 2018): shared experts, mixed by a gate per task."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn

from peprank.models.description import TrunkDescription, counted, described_softmax
from peprank.models.gates import GateValues
from peprank.nn import Experts, SoftmaxGate


class MMoE(nn.Module):
    """A Trunk: h_t = Σ_k w_t,k v_k with v_k = Expert_k(x) and w_t = softmax(W_t g_t(x) + b_t).

    Args:
        group: name of the input group x.
        experts: K of them, for all tasks.
        gates: one per task.

    Shapes: {group: [B, D]} -> [B, T, H].
    """

    def __init__(self, group: str, experts: Experts, gates: Iterable[SoftmaxGate]) -> None:
        super().__init__()
        self.group, self.out_dim = group, experts.out_dim
        self.experts = experts
        self.gates = nn.ModuleList(gates)

    def forward(self, groups: dict[str, Tensor], domain: Tensor) -> Tensor:  # noqa: ARG002  other trunks read the domain
        """Each task's mixture of the experts [B, T, H]."""
        x = groups[self.group]
        shares = torch.stack([gate(x) for gate in self.gates], dim=1)  # [B, T, K]
        return torch.bmm(shares, self.experts(x))

    def gate_values(
        self,
        groups: dict[str, Tensor],
        domain: Tensor,  # noqa: ARG002  other trunks read the domain
        tasks: Sequence[str],
    ) -> Iterator[GateValues]:
        """Each task's shares of the experts."""
        experts = tuple(f"expert {k}" for k in range(1, len(self.experts) + 1))
        for task, gate in zip(tasks, self.gates, strict=True):
            yield GateValues(gate="MMoE", task=task, values=gate(groups[self.group]), experts=experts)

    def description(self, tasks: Sequence[str]) -> TrunkDescription:
        """Its equations, gates and parts."""
        gates = [gate for gate in self.gates if isinstance(gate, SoftmaxGate)]
        g = "Gate_t(x)" if gates[0].hidden.hidden_dims else "x"
        return TrunkDescription(
            model="MMoE",
            equations=(
                f"x = {self.group}",
                f"v_k = Expert_k(x), k = 1 .. {len(self.experts)}",
                f"w_t = softmax({g} W_t + b_t)",
                "logit_t = Tower_t(Σ_k w_t,k v_k)",
            ),
            gates=tuple(
                described_softmax(task, self.group, gate, "the experts")
                for task, gate in zip(tasks, gates, strict=True)
            ),
            parts=counted({"experts": [self.experts], "gates": [self.gates]}),
        )

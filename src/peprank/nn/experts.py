"""Experts, and the gates that say how much of each a task takes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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

    Source: MMoE (Ma et al., KDD 2018), section "Multi-gate Mixture-of-Experts", where g(x) = x and there is no b.

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


class Extraction(nn.Module):
    """One level of PLE: each task mixes its own experts and the shared ones, the shared path mixes all of them.

    a_t' = softmax(W_t a_t + b_t) [own experts of t at a_t, shared experts at s]
    s'   = softmax(W_s s + b_s) [own experts of every t at a_t, shared experts at s]

    Source: PLE (Tang et al., RecSys 2020), sections "Customized Gate Control" and "Progressive Layered Extraction",
    where the gates have no b.

    Args:
        task_experts: the own experts of each task.
        task_gates: for each task, over its own experts and then the shared ones.
        shared_experts: None: every expert is some task's own.
        shared_gate: over the experts of the first task, of the second ..., and the shared ones; None: no later level
            reads s'.

    Shapes: a_t [B, D] of each task, s [B, D] -> a_t' [B, H] of each task, s' [B, H] or None.
    """

    def __init__(
        self,
        task_experts: Sequence[Experts],
        task_gates: Sequence[SoftmaxGate],
        *,
        shared_experts: Experts | None = None,
        shared_gate: SoftmaxGate | None = None,
    ) -> None:
        super().__init__()
        self.out_dim = task_experts[0].out_dim
        self.task_experts = nn.ModuleList(task_experts)
        self.task_gates = nn.ModuleList(task_gates)
        self.shared_experts = shared_experts
        self.shared_gate = shared_gate

    def forward(self, tasks: Sequence[Tensor], shared: Tensor | None) -> tuple[list[Tensor], Tensor | None]:
        """The input of the next level."""
        own = [experts(a) for experts, a in zip(self.task_experts, tasks, strict=True)]  # [B, K, H] each
        common = [] if self.shared_experts is None else [self.shared_experts(shared)]
        mixed = [torch.cat([v, *common], dim=1) for v in own]  # what each path mixes
        if self.shared_gate is not None:
            mixed.append(torch.cat([*own, *common], dim=1))
        mixtures = [mixture(w, v) for w, v in zip(self.shares(tasks, shared), mixed, strict=True)]
        return (mixtures, None) if self.shared_gate is None else (mixtures[:-1], mixtures[-1])

    def shares(self, tasks: Sequence[Tensor], shared: Tensor | None) -> list[Tensor]:
        """Shares [B, K] that each task's path gives its experts, then those of the shared path, if any."""
        shares: list[Tensor] = [gate(a) for gate, a in zip(self.task_gates, tasks, strict=True)]
        return shares if self.shared_gate is None else [*shares, self.shared_gate(shared)]


def mixture(shares: Tensor, outputs: Tensor) -> Tensor:
    """Experts' outputs [B, K, H], weighed by shares [B, K] and summed: [B, H]."""
    return torch.bmm(shares.unsqueeze(1), outputs).squeeze(1)

"""A level of PLE whose experts and gates belong to domains as well as to tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from peprank.nn.domains import ByDomain, PerDomain
from peprank.nn.experts import Experts, SoftmaxGate, mixture


class Paths(NamedTuple):
    """What the experts of a level read, rows in the order of their domains."""

    tasks: list[Tensor]  # a_t [B, D], by the experts of task t
    domain: Tensor  # c [B, D], by the experts of the row's domain
    shared: Tensor  # s [B, D], by the shared experts


class Shares(NamedTuple):
    """How much of each expert a path takes [B, K], rows in the order of their domains; None: the path ends here."""

    tasks: list[Tensor]
    domain: Tensor | None
    shared: Tensor | None


class DomainExtraction(nn.Module):
    """One level for a row of domain d: each task mixes its own experts, those of d and the shared ones.

    a_t' = softmax(W_dt a_t + b_dt) [experts of t at a_t, experts of d at c, shared experts at s]
    c'   = softmax(W_d c + b_d) [experts of d at c, shared experts at s]
    s'   = softmax(W_s s + b_s) [experts of every t at a_t, experts of d at c, shared experts at s]

    Args:
        task_experts: of each task.
        domain_experts: of each domain.
        shared_experts: of all tasks and domains.
        pair_gates: for each task one gate per domain, over the experts of the task, of the domain, and the shared ones.
        domain_gates: over the experts of the domain and the shared ones; None: this level is the last, whose c' and s'
            nothing reads.
        shared_gate: over the experts of the first task, of the second ..., of the domain, and the shared ones; None:
            as above.

    Shapes: a_t [B, D] of each task, c [B, D], s [B, D] -> a_t' [B, H] of each task, c' [B, H], s' [B, H].
    """

    def __init__(
        self,
        task_experts: Sequence[Experts],
        domain_experts: PerDomain,
        shared_experts: Experts,
        pair_gates: Sequence[PerDomain],
        *,
        domain_gates: PerDomain | None = None,
        shared_gate: SoftmaxGate | None = None,
    ) -> None:
        super().__init__()
        self.out_dim = shared_experts.out_dim
        self.task_experts = nn.ModuleList(task_experts)
        self.domain_experts = domain_experts
        self.shared_experts = shared_experts
        self.pair_gates = nn.ModuleList(pair_gates)
        self.domain_gates = domain_gates
        self.shared_gate = shared_gate

    def forward(self, paths: Paths, by: ByDomain) -> Paths:
        """The input of the next level; the last level changes the tasks' paths only."""
        of_tasks = [experts(a) for experts, a in zip(self.task_experts, paths.tasks, strict=True)]  # [B, K, H] each
        common = torch.cat([self.domain_experts(paths.domain, by), self.shared_experts(paths.shared)], dim=1)
        shares = self.shares(paths, by)
        tasks = [mixture(w, torch.cat([v, common], dim=1)) for w, v in zip(shares.tasks, of_tasks, strict=True)]
        if shares.domain is None or shares.shared is None:
            return Paths(tasks, paths.domain, paths.shared)
        every = torch.cat([*of_tasks, common], dim=1)
        return Paths(tasks, mixture(shares.domain, common), mixture(shares.shared, every))

    def shares(self, paths: Paths, by: ByDomain) -> Shares:
        """What each path gives the experts that it mixes."""
        return Shares(
            [gates(a, by) for gates, a in zip(self.pair_gates, paths.tasks, strict=True)],
            None if self.domain_gates is None else self.domain_gates(paths.domain, by),
            None if self.shared_gate is None else self.shared_gate(paths.shared),
        )

"""HMoE (Li et al., CIKM 2020): a prediction of every domain for a row, mixed by how relevant each is to its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from peprank.models.description import GateDescription, TrunkDescription, counted, described_softmax
from peprank.models.gates import GateValues
from peprank.nn import MLP, ByDomain, Experts, PerDomain, SoftmaxGate


class DomainView(nn.Module):
    """What one domain makes of a row for each task: r_t = Layers_t(Σ_k g_t,k v_k), g_t = Gate_t(x).

    Args:
        gates: for each task, over the K experts.
        layers: of each task, equal in their widths.

    Shapes: x [B, D], v [B, K, E] -> r [B, T, H].
    """

    def __init__(self, gates: Iterable[SoftmaxGate], layers: Iterable[MLP]) -> None:
        super().__init__()
        self.gates = nn.ModuleList(gates)
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor, v: Tensor) -> Tensor:
        """Representations [B, T, H]."""
        mixed = torch.bmm(torch.stack(self.shares(x), dim=1), v).unbind(1)  # [B, E] of each task
        return torch.stack([layers(one) for layers, one in zip(self.layers, mixed, strict=True)], dim=1)

    def shares(self, x: Tensor) -> list[Tensor]:
        """What each task takes of the experts [B, K]."""
        return [gate(x) for gate in self.gates]


class HMoE(nn.Module):
    """A Trunk: h_t = Σ_j w_t,j r_j,t over all domains j; a stop-gradient stands before r_j,t unless the row is of j.

    Source: Li et al., "Improving Multi-Scenario Learning to Rank in E-commerce by Exploiting Task Relationships in
    the Label Space", CIKM 2020. Each domain is a task of an MMoE there, and a row's prediction is a mix of those that
    all domains make of it; only its own domain's part learns from the row, besides the weights of the mix.

    The paper mixes predictions and has one label. Here each pair of a domain and a task is a task of the paper, and a
    row's mix for task t runs over the pairs (j, t). What is mixed is the vector before the task's tower, as public
    implementations do: where the tower is one linear map that all domains share, u h + b, that equals mixing logits,
    since the weights sum to 1.

    Args:
        group: name of the input group x.
        experts: K of them, for all domains and tasks.
        views: of each domain, equal in their shapes.
        relevance: for each task, w_t: one gate per domain, over the D domains.
        out_dim: H, width of a view's representations.

    Shapes: {group: [B, D]} -> [B, T, H].

    Raises:
        DataError: a row's domain does not lie in [0, D).
    """

    def __init__(
        self, group: str, experts: Experts, views: Iterable[DomainView], relevance: Iterable[PerDomain], *, out_dim: int
    ) -> None:
        super().__init__()
        self.group, self.out_dim = group, out_dim
        self.experts = experts
        self.views = nn.ModuleList(views)
        self.relevance = nn.ModuleList(relevance)

    def forward(self, groups: dict[str, Tensor], domain: Tensor) -> Tensor:
        """Each task's mix of all domains' representations [B, T, H]."""
        by = ByDomain(domain, len(self.views))
        x = by.gathered(groups[self.group])
        v = self.experts(x)  # [B, K, E]
        r = torch.stack([view(x, v) for view in self.views], dim=2)  # [B, T, D, H]
        is_own = F.one_hot(by.gathered(domain), len(self.views)).bool()[:, None, :, None]
        r = torch.where(is_own, r, r.detach())  # other domains do not learn from this row
        w = torch.stack(self._relevance(x, by), dim=1)  # [B, T, D]
        return by.restored((w.unsqueeze(2) @ r).squeeze(2))

    def _relevance(self, x: Tensor, by: ByDomain) -> list[Tensor]:
        """For each task how much a row takes of each domain's representation [B, D]."""
        return [gates(x, by) for gates in self.relevance]

    def gate_values(self, groups: dict[str, Tensor], domain: Tensor, tasks: Sequence[str]) -> Iterator[GateValues]:
        """Each view's shares of the experts, by task, and then the relevance of each domain."""
        by = ByDomain(domain, len(self.views))
        x = by.gathered(groups[self.group])
        experts = tuple(f"expert {k}" for k in range(1, len(self.experts) + 1))
        for j, view in enumerate(self.views):
            assert isinstance(view, DomainView)
            for task, values in zip(tasks, view.shares(x), strict=True):
                layer = f"view of domain {j}"
                yield GateValues(gate="HMoE", layer=layer, task=task, values=by.restored(values), experts=experts)
        domains = tuple(f"domain {j}" for j in range(len(self.views)))
        for task, values in zip(tasks, self._relevance(x, by), strict=True):
            yield GateValues(gate="HMoE relevance", task=task, values=by.restored(values), experts=domains)

    def description(self, tasks: Sequence[str]) -> TrunkDescription:
        """Its equations, gates and parts; a row passes every domain's view, and the relevance gates of its own."""
        return TrunkDescription(
            model="HMoE",
            equations=(
                f"x = {self.group}; d = the row's domain; j = 1 .. {len(self.views)}, all domains",
                f"v_k = Expert_k(x), k = 1 .. {len(self.experts)}",
                "r_jt = Layers_jt(Σ_k g_jt,k v_k), g_jt = Gate_jt(x)",
                "h_t = w_dt,d r_dt + Σ_j≠d w_dt,j sg(r_jt), w_dt = Relevance_dt(x)",
                "logit_t = Tower_t(h_t)",
            ),
            gates=tuple(self._gates(tasks)),
            parts=(
                *counted({"experts": [self.experts], "domain views": [self.views]}),
                *counted({"relevance gates": [self.relevance]}, copies=len(self.views)),
            ),
        )

    def _gates(self, tasks: Sequence[str]) -> Iterator[GateDescription]:
        view = self.views[0]
        assert isinstance(view, DomainView)
        for task, gate in zip(tasks, view.gates, strict=True):
            yield described_softmax(task, self.group, gate, "the experts; one gate per domain")
        for task, gates in zip(tasks, self.relevance, strict=True):
            assert isinstance(gates, PerDomain)
            yield described_softmax(
                f"{task} relevance", self.group, gates.parts[0], "what the domains make of a row; one gate per domain"
            )

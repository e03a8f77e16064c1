"""M3oE (Zhang et al., SIGIR 2024): experts that are shared, of domains and of tasks, fused by learnt weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn

from peprank.models.description import GateDescription, TrunkDescription, counted, described_softmax
from peprank.models.gates import GateValues
from peprank.nn import MLP, ByDomain, Experts, PerDomain, StarMLP


class M3oE(nn.Module):
    """A Trunk, for a row of domain d: h = W_c f_d(x) + b_c + f_DA(x), h̄_t = S_t(h) + α_d D(h) + α_t T_t(h).

    f_d: a linear map whose weights are shared ones times those of d, as STAR's.
    S_t: the shared experts, mixed by a softmax gate that the pair (d, t) has to itself.
    D: β_d times d's own expert and 1 - β_d times the mean of the other domains' experts.
    T_t: β_t times t's own expert and 1 - β_t times the mean of the other tasks' experts.

    Source: M3oE (Zhang et al., SIGIR 2024), section 2, Eq 1-10. α_d, α_t, β_d and β_t are one number each, the sigmoid
    of a trained one that starts at 0. The paper searches them: after each epoch, on one batch of the training data,
    with all else fixed. Here they are trained together with all else.

    Eq 7 has α_d beside T and α_t beside D; the paper's discussion of it and its code have them as here. Its code
    leaves Eq 2 and 4 in two places, which we do not follow: a layer norm and a ReLU behind W_c, and a stop-gradient
    before the gates.

    Args:
        group: name of the input group x.
        domain_layer: f_d, one linear map.
        common_layer: W_c and b_c, from the width of f_d to that of f_DA.
        common: f_DA, the same for all domains.
        shared_experts: N of them. They read h, as all experts do.
        domain_experts: one per domain.
        task_experts: one per task.
        pair_gates: for each task one gate per domain, over the shared experts.

    Shapes: {group: [B, D]} -> [B, T, H].

    Raises:
        DataError: a row's domain has no expert.
    """

    def __init__(
        self,
        group: str,
        *,
        domain_layer: StarMLP,
        common_layer: nn.Linear,
        common: MLP,
        shared_experts: Experts,
        domain_experts: Experts,
        task_experts: Experts,
        pair_gates: Iterable[PerDomain],
    ) -> None:
        super().__init__()
        self.group, self.out_dim = group, shared_experts.out_dim
        self.domain_layer, self.common_layer, self.common = domain_layer, common_layer, common
        self.shared_experts, self.domain_experts, self.task_experts = shared_experts, domain_experts, task_experts
        self.pair_gates = nn.ModuleList(pair_gates)
        self.alpha_d, self.alpha_t = FusionWeight(), FusionWeight()
        # Without others there is nothing to weigh.
        self.beta_d = FusionWeight() if len(domain_experts) > 1 else None
        self.beta_t = FusionWeight() if len(task_experts) > 1 else None

    def forward(self, groups: dict[str, Tensor], domain: Tensor) -> Tensor:
        """Each task's fused representation [B, T, H]."""
        by = ByDomain(domain, len(self.domain_experts))
        h = self._representation(groups, by)
        shares = torch.stack(self._shares(h, by), dim=1)  # [B, T, N]
        of_domains, of_tasks = self.domain_experts(h), self.task_experts(h)  # [B, number of domains, H], [B, T, H]
        own = by.each(lambda d, outputs: outputs[:, d : d + 1], of_domains)  # [B, 1, H]
        shared = torch.bmm(shares, self.shared_experts(h))  # [B, T, H]
        domains, tasks = _focused(own, of_domains, self.beta_d), _focused(of_tasks, of_tasks, self.beta_t)
        return by.restored(shared + self.alpha_d() * domains + self.alpha_t() * tasks)

    def _representation(self, groups: dict[str, Tensor], by: ByDomain) -> Tensor:
        """What all experts read: h, rows in the order of their domains."""
        x = by.gathered(groups[self.group])
        h: Tensor = self.common_layer(by.each(lambda d, rows: self.domain_layer(rows, d), x)) + self.common(x)
        return h

    def _shares(self, h: Tensor, by: ByDomain) -> list[Tensor]:
        """What each task takes of the shared experts [B, N]."""
        return [gates(h, by) for gates in self.pair_gates]

    def gate_values(self, groups: dict[str, Tensor], domain: Tensor, tasks: Sequence[str]) -> Iterator[GateValues]:
        """Each task's shares of the shared experts."""
        by = ByDomain(domain, len(self.domain_experts))
        experts = tuple(f"expert {k}" for k in range(1, len(self.shared_experts) + 1))
        for task, values in zip(tasks, self._shares(self._representation(groups, by), by), strict=True):
            yield GateValues(gate="M3oE", task=task, values=by.restored(values), experts=experts)

    def description(self, tasks: Sequence[str]) -> TrunkDescription:
        """Its equations, gates and parts; a row passes all experts, and the gates of its own domain."""
        num_domains = len(self.domain_experts)
        fusion = [weight for weight in (self.alpha_d, self.alpha_t, self.beta_d, self.beta_t) if weight is not None]
        return TrunkDescription(
            model="M3oE",
            equations=tuple(self._equations()),
            gates=tuple(self._gates(tasks)),
            parts=(
                *counted({"domain layer": [self.domain_layer]}),
                *counted({"common layers": [self.common_layer, self.common]}),
                *counted({"shared experts": [self.shared_experts], "domain experts": [self.domain_experts]}),
                *counted({"task experts": [self.task_experts]}),
                *counted({"gates": [self.pair_gates]}, copies=num_domains),
                *counted({"fusion weights": fusion}),
            ),
        )

    def _gates(self, tasks: Sequence[str]) -> Iterator[GateDescription]:
        for task, gates in zip(tasks, self.pair_gates, strict=True):
            assert isinstance(gates, PerDomain)
            yield described_softmax(task, "h", gates.parts[0], "the shared experts; one gate per domain")

    def _equations(self) -> Iterator[str]:
        yield f"x = {self.group}; d = the row's domain, one of {len(self.domain_experts)}"
        yield "h = W_c ((W ⊗ W_d) x + b + b_d) + b_c + Common(x)"
        yield f"S_t = Σ_n w_dt,n Expert_n(h), n = 1 .. {len(self.shared_experts)}, w_dt = softmax(h W_dt + b_dt)"
        yield _fusion("D", "Expert_d(h)", "β_d", "domains", self.beta_d)
        yield _fusion("T_t", "Expert_t(h)", "β_t", "tasks", self.beta_t)
        yield "logit_t = Tower_t(S_t + α_d D + α_t T_t)"


def _fusion(name: str, own: str, beta: str, others: str, weight: FusionWeight | None) -> str:
    if weight is None:
        return f"{name} = {own}"
    return f"{name} = {beta} {own} + (1 - {beta}) (mean of the other {others}' experts of h)"


class FusionWeight(nn.Module):
    """A trained number in (0, 1), the sigmoid of another that starts at 0."""

    def __init__(self) -> None:
        super().__init__()
        self.logit = nn.Parameter(torch.zeros(1))

    def forward(self) -> Tensor:
        """The number [1]."""
        return torch.sigmoid(self.logit)


def _focused(own: Tensor, outputs: Tensor, beta: FusionWeight | None) -> Tensor:
    """Weigh experts' own outputs by β, and the mean of the others' by 1 - β; without β there is only the own one.

    Shapes: own [B, M, H], outputs of all K experts [B, K, H] -> [B, M, H].
    """
    if beta is None:
        return own
    others = (outputs.sum(1, keepdim=True) - own) / (outputs.shape[1] - 1)
    share: Tensor = beta()
    return share * own + (1 - share) * others

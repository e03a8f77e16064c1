"""PLE-MD: PLE (Tang et al., RecSys 2020) with experts and gates of domains as well as of tasks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain

import torch
from torch import Tensor, nn

from peprank.models.description import (
    GateDescription,
    PartDescription,
    TrunkDescription,
    counted,
    described_softmax,
)
from peprank.models.gates import GateValues
from peprank.nn import ByDomain, DomainExtraction, Experts, Paths, PerDomain, Shares


class PLEMD(nn.Module):
    """A Trunk: levels of `DomainExtraction`. Every path of the first reads x; the towers read a_t of the last.

    Source: PEPNet (Chang et al., KDD 2023) names it as a baseline, "PLE with the experts/gates over domains and
    tasks", and says no more. Ours for a row of domain d: experts of each task, of each domain and shared ones; a task
    mixes its own, those of d and the shared ones by a gate that the pair (d, t) has to itself; the paths of d and the
    shared one go on as PLE's do, d's over its own and the shared experts, the shared one over all that the row passes.
    Experts of other domains see nothing of the row: a path of theirs would have to be computed for every row.

    Args:
        group: name of the input group x.
        levels: input to output.
        names: of the levels, for the description.
        num_domains: D.

    Shapes: {group: [B, D]} -> [B, T, H].

    Raises:
        DataError: a row's domain does not lie in [0, num_domains).
    """

    def __init__(self, group: str, levels: Sequence[DomainExtraction], names: Sequence[str], num_domains: int) -> None:
        super().__init__()
        self.group, self.names, self.num_domains = group, tuple(names), num_domains
        self.out_dim, self.num_tasks = levels[-1].out_dim, len(levels[-1].pair_gates)
        self.levels = nn.ModuleList(levels)

    def forward(self, groups: dict[str, Tensor], domain: Tensor) -> Tensor:
        """Each task's mixture of the last level's experts [B, T, H]."""
        by = ByDomain(domain, self.num_domains)
        x = by.gathered(groups[self.group])  # [B, D]
        paths = Paths([x] * self.num_tasks, x, x)
        for level in self.levels:
            paths = level(paths, by)
        return by.restored(torch.stack(paths.tasks, dim=1))

    def gate_values(self, groups: dict[str, Tensor], domain: Tensor, tasks: Sequence[str]) -> Iterator[GateValues]:
        """Each path's shares of the experts, level by level: the tasks' paths, then those that go on beside them."""
        by = ByDomain(domain, self.num_domains)
        x = by.gathered(groups[self.group])
        paths = Paths([x] * self.num_tasks, x, x)
        for name, level in zip(self.names, self.levels, strict=True):
            assert isinstance(level, DomainExtraction)
            for path in _looked_at(name, level, level.shares(paths, by), tasks):
                yield replace(path, values=by.restored(path.values))
            paths = level(paths, by)

    def description(self, tasks: Sequence[str]) -> TrunkDescription:
        """Its equations, gates and parts; experts and gates of domains count once in a row's multiply-adds."""
        levels = [level for level in self.levels if isinstance(level, DomainExtraction)]
        named = list(zip(self.names, levels, strict=True))
        gates = (_gates(self.group, k, name, level, tasks) for k, (name, level) in enumerate(named))
        return TrunkDescription(
            model="PLE-MD",
            equations=tuple(_equations(self.group, len(levels))),
            gates=tuple(chain.from_iterable(gates)),
            parts=tuple(part for name, level in named for part in _parts(name, level, self.num_domains)),
        )


def _looked_at(name: str, level: DomainExtraction, shares: Shares, tasks: Sequence[str]) -> Iterator[GateValues]:
    """The shares of a level, rows in the order of their domains."""
    common = [*_named("domain", _first(level.domain_experts)), *_named("shared", level.shared_experts)]
    for task, values in zip(tasks, shares.tasks, strict=True):
        own = _named("own", level.task_experts[0])
        yield GateValues(gate="PLE-MD", layer=name, task=task, values=values, experts=(*own, *common))
    if shares.domain is not None:
        yield GateValues(gate="PLE-MD domain path", layer=name, values=shares.domain, experts=tuple(common))
    if shares.shared is not None:
        pairs = zip(tasks, level.task_experts, strict=True)
        own = [expert for task, experts in pairs for expert in _named(task, experts)]
        yield GateValues(gate="PLE-MD shared path", layer=name, values=shares.shared, experts=(*own, *common))


def _named(owner: str, experts: nn.Module) -> list[str]:
    assert isinstance(experts, Experts)
    return [f"{owner} {k}" for k in range(1, len(experts) + 1)]


def _equations(group: str, num_levels: int) -> Iterator[str]:
    yield f"a_t^(0) = c^(0) = s^(0) = {group}; d = the row's domain"
    yield (
        "V_t^(l), V_d^(l), V_s^(l) = outputs of the experts of t, of a_t^(l-1); of d, of c^(l-1); of the shared ones, "
        f"of s^(l-1); l = 1 .. {num_levels}"
    )
    yield "a_t^(l) = softmax(a_t^(l-1) W_dt^(l) + b_dt^(l)) (V_t^(l) ∪ V_d^(l) ∪ V_s^(l))"
    if num_levels > 1:
        yield "c^(l) = softmax(c^(l-1) W_d^(l) + b_d^(l)) (V_d^(l) ∪ V_s^(l))"
        yield "s^(l) = softmax(s^(l-1) W_s^(l) + b_s^(l)) (V_1^(l) ∪ .. ∪ V_T^(l) ∪ V_d^(l) ∪ V_s^(l))"
    yield f"logit_t = Tower_t(a_t^({num_levels}))"


def _gates(
    group: str, index: int, name: str, level: DomainExtraction, tasks: Sequence[str]
) -> Iterator[GateDescription]:
    def source(path: str) -> str:
        return group if index == 0 else f"{path}^({index})"

    for task, gates in zip(tasks, level.pair_gates, strict=True):
        scales = "own, the domain's and the shared experts; one gate per domain"
        yield described_softmax(f"{name} {task}", source(f"a_{task}"), _first(gates), scales)
    if level.domain_gates is not None:
        scales = "the domain's and the shared experts; one gate per domain"
        yield described_softmax(f"{name} domain", source("c"), _first(level.domain_gates), scales)
    if level.shared_gate is not None:
        scales = "the tasks', the domain's and the shared experts"
        yield described_softmax(f"{name} shared", source("s"), level.shared_gate, scales)


def _first(parts: nn.Module) -> nn.Module:
    """Of the domains, which are alike."""
    assert isinstance(parts, PerDomain)
    return parts.parts[0]


def _parts(name: str, level: DomainExtraction, num_domains: int) -> tuple[PartDescription, ...]:
    gates_of_domains = [level.pair_gates, *([level.domain_gates] if level.domain_gates is not None else [])]
    return (
        *counted({f"{name} task experts": [level.task_experts]}),
        *counted({f"{name} domain experts": [level.domain_experts]}, copies=num_domains),
        *counted({f"{name} shared experts": [level.shared_experts]}),
        *counted({f"{name} gates of domains": gates_of_domains}, copies=num_domains),
        *counted({f"{name} shared gate": [level.shared_gate] if level.shared_gate is not None else []}),
    )

"""PLE (Tang et al., RecSys 2020): levels of experts, some of a task's own and some shared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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
from peprank.nn import Experts, Extraction


class PLE(nn.Module):
    """A Trunk: levels of `Extraction`. Every path of the first reads x; the towers read a_t of the last.

    Args:
        group: name of the input group x.
        levels: input to output.
        names: of the levels, for the description.

    Shapes: {group: [B, D]} -> [B, T, H].
    """

    def __init__(self, group: str, levels: Sequence[Extraction], names: Sequence[str]) -> None:
        super().__init__()
        self.group, self.names = group, tuple(names)
        self.out_dim, self.num_tasks = levels[-1].out_dim, len(levels[-1].task_gates)
        self.levels = nn.ModuleList(levels)

    def forward(self, groups: dict[str, Tensor], domain: Tensor) -> Tensor:  # noqa: ARG002  other trunks read the domain
        """Each task's mixture of the last level's experts [B, T, H]."""
        shared = groups[self.group]  # [B, D]
        tasks = [shared] * self.num_tasks
        for level in self.levels:
            tasks, shared = level(tasks, shared)
        return torch.stack(tasks, dim=1)

    def gate_values(
        self,
        groups: dict[str, Tensor],
        domain: Tensor,  # noqa: ARG002  other trunks read the domain
        tasks: Sequence[str],
    ) -> Iterator[GateValues]:
        """Each path's shares of the experts, level by level: the tasks' paths, then the shared one, if any."""
        shared = groups[self.group]
        inputs = [shared] * self.num_tasks
        for name, level in zip(self.names, self.levels, strict=True):
            assert isinstance(level, Extraction)
            paths = [*tasks] if level.shared_gate is None else [*tasks, None]
            for task, shares in zip(paths, level.shares(inputs, shared), strict=True):
                experts = _expert_names(level, ["own"] if task is not None else tasks)
                yield GateValues(gate="PLE", layer=name, task=task, values=shares, experts=experts)
            inputs, shared = level(inputs, shared)

    def description(self, tasks: Sequence[str]) -> TrunkDescription:
        """Its equations, gates and parts."""
        levels = [level for level in self.levels if isinstance(level, Extraction)]
        return TrunkDescription(
            model="PLE",
            equations=tuple(_equations(self.group, levels)),
            gates=tuple(_gates(self.group, self.names, levels, tasks)),
            parts=tuple(part for name, level in zip(self.names, levels, strict=True) for part in _parts(name, level)),
        )


def _expert_names(level: Extraction, owners: Sequence[str]) -> tuple[str, ...]:
    """What a gate of the level mixes: the experts of each owner, then the shared ones."""
    networks: dict[str, nn.Module] = dict.fromkeys(owners, level.task_experts[0])
    if level.shared_experts is not None:
        networks["shared"] = level.shared_experts
    return tuple(f"{owner} {k}" for owner, own in networks.items() for k in range(1, _num(own) + 1))


def _num(experts: nn.Module) -> int:
    assert isinstance(experts, Experts)
    return len(experts)


def _equations(group: str, levels: Sequence[Extraction]) -> Iterator[str]:
    shares = any(level.shared_experts is not None for level in levels)
    yield f"a_t^(0) = {'s^(0) = ' if shares else ''}{group}"
    others = " and the shared ones, of s^(l-1)" if shares else ""
    yield f"V_t^(l) = outputs of the own experts of t, of a_t^(l-1){others}; l = 1 .. {len(levels)}"
    yield "a_t^(l) = softmax(a_t^(l-1) W_t^(l) + b_t^(l)) V_t^(l)"
    if any(level.shared_gate is not None for level in levels):
        yield "s^(l) = softmax(s^(l-1) W_s^(l) + b_s^(l)) (V_1^(l) ∪ .. ∪ V_T^(l))"
    yield f"logit_t = Tower_t(a_t^({len(levels)}))"


def _gates(
    group: str, names: Sequence[str], levels: Sequence[Extraction], tasks: Sequence[str]
) -> Iterator[GateDescription]:
    for index, (name, level) in enumerate(zip(names, levels, strict=True)):
        for t, gate in enumerate(level.task_gates):
            source = group if index == 0 else f"a_{tasks[t]}^({index})"
            others = "" if level.shared_experts is None else " and the shared"
            yield described_softmax(f"{name} {tasks[t]}", source, gate, f"own{others} experts")
        if level.shared_gate is not None:
            source = group if index == 0 else f"s^({index})"
            yield described_softmax(f"{name} shared", source, level.shared_gate, "all experts")


def _parts(name: str, level: Extraction) -> tuple[PartDescription, ...]:
    gates = [level.task_gates, level.shared_gate] if level.shared_gate is not None else [level.task_gates]
    parts: dict[str, list[nn.Module]] = {f"{name} task experts": [level.task_experts]}
    if level.shared_experts is not None:
        parts[f"{name} shared experts"] = [level.shared_experts]
    return counted({**parts, f"{name} gates": gates})

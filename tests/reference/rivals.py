"""Each rival as `build` makes it and as loops in NumPy, on the same weights: arrays and tensors share memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from peprank.models import MultiTaskRanker, build
from peprank.models.mmoe import MMoE
from peprank.models.ple import PLE
from peprank.models.shared_bottom import SharedBottom
from peprank.nn import Experts, Extraction
from peprank.spec.embedding import GroupInput, GroupSpec
from peprank.spec.mlp import MLPSpec
from peprank.spec.model import ModelSpec, TaskSpec
from peprank.spec.trunk import ExtractionSpec, MMoESpec, PLESpec, SharedBottomSpec, SimpleMultiTaskSpec, TrunkSpec
from tests.reference import mmoe, ple, shared_bottom, simple_multi_task
from tests.reference.differences import largest_gap
from tests.reference.layers import Array, Layers, Linear, total_loss

IN_DIM = 5


class Loops(Protocol):
    """A network written as loops."""

    def logits(self, x: Array) -> Array:
        """Logits [B, T] of rows [B, D]."""
        ...


@dataclass
class Twins:
    """One network twice, and rows to run it on."""

    ranker: MultiTaskRanker
    loops: Loops
    x: Tensor  # float64 leaf [B, D]
    labels: Array  # [B, T]

    def logits(self) -> Tensor:
        """Of the package."""
        domain = torch.zeros(len(self.x), dtype=torch.int64)
        logits: Tensor = self.ranker.towers(self.ranker.trunk({"x": self.x}, domain), domain)
        return logits

    def reference_logits(self) -> Array:
        """Of the loops."""
        return self.loops.logits(self.x.detach().numpy())

    def forward_deviation(self) -> float:
        """Largest difference of a logit."""
        return float(np.abs(self.logits().detach().numpy() - self.reference_logits()).max())

    def gradient_deviation(self, eps: float = 1e-5) -> float:
        """Largest difference between autograd and central differences of the loops' loss."""
        loss = F.binary_cross_entropy_with_logits(self.logits(), torch.from_numpy(self.labels), reduction="none")
        torch.autograd.backward(loss.mean(0).sum())
        values = [self.x, *self.ranker.parameters()]
        return largest_gap(values, lambda: total_loss(self.reference_logits(), self.labels), eps)


def twins(trunk: TrunkSpec, loops: Callable[[MultiTaskRanker], Loops], *, num_tasks: int = 3) -> Twins:
    """A small network with random weights, and five rows."""
    tasks = tuple(TaskSpec(name=f"t{t}", label=f"t{t}", tower=MLPSpec(hidden_dims=(4,))) for t in range(num_tasks))
    inputs = (GroupInput(feature="x", dim=IN_DIM),)
    spec = ModelSpec(tables=(), groups=(GroupSpec(name="x", inputs=inputs),), trunk=trunk, tasks=tasks)
    ranker = build(spec, seed=0).double()
    g = torch.Generator().manual_seed(0)
    x = torch.randn(5, IN_DIM, dtype=torch.float64, generator=g).requires_grad_()
    labels = torch.randint(2, (5, num_tasks), generator=g).double().numpy()
    return Twins(ranker, loops(ranker), x, labels)


def _towers(ranker: MultiTaskRanker) -> list[Layers]:
    return [_layers(towers) for towers in ranker.towers.tasks]


def _layers(module: nn.Module) -> Layers:
    """The linear maps of a module, in order."""
    linears = (part for part in module.modules() if isinstance(part, nn.Linear))
    return [Linear(linear.weight.detach().numpy(), linear.bias.detach().numpy()) for linear in linears]


def _experts(module: nn.Module) -> list[Layers]:
    assert isinstance(module, Experts)
    return [_layers(network) for network in module.networks]


def _simple_multi_task(ranker: MultiTaskRanker) -> Loops:
    return simple_multi_task.Net(_towers(ranker))


def _shared_bottom(ranker: MultiTaskRanker) -> Loops:
    assert isinstance(ranker.trunk, SharedBottom)
    return shared_bottom.Net(_layers(ranker.trunk.bottom), _towers(ranker))


def _mmoe(ranker: MultiTaskRanker) -> Loops:
    trunk = ranker.trunk
    assert isinstance(trunk, MMoE)
    return mmoe.Net(_experts(trunk.experts), [_layers(gate) for gate in trunk.gates], _towers(ranker))


def _ple(ranker: MultiTaskRanker) -> Loops:
    trunk = ranker.trunk
    assert isinstance(trunk, PLE)
    return ple.Net([_level(level) for level in trunk.levels if isinstance(level, Extraction)], _towers(ranker))


def _level(level: Extraction) -> ple.Level:
    return ple.Level(
        own=[_experts(experts) for experts in level.task_experts],
        gates=[_layers(gate)[0] for gate in level.task_gates],
        shared=[] if level.shared_experts is None else _experts(level.shared_experts),
        shared_gate=None if level.shared_gate is None else _layers(level.shared_gate)[0],
    )


_EXPERT = MLPSpec(hidden_dims=(6, 4))
_OWN = ExtractionSpec(name="own", num_task_experts=2, task_expert=_EXPERT)
_LOW = replace(_OWN, num_shared_experts=2, shared_expert=MLPSpec(hidden_dims=(4,)))
_HIGH = replace(_LOW, num_task_experts=1, num_shared_experts=1)

EVERY_RIVAL: dict[str, Callable[[], Twins]] = {
    "simple_multi_task": lambda: twins(SimpleMultiTaskSpec(group="x"), _simple_multi_task),
    "shared_bottom": lambda: twins(SharedBottomSpec(group="x", bottom=_EXPERT), _shared_bottom),
    "mmoe": lambda: twins(MMoESpec(group="x", num_experts=3, expert=_EXPERT), _mmoe),
    "mmoe_gate_mlp": lambda: twins(MMoESpec(group="x", num_experts=2, expert=_EXPERT, gate=_EXPERT), _mmoe),
    "ple": lambda: twins(PLESpec(group="x", levels=(_LOW, _HIGH)), _ple),
    "ple_three_levels": lambda: twins(PLESpec(group="x", levels=(_OWN, _LOW, _HIGH)), _ple),
    "ple_without_shared_experts": lambda: twins(PLESpec(group="x", levels=(_OWN, _OWN)), _ple),
}

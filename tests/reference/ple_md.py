"""PLE over domains and tasks as loops in NumPy: one row, task and expert at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tests.reference.layers import Array, Layers, Linear, logit, mixture, mlp


@dataclass
class Level:
    """Experts and gates of one level; lists run over tasks or domains first."""

    of_tasks: list[list[Layers]]
    of_domains: list[list[Layers]]
    shared: list[Layers]
    pair_gates: list[list[Linear]]  # [task][domain]
    domain_gates: list[Linear]  # []: the last level
    shared_gate: Linear | None


@dataclass
class Net:
    """The domain of each row, levels from input to output, and a tower per task."""

    domain: Sequence[int]
    levels: list[Level]
    towers: list[Layers]

    def logits(self, x: Array) -> Array:
        """Logits [B, T] of rows [B, D]."""
        return np.array([self._row(row, d) for row, d in zip(x, self.domain, strict=True)])

    def _row(self, row: Array, d: int) -> list[float]:
        num_tasks = len(self.towers)
        tasks, domain, shared = [row] * num_tasks, row, row
        for level in self.levels:
            own = [[mlp(expert, tasks[t]) for expert in level.of_tasks[t]] for t in range(num_tasks)]
            of_domain = [mlp(expert, domain) for expert in level.of_domains[d]]
            common = [mlp(expert, shared) for expert in level.shared]
            tasks = [
                mixture(level.pair_gates[t][d], tasks[t], [*own[t], *of_domain, *common]) for t in range(num_tasks)
            ]
            if level.domain_gates and level.shared_gate is not None:
                every = [output for of_task in own for output in of_task]
                domain = mixture(level.domain_gates[d], domain, [*of_domain, *common])
                shared = mixture(level.shared_gate, shared, [*every, *of_domain, *common])
        return [logit(tower, hidden) for tower, hidden in zip(self.towers, tasks, strict=True)]

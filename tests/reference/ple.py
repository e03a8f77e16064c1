"""PLE as loops in NumPy, written from Tang et al. (RecSys 2020), section 4: one row, task and expert at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tests.reference.layers import Array, Layers, Linear, logit, mixture, mlp


@dataclass
class Level:
    """Experts and gates of one level; `own` and `gates` run over tasks."""

    own: list[list[Layers]]
    gates: list[Linear]
    shared: list[Layers]
    shared_gate: Linear | None


@dataclass
class Net:
    """Levels from input to output, and a tower per task."""

    levels: list[Level]
    towers: list[Layers]

    def logits(self, x: Array) -> Array:
        """Logits [B, T] of rows [B, D]."""
        return np.array([self._row(row) for row in x])

    def _row(self, row: Array) -> list[float]:
        num_tasks = len(self.towers)
        tasks, shared = [row] * num_tasks, row
        for level in self.levels:
            own = [[mlp(expert, tasks[t]) for expert in level.own[t]] for t in range(num_tasks)]
            common = [mlp(expert, shared) for expert in level.shared]
            tasks = [mixture(level.gates[t], tasks[t], [*own[t], *common]) for t in range(num_tasks)]
            if level.shared_gate is not None:
                every = [output for of_task in own for output in of_task]
                shared = mixture(level.shared_gate, shared, [*every, *common])
        return [logit(tower, hidden) for tower, hidden in zip(self.towers, tasks, strict=True)]

"""MMoE as loops in NumPy, written from Ma et al. (KDD 2018), section 4: one row, task and expert at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tests.reference.layers import Array, Layers, logit, mlp, softmax


@dataclass
class Net:
    """Layers of each expert; of each task's gate and tower, where the last one is a linear map."""

    experts: list[Layers]
    gates: list[Layers]
    towers: list[Layers]

    def logits(self, x: Array) -> Array:
        """Logits [B, T] of rows [B, D]."""
        return np.array([[self._logit(row, task) for task in range(len(self.towers))] for row in x])

    def _logit(self, row: Array, task: int) -> float:
        *hidden, last = self.gates[task]
        shares = softmax(last(mlp(hidden, row)))
        mixture = sum(share * mlp(expert, row) for share, expert in zip(shares, self.experts, strict=True))
        return logit(self.towers[task], np.asarray(mixture))

"""Shared layers, then a tower per task, as loops in NumPy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tests.reference.layers import Array, Layers, logit, mlp


@dataclass
class Net:
    """The shared layers, and towers over tasks."""

    bottom: Layers
    towers: list[Layers]

    def logits(self, x: Array) -> Array:
        """Logits [B, T] of rows [B, D]."""
        return np.array([[logit(tower, mlp(self.bottom, row)) for tower in self.towers] for row in x])

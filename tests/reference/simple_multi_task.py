"""A tower per task on one input, as loops in NumPy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tests.reference.layers import Array, Layers, logit


@dataclass
class Net:
    """Towers over tasks."""

    towers: list[Layers]

    def logits(self, x: Array) -> Array:
        """Logits [B, T] of rows [B, D]."""
        return np.array([[logit(tower, row) for tower in self.towers] for row in x])

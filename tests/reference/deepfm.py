"""DeepFM as loops in NumPy, written from Guo et al. (IJCAI 2017, eq. 1 to 3): one row, one pair of vectors at a time.

The layers on all three parts are TorchEasyRec's.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from tests.reference.layers import Array, Layers, logit, mlp


@dataclass
class Net:
    """Widths of the inputs in a row; layers of the deep part, on all parts (None: there are none), and of towers."""

    wide_dim: int
    fields: tuple[int, int]  # vectors, width of each
    deep: Layers
    final: Layers | None
    towers: list[Layers]

    def logits(self, x: Array) -> Array:
        """Logits [B, T] of rows [B, D]: the wide input, the vectors, the deep input."""
        return np.array([self._row(row) for row in x])

    def _row(self, row: Array) -> list[float]:
        num_fields, dim = self.fields
        first = self.wide_dim + num_fields * dim
        wide = sum(float(value) for value in row[: self.wide_dim])
        vectors = [row[self.wide_dim + i * dim : self.wide_dim + (i + 1) * dim] for i in range(num_fields)]
        pairs = np.zeros(dim)
        for v, w in combinations(vectors, 2):
            pairs += v * w
        hidden = mlp(self.deep, row[first:])
        if self.final is None:
            return [wide + float(pairs.sum()) + logit(tower, hidden) for tower in self.towers]
        joined = mlp(self.final, np.array([wide, *pairs, *hidden]))
        return [logit(tower, joined) for tower in self.towers]

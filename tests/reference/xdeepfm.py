"""xDeepFM as loops in NumPy, written from Lian et al. (KDD 2018, eq. 6 to 8): one row, one pair of vectors at a time.

The biases, and the layers on both parts, are TorchEasyRec's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tests.reference.layers import Array, Layers, Linear, logit, mlp


@dataclass
class Net:
    """Vectors in front of a row; each layer's weights [H_k, H_(k-1) M] of CIN; layers of the rest."""

    fields: tuple[int, int]  # vectors, width of each
    cin: list[Linear]
    deep: Layers
    final: Layers
    towers: list[Layers]

    def logits(self, x: Array) -> Array:
        """Logits [B, T] of rows [B, D]: the vectors, the deep input."""
        return np.array([self._row(row) for row in x])

    def _row(self, row: Array) -> list[float]:
        num_fields, dim = self.fields
        vectors = [row[i * dim : (i + 1) * dim] for i in range(num_fields)]
        pooled = [float(vector.sum()) for layer in self._layers(vectors) for vector in layer]
        joined = mlp(self.final, np.array([*pooled, *mlp(self.deep, row[num_fields * dim :])]))
        return [logit(tower, joined) for tower in self.towers]

    def _layers(self, vectors: list[Array]) -> list[list[Array]]:
        """The vectors of each layer but the input."""
        layers, below = [], vectors
        for linear in self.cin:
            below = [self._mixture(linear.weight[h], linear.bias[h], below, vectors) for h in range(len(linear.bias))]
            layers.append(below)
        return layers

    def _mixture(self, weight: Array, bias: float, below: list[Array], vectors: list[Array]) -> Array:
        total = np.full(self.fields[1], bias)
        for i, left in enumerate(below):
            for j, right in enumerate(vectors):
                total += weight[i * len(vectors) + j] * left * right
        return total

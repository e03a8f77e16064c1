"""DCN and DCN-V2 as loops in NumPy, written from Wang et al. (2017, eq. 3; 2021, eq. 1 and 2): one row at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from tests.reference.layers import Array, Layers, Linear, logit, mlp

Crossing: TypeAlias = Callable[[Array, Array], Array]  # x_0, x_l -> x_(l+1)


@dataclass
class VectorCross:
    """One layer of DCN: w and b [D]."""

    weight: Array
    bias: Array

    def __call__(self, x_0: Array, x: Array) -> Array:
        total = sum(float(x[i] * self.weight[i]) for i in range(len(x)))
        return np.array([x_0[i] * total + self.bias[i] + x[i] for i in range(len(x))])


@dataclass
class MatrixCross:
    """One layer of DCN-V2: W as one map, or as two, the inner one first and without a bias."""

    maps: list[Linear]

    def __call__(self, x_0: Array, x: Array) -> Array:
        mapped = x
        for linear in self.maps:
            mapped = linear(mapped)
        return np.array([x_0[i] * mapped[i] + x[i] for i in range(len(x))])


@dataclass
class Net:
    """Layers below the crossings, beside them and on both; then the towers over tasks."""

    backbone: Layers
    crossings: list[Crossing]
    deep: Layers
    final: Layers
    towers: list[Layers]

    def logits(self, x: Array) -> Array:
        """Logits [B, T] of rows [B, D]."""
        return np.array([self._row(row) for row in x])

    def _row(self, row: Array) -> list[float]:
        crossed = x_0 = mlp(self.backbone, row)
        for crossing in self.crossings:
            crossed = crossing(x_0, crossed)
        joined = np.array([*crossed, *mlp(self.deep, row)] if self.deep else crossed)
        return [logit(tower, mlp(self.final, joined)) for tower in self.towers]

"""STAR as loops in NumPy, written from Sheng et al. (CIKM 2021), section 4: one row, layer and unit at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tests.reference.layers import Array, Layers, Linear, logit, mlp

EPS = 1e-5


@dataclass
class Norm:
    """Partitioned Normalization; lists run over domains."""

    gamma: Array
    beta: Array
    gammas: list[Array]
    betas: list[Array]
    moving_mean: list[Array]
    moving_variance: list[Array]
    is_training: bool

    def rows(self, x: Array, domain: Sequence[int]) -> list[Array]:
        """Each row by the statistics of its domain: those of the batch, if it has several rows of the domain."""
        return [
            self._row(row, d, [other for other, e in zip(x, domain, strict=True) if e == d])
            for row, d in zip(x, domain, strict=True)
        ]

    def _row(self, row: Array, d: int, mates: list[Array]) -> Array:
        mean, variance = self.moving_mean[d], self.moving_variance[d]
        if self.is_training and len(mates) > 1:
            mean = np.asarray(sum(mates) / len(mates))
            variance = np.asarray(sum((mate - mean) ** 2 for mate in mates) / len(mates))
        normal = (row - mean) / np.sqrt(variance + EPS)
        return np.asarray(self.gamma * self.gammas[d] * normal + self.beta + self.betas[d])


@dataclass
class Net:
    """The shared network, those of the domains, and what stands around them."""

    domain: Sequence[int]  # of each row
    shared: Layers
    own: list[Layers]  # of each domain
    towers: list[Layers]
    norm: Norm | None = None
    auxiliary: Layers | None = None

    def logits(self, x: Array) -> Array:
        """Logits [B, T] of rows [B, D]."""
        inputs = list(x) if self.norm is None else self.norm.rows(x, self.domain)
        return np.array([self._row(*row) for row in zip(x, inputs, self.domain, strict=True)])

    def _row(self, x: Array, h: Array, d: int) -> list[float]:
        for shared, own in zip(self.shared, self.own[d], strict=True):
            h = np.maximum(_product(shared, own)(h), 0)
        if self.auxiliary is not None:
            indicator = np.array([float(d == k) for k in range(len(self.own))])
            h = np.concatenate([h, mlp(self.auxiliary, np.concatenate([x, indicator]))])
        return [logit(tower, h) for tower in self.towers]


def _product(shared: Linear, own: Linear) -> Linear:
    """W* = W_p ⊗ W, b* = b_p + b, unit by unit."""
    weight = [[w * w_p for w, w_p in zip(*units, strict=True)] for units in zip(shared.weight, own.weight, strict=True)]
    return Linear(np.array(weight), np.array([b + b_p for b, b_p in zip(shared.bias, own.bias, strict=True)]))

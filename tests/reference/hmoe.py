"""HMoE as loops in NumPy, written from Li et al. (CIKM 2020): one row, domain and task at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tests.reference.layers import Array, Layers, logit, mlp, softmax


@dataclass
class View:
    """What one domain makes of a row; lists run over tasks, the last layer of a gate is its linear map."""

    gates: list[Layers]
    layers: list[Layers]


@dataclass
class Net:
    """The domain of each row, layers of each expert, views of each domain, relevance gates, and towers over tasks."""

    domain: Sequence[int]
    experts: list[Layers]
    views: list[View]
    relevance: list[list[Layers]]  # [task][domain]
    towers: list[Layers]

    def views_of(self, x: Array) -> Array:
        """What each domain makes of each row for each task [B, D, T, H]."""
        return np.array([[self._view(view, row) for view in self.views] for row in x])

    def logits(self, x: Array) -> Array:
        """Logits [B, T] of rows [B, D]."""
        return self.logits_beside(self.views_of(x), x)

    def logits_beside(self, views: Array, x: Array) -> Array:
        """Logits [B, T], with `views` in place of what other domains than a row's own make of it."""
        return np.array([self._row(row, d, others) for row, d, others in zip(x, self.domain, views, strict=True)])

    def _view(self, view: View, row: Array) -> list[Array]:
        outputs = [mlp(expert, row) for expert in self.experts]
        mixed = []
        for gate, layers in zip(view.gates, view.layers, strict=True):
            shares = _shares(gate, row)
            mixed.append(mlp(layers, np.asarray(sum(w * v for w, v in zip(shares, outputs, strict=True)))))
        return mixed

    def _row(self, row: Array, d: int, others: Array) -> list[float]:
        own = self._view(self.views[d], row)
        logits = []
        for t, tower in enumerate(self.towers):
            w = _shares(self.relevance[t][d], row)
            parts = [w[j] * (own[t] if j == d else others[j][t]) for j in range(len(self.views))]
            logits.append(logit(tower, np.asarray(sum(parts))))
        return logits


@dataclass
class Stopped:
    """The same with fixed views of other domains."""

    net: Net
    views: Array

    def logits(self, x: Array) -> Array:
        """Logits [B, T] of rows [B, D]."""
        return self.net.logits_beside(self.views, x)


def _shares(gate: Layers, row: Array) -> Array:
    return softmax(gate[-1](mlp(gate[:-1], row)))

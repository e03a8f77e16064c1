"""M3oE as loops in NumPy, written from Zhang et al. (SIGIR 2024), Eq 1-8: one row, task and expert at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tests.reference.layers import Array, Layers, Linear, logit, mixture, mlp


@dataclass
class Fusion:
    """The weights before their sigmoid, one number each."""

    alpha_d: Array
    alpha_t: Array
    beta_d: Array
    beta_t: Array


@dataclass
class Net:
    """Layers by the paper's names."""

    domain: Sequence[int]  # of each row
    w_shared: Linear  # W_sh and b_sh
    w_domain: list[Linear]  # W_d and b_d
    w_common: Linear  # W_c and b_c
    agnostic: Layers  # f_DA
    shared: list[Layers]
    of_domains: list[Layers]
    of_tasks: list[Layers]
    pair_gates: list[list[Linear]]  # [task][domain]
    fusion: Fusion
    towers: list[Layers]

    def logits(self, x: Array) -> Array:
        """Logits [B, T] of rows [B, D]."""
        return np.array([self._row(row, d) for row, d in zip(x, self.domain, strict=True)])

    def _row(self, x: Array, d: int) -> list[float]:
        h, fusion = self._representation(x, d), self.fusion
        of_domains = [mlp(expert, h) for expert in self.of_domains]
        of_tasks = [mlp(expert, h) for expert in self.of_tasks]
        logits = []
        for t, tower in enumerate(self.towers):
            shared = mixture(self.pair_gates[t][d], h, [mlp(expert, h) for expert in self.shared])
            domain, task = _focused(of_domains, d, fusion.beta_d), _focused(of_tasks, t, fusion.beta_t)
            logits.append(logit(tower, shared + _sigmoid(fusion.alpha_d) * domain + _sigmoid(fusion.alpha_t) * task))
        return logits

    def _representation(self, x: Array, d: int) -> Array:
        own = Linear(self.w_domain[d].weight * self.w_shared.weight, self.w_domain[d].bias + self.w_shared.bias)
        return self.w_common(own(x)) + mlp(self.agnostic, x)


def _focused(outputs: list[Array], own: int, e: Array) -> Array:
    """The own output and the others, which weigh the same among themselves."""
    beta = _sigmoid(e)
    others = [output for k, output in enumerate(outputs) if k != own]
    return np.asarray(beta * outputs[own] + sum((1 - beta) / len(others) * output for output in others))


def _sigmoid(e: Array) -> float:
    return float(1 / (1 + np.exp(-e[0])))

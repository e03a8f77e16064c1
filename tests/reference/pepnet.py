"""PEPNet as loops in NumPy, written from docs/model.md and not from the package: one row, task, layer at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tests.reference.layers import Array, Linear


@dataclass
class Gate:
    """Eq 2-3."""

    hidden: Linear
    logit: Linear
    gamma: float

    def __call__(self, x: Array) -> Array:
        x_prime = np.maximum(self.hidden(x), 0)
        return self.gamma / (1 + np.exp(-self.logit(x_prime)))


class Seen(NamedTuple):
    """Values that stop-gradients pass on, of one row or of all: a finite difference holds them still."""

    e: Array
    o_ep: Array
    o_prior: Array


@dataclass
class Net:
    """Weights of one PEPNet; lists run over layers, `towers` and `layers` over tasks first."""

    wiring: str
    epnet: Gate | None
    field_dims: list[int] | None  # given: EPNet's gate has one number per field
    gates: list[Gate]  # joint: one per gated vector; TZREC: task by task, layer by layer
    layers: list[list[Linear]]
    towers: list[list[Linear]]  # the last one is the linear to the logit
    general_input: str = "DETACHED"
    detached_priors: bool = False
    crosses: Sequence[Linear] = ()  # not of the paper: DCN-V2's, between EPNet and PPNet

    def logits(self, main: Array, domain: Array, prior: Array, seen: Seen | None = None) -> Array:
        """Logits [B, T]; `seen` is what stop-gradients pass on, None: the values as they are."""
        rows = []
        for b in range(len(main)):
            of_row = None if seen is None else Seen(seen.e[b], seen.o_ep[b], seen.o_prior[b])
            rows.append(self._tasks(self.crossed(self.o_ep(main[b], domain[b], of_row)), prior[b], of_row))
        return np.array(rows)

    def o_ep(self, e: Array, e_d: Array, seen: Seen | None = None) -> Array:
        """Eq 5-6 for one row."""
        if self.epnet is None:
            return e
        delta = self.epnet(self._with_general(e_d, e, e if seen is None else seen.e))
        if self.field_dims is not None:
            delta = np.concatenate([[delta[f]] * dim for f, dim in enumerate(self.field_dims)])
        return delta * e

    def crossed(self, x_0: Array) -> Array:
        """DCN-V2's x_(l+1) = x_0 ⊗ (W_l x_l + b_l) + x_l for one row."""
        x = x_0
        for linear in self.crosses:
            x = np.array([x_0[k] * product + x[k] for k, product in enumerate(linear(x))])
        return x

    def _with_general(self, prior: Array, value: Array, seen: Array) -> Array:
        """What a gate reads: its prior and, unless that is left out, what it scales, as it is or as it was seen."""
        if self.general_input == "LEFT_OUT":
            return prior
        return np.concatenate([prior, value if self.general_input == "ATTACHED" else seen])

    def _tasks(self, o_ep: Array, o_prior: Array, seen: Seen | None) -> list[float]:
        prior = o_prior if seen is None or not self.detached_priors else seen.o_prior
        gate_input = self._with_general(prior, o_ep, o_ep if seen is None else seen.o_ep)
        deltas = [gate(gate_input) for gate in self.gates]
        num_tasks, num_layers = len(self.layers), len(self.layers[0])
        logits = []
        for t in range(num_tasks):
            h = o_ep
            for layer in range(num_layers):
                if self.wiring == "PAPER":  # the gate scales the layer's input
                    h = _chunk(deltas[layer], t, num_tasks) * h
                elif self.wiring == "HIDDEN_ONLY" and layer > 0:
                    h = _chunk(deltas[layer - 1], t, num_tasks) * h
                h = np.maximum(self.layers[t][layer](h), 0)
                if self.wiring == "TZREC":  # the gate scales the layer's output
                    h = deltas[t * num_layers + layer] * h
            if self.wiring != "TZREC":  # the logit layer is a layer too
                h = _chunk(deltas[-1], t, num_tasks) * h
            h = np.concatenate([h, o_ep]) if self.crosses else h
            for linear in self.towers[t][:-1]:
                h = np.maximum(linear(h), 0)
            logits.append(float(self.towers[t][-1](h)[0]))
        return logits


def _chunk(delta: Array, task: int, num_tasks: int) -> Array:
    """Task t's part of a joint gate's output."""
    width = len(delta) // num_tasks
    return delta[task * width : (task + 1) * width]

"""PEPNet as loops in NumPy, written from docs/model.md and not from the package: one row, task, layer at a time."""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass
class Net:
    """Weights of one PEPNet; lists run over layers, `towers` and `layers` over tasks first."""

    wiring: str
    epnet: Gate | None
    field_dims: list[int] | None  # given: EPNet's gate has one number per field
    gates: list[Gate]  # joint: one per gated vector; TZREC: task by task, layer by layer
    layers: list[list[Linear]]
    towers: list[list[Linear]]  # the last one is the linear to the logit

    def logits(self, main: Array, domain: Array, prior: Array, seen: tuple[Array, Array] | None = None) -> Array:
        """Logits [B, T]. `seen` are the values of E and O_ep that gates observe; None: E and O_ep themselves.

        A finite difference holds `seen` still, which is what a stop-gradient means.
        """
        rows = []
        for b in range(len(main)):
            observed = (None, None) if seen is None else (seen[0][b], seen[1][b])
            o_ep = self.o_ep(main[b], domain[b], observed[0])
            rows.append(self._tasks(o_ep, prior[b], o_ep if observed[1] is None else observed[1]))
        return np.array(rows)

    def o_ep(self, e: Array, e_d: Array, observed_e: Array | None = None) -> Array:
        """Eq 5-6 for one row."""
        if self.epnet is None:
            return e
        delta = self.epnet(np.concatenate([e_d, e if observed_e is None else observed_e]))
        if self.field_dims is not None:
            delta = np.concatenate([[delta[f]] * dim for f, dim in enumerate(self.field_dims)])
        return delta * e

    def _tasks(self, o_ep: Array, o_prior: Array, observed: Array) -> list[float]:
        deltas = [gate(np.concatenate([o_prior, observed])) for gate in self.gates]
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
            for linear in self.towers[t][:-1]:
                h = np.maximum(linear(h), 0)
            logits.append(float(self.towers[t][-1](h)[0]))
        return logits


def _chunk(delta: Array, task: int, num_tasks: int) -> Array:
    """Task t's part of a joint gate's output."""
    width = len(delta) // num_tasks
    return delta[task * width : (task + 1) * width]

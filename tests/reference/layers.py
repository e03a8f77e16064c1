"""What the loops in NumPy have in common: linear maps, layers, softmax and the loss, one row at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]


@dataclass
class Linear:
    """y = x W + b with W as [out, in]."""

    weight: Array
    bias: Array

    def __call__(self, x: Array) -> Array:
        return np.array([row @ x for row in self.weight]) + self.bias


Layers: TypeAlias = Sequence[Linear]


def mlp(layers: Layers, x: Array) -> Array:
    """A ReLU after every layer."""
    for layer in layers:
        x = np.maximum(layer(x), 0)
    return x


def logit(tower: Layers, x: Array) -> float:
    """The last layer of a tower is the linear map to its logit."""
    return float(tower[-1](mlp(tower[:-1], x))[0])


def softmax(z: Array) -> Array:
    """Shares that sum to 1."""
    e = np.exp(z - z.max())
    return np.asarray(e / e.sum())


def mixture(gate: Linear, selector: Array, outputs: Sequence[Array]) -> Array:
    """Outputs of experts, weighed by what a softmax gate reads off the selector."""
    shares = softmax(gate(selector))
    return np.asarray(sum(share * output for share, output in zip(shares, outputs, strict=True)))


def total_loss(logits: Array, labels: Array) -> float:
    """Sum over tasks of the mean binary cross-entropy."""
    probs = 1 / (1 + np.exp(-logits))
    cross_entropy = -(labels * np.log(probs) + (1 - labels) * np.log(1 - probs))
    return float(cross_entropy.mean(axis=0).sum())

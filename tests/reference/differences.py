"""Gradients against central differences of a loss that shares its memory with the tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from torch import Tensor


def largest_gap(values: Iterable[Tensor], loss: Callable[[], float], eps: float) -> float:
    """Largest difference between a tensor's `.grad` and the central difference, over two entries of each tensor."""
    return max(_gap(value, loss, eps) for value in values)


def _gap(value: Tensor, loss: Callable[[], float], eps: float) -> float:
    """Of the first and the middle entry."""
    assert value.grad is not None
    flat, gradient = value.detach().view(-1), value.grad.reshape(-1)
    worst = 0.0
    for k in {0, len(flat) // 2}:
        losses = []
        for step in (eps, -eps):
            flat[k] += step
            losses.append(loss())
            flat[k] -= step
        worst = max(worst, abs((losses[0] - losses[1]) / (2 * eps) - float(gradient[k])))
    return worst

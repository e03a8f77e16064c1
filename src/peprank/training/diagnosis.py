"""What is odd about a batch whose loss or gradients are not finite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from peprank.batch import MISSING, Ids
from peprank.training.batches import Batch

_EXTREME = 1e6  # a number this large is named; normalised inputs stay far below
_SHOWN = 5


class NotFiniteError(ArithmeticError):
    """A loss or a gradient of a batch is NaN or infinite; the update did not take place."""

    def __init__(self, batch: Batch, losses: Mapping[str, float], gradients: Sequence[str] = ()) -> None:
        super().__init__("a loss or a gradient is not finite")
        self.batch, self.losses, self.gradients = batch, losses, gradients
        self.rows_before = 0  # rows of the update that come before the batch


def report(error: NotFiniteError, tasks: Sequence[str], step: int, epoch: int, first_row: int) -> dict[str, Any]:
    """Return all that is known about the failed batch, ready for JSON.

    Args:
        tasks: task names, in their order.
        step: number of the failed update, counted from 1.
        first_row: rows of the epoch before the update's.
    """
    features, targets = error.batch.features, error.batch.targets
    ids = {name: _id_statistics(value) for name, value in features.ids.items()}
    numbers = {name: _number_statistics(value) for name, value in features.numbers.items()}
    return {
        "step": step,
        "epoch": epoch,
        "first_row": first_row + error.rows_before,
        "num_rows": error.batch.num_rows,
        "losses": error.losses,
        "gradients": list(error.gradients),
        "features": ids | numbers,
        "labels": {task: _number_statistics(targets.labels[:, k]) for k, task in enumerate(tasks)},
        "weights": {task: _number_statistics(targets.weights[:, k]) for k, task in enumerate(tasks)},
    }


def describe(error: NotFiniteError, tasks: Sequence[str], step: int, epoch: int, first_row: int) -> str:
    """Return in one sentence what is not finite, on which rows, and what is odd about them; arguments as `report`."""
    first = first_row + error.rows_before
    losses = ", ".join(f"{name} = {value:.6g}" for name, value in error.losses.items())
    what = f"a gradient is not finite ({', '.join(error.gradients)}; {losses})"
    if not error.gradients:
        what = f"the loss is not finite ({losses})"
    odd = _suspects(error.batch, tasks) or ["no feature or label stands out, so a learning rate may be too high"]
    rows = f"rows {first} to {first + error.batch.num_rows - 1} of epoch {epoch}"
    return f"step {step}: {what} on {rows}; {'; '.join(odd)}"


def _suspects(batch: Batch, tasks: Sequence[str]) -> list[str]:
    """Name each number feature and label with values that are not finite or extreme, worst first."""
    columns = {f"feature '{name}'": values for name, values in batch.features.numbers.items()}
    columns |= {f"label of task '{task}'": batch.targets.labels[:, k] for k, task in enumerate(tasks)}
    found = []
    for name, values in columns.items():
        bad, top = _num_bad(values), _top(values)
        if bad or top > _EXTREME:
            text = f"{bad} values are not finite" if bad else f"its largest value is {top:.3g}"
            found.append((bad, top, f"{name}: {text}"))
    found.sort(key=lambda item: item[:2], reverse=True)
    return [text for _, _, text in found[:_SHOWN]]


def not_finite(tensors: Mapping[str, Tensor]) -> list[str]:
    """Return the names of the tensors that hold a NaN or an infinity."""
    if not tensors:
        return []
    # A norm of float32 may overflow for finite values; the slow look decides then.
    norms = torch._foreach_norm(list(tensors.values()))
    if torch.isfinite(torch.stack([norm.float() for norm in norms])).all():
        return []
    return [name for name, value in tensors.items() if _num_bad(value)]


def _id_statistics(ids: Ids) -> dict[str, Any]:
    present = ids.values[ids.values != MISSING]
    if not len(present):
        return {"ids": 0, "missing": len(ids.values)}
    return {
        "ids": len(present),
        "missing": len(ids.values) - len(present),
        "distinct": len(torch.unique(present)),
        "min": int(present.min()),
        "max": int(present.max()),
    }


def _number_statistics(values: Tensor) -> dict[str, Any]:
    finite = values[torch.isfinite(values)].double()
    if not len(finite):
        return {"values": values.numel(), "not_finite": values.numel()}
    return {
        "values": values.numel(),
        "not_finite": _num_bad(values),
        "min": float(finite.min()),
        "max": float(finite.max()),
        "mean": float(finite.mean()),
    }


def _num_bad(values: Tensor) -> int:
    return int((~torch.isfinite(values)).sum())


def _top(values: Tensor) -> float:
    finite = values[torch.isfinite(values)]
    return float(finite.abs().max()) if len(finite) else 0.0

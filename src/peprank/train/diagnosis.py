"""What was odd about the batch whose loss or gradients are not finite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from peprank.batch import MISSING, Features, Ids
from peprank.train.batches import Batch

_EXTREME = 1e6  # a number this large is named; normalised inputs stay far below
_SHOWN = 5


class NotFiniteError(ArithmeticError):
    """A loss or a gradient of a batch is NaN or infinite; the update did not take place."""

    def __init__(self, batch: Batch, losses: Mapping[str, float], gradients: Sequence[str] = ()) -> None:
        super().__init__("a loss or a gradient is not finite")
        self.batch, self.losses, self.gradients = batch, losses, gradients
        self.rows_before = 0  # rows of the update that come before the batch


def report(error: NotFiniteError, step: int, epoch: int, first_row: int) -> dict[str, Any]:
    """Return all that is known about the failed batch, ready for JSON.

    Args:
        step: number of the failed update, counted from 1.
        first_row: rows of the epoch before the update's.
    """
    return {
        "step": step,
        "epoch": epoch,
        "first_row": first_row + error.rows_before,
        "num_rows": error.batch.num_rows,
        "losses": error.losses,
        "gradients": list(error.gradients),
        "features": feature_statistics(error.batch.features),
    }


def describe(error: NotFiniteError, step: int, epoch: int, first_row: int) -> str:
    """Return in one sentence what is not finite, on which rows, and what is odd about them; arguments as `report`."""
    first = first_row + error.rows_before
    losses = ", ".join(f"{name} = {value:.6g}" for name, value in error.losses.items())
    what = f"a gradient is not finite ({', '.join(error.gradients)}; {losses})"
    if not error.gradients:
        what = f"the loss is not finite ({losses})"
    odd = suspects(error.batch.features) or ["no feature of the batch stands out, so a learning rate may be too high"]
    rows = f"rows {first} to {first + error.batch.num_rows - 1} of epoch {epoch}"
    return f"step {step}: {what} on {rows}; {'; '.join(odd)}"


def feature_statistics(features: Features) -> dict[str, dict[str, Any]]:
    """Return the statistics of each feature of a batch, ready for JSON."""
    ids = {name: _id_statistics(value) for name, value in features.ids.items()}
    numbers = {name: _number_statistics(value) for name, value in features.numbers.items()}
    return {**ids, **numbers, "domain": _id_statistics(Ids(features.domain))}


def suspects(features: Features) -> list[str]:
    """Name each number feature with values that are not finite or extreme, worst first."""
    found = []
    for name, values in features.numbers.items():
        bad, top = _num_bad(values), _top(values)
        if bad or top > _EXTREME:
            text = f"{bad} values are not finite" if bad else f"its largest value is {top:.3g}"
            found.append((bad, top, f"feature '{name}': {text}"))
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

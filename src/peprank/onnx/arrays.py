"""Encoded rows as the arrays that a graph reads, and the check that none of its ids lies outside its table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from peprank.batch import MISSING, Features, Ids
from peprank.errors import DataError
from peprank.onnx.signature import GraphInput

Arrays = dict[str, NDArray[Any]]


def arrays_of(inputs: Sequence[GraphInput], features: Features) -> Arrays:
    """The arrays of B encoded rows, by the names of the inputs.

    Raises:
        DataError: a row has several ids where the graph takes one.
    """
    return {item.name: _array(item, features) for item in inputs}


def _array(item: GraphInput, features: Features) -> NDArray[Any]:
    match item.form:
        case "id":
            return _single(item, features.ids[item.feature])
        case "ids":
            ids = features.ids[item.feature]
            return _padded(ids, ids.values.numpy(), MISSING)
        case "weights":
            ids = features.ids[item.feature]
            weights = np.ones(len(ids.values), np.float32) if ids.weights is None else ids.weights.numpy()
            return _padded(ids, weights, 0.0)
        case "numbers":
            return features.numbers[item.feature].numpy()


def _single(item: GraphInput, ids: Ids) -> NDArray[np.int64]:
    """The one id of each row [B]."""
    padded: NDArray[np.int64] = _padded(ids, ids.values.numpy(), MISSING)
    if padded.shape[1] > 1:
        raise DataError(
            f"feature '{item.feature}': a row has {padded.shape[1]} values, but its column held one per row when the "
            "graph was exported; export it again from rows like these"
        )
    return padded[:, 0]


def _padded(ids: Ids, values: NDArray[Any], filler: float) -> NDArray[Any]:
    """Values [N] or [B] as [B, L]: those of row b, then `filler`; L is at least 1."""
    if ids.offsets is None:
        return values[:, None]
    counts = np.diff(ids.offsets.numpy())
    width = max(1, int(counts.max(initial=0)))
    padded = np.full((len(counts), width), filler, values.dtype)
    padded[np.arange(width) < counts[:, None]] = values
    return padded


def check(inputs: Sequence[GraphInput], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Refuse arrays that the graph would read wrongly: ONNX Runtime takes a negative id for one from the table's end.

    Raises:
        DataError: an array is missing, unknown, of another type or shape, or holds an id outside its table.
    """
    if unknown := sorted(arrays.keys() - {item.name for item in inputs}):
        raise DataError(f"input '{unknown[0]}': the graph has none of this name; leave it out")
    for item in inputs:
        if item.name not in arrays:
            raise DataError(f"input '{item.name}' is missing; give {item.datatype} {list(item.shape)}")
        _check_type(item, arrays[item.name])
        _check_ids(item, arrays[item.name])
        if item.form == "weights" and arrays[item.name].shape != (ids := arrays[item.feature]).shape:
            raise DataError(
                f"input '{item.name}' is {list(arrays[item.name].shape)} beside ids of {list(ids.shape)}: "
                "give each id one weight"
            )
    rows = sorted({len(array) for array in arrays.values()})
    if len(rows) > 1:
        raise DataError(f"inputs have {rows} rows; give all of them the same number")


def _check_type(item: GraphInput, array: NDArray[Any]) -> None:
    wanted = np.dtype(np.int64 if item.datatype == "INT64" else np.float32)
    fits = array.ndim == len(item.shape) and all(w in (-1, n) for w, n in zip(item.shape, array.shape, strict=True))
    if array.dtype != wanted or not fits:
        raise DataError(
            f"input '{item.name}' is {array.dtype} {list(array.shape)}: must be {wanted} {list(item.shape)}"
        )


def _check_ids(item: GraphInput, array: NDArray[Any]) -> None:
    if item.datatype != "INT64":
        return
    wrong = array[(array < item.low) | (array >= item.end)]
    if wrong.size:
        or_none = f", or {MISSING} for none" if item.low == MISSING else ""
        raise DataError(
            f"input '{item.name}': id {wrong[0]} is outside its table: must lie in [0, {item.end}){or_none}"
        )

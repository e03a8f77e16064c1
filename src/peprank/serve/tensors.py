"""The values of one input, as JSON and as bytes, to flat Arrow arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from operator import is_
from types import NoneType
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from peprank.errors import RequestError
from peprank.serve.shown import shown


@dataclass(frozen=True, slots=True)
class Datatype:
    """How the protocol writes values of one kind."""

    rule: str  # what its values may be, for errors
    json_kinds: frozenset[type]  # what JSON's values of it are in Python; none: it travels as bytes only
    layout: np.dtype[Any]  # of a value as bytes; object for BYTES, whose elements differ in length
    held: np.dtype[Any]  # what we keep it as: the same, or float32 for a short float


@dataclass(frozen=True, slots=True)
class TensorHead:
    """What a request says of an input beside its values."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    @property
    def num_values(self) -> int:
        """As many as the shape says."""
        return math.prod(self.shape)

    def error(self, problem: str) -> RequestError:
        """Name the input beside what is wrong with it."""
        return RequestError(f"input {shown(self.name)}: {problem}")


def _integer(letter: str) -> Datatype:
    dtype = np.dtype(letter)
    bounds = np.iinfo(dtype)
    rule = f"whole numbers without a point, from {bounds.min} to {bounds.max}"
    return Datatype(rule, frozenset({int}), dtype.newbyteorder("<"), dtype)


def _float(letter: str) -> Datatype:
    dtype = np.dtype(letter)
    rule = f"numbers from {np.finfo(dtype).min:.6g} to {np.finfo(dtype).max:.6g}"
    held = np.dtype(np.float64 if dtype == np.float64 else np.float32)
    return Datatype(rule, frozenset({int, float}), dtype.newbyteorder("<"), held)


DATATYPES: Mapping[str, Datatype] = {
    "BOOL": Datatype("true or false, a byte 1 or 0", frozenset({bool}), np.dtype(np.uint8), np.dtype(np.bool_)),
    **{f"INT{8 * size}": _integer(f"i{size}") for size in (1, 2, 4, 8)},
    **{f"UINT{8 * size}": _integer(f"u{size}") for size in (1, 2, 4, 8)},
    **{f"FP{8 * size}": _float(f"f{size}") for size in (2, 4, 8)},
    "BF16": Datatype("bytes only; write FP32 in JSON", frozenset(), np.dtype("<u2"), np.dtype(np.float32)),
    "BYTES": Datatype("strings", frozenset({str}), np.dtype(np.object_), np.dtype(np.object_)),
}


def from_json(head: TensorHead, data: object) -> pa.Array:
    """Return flat values of JSON's nested or flat `data`; null stays null.

    Raises:
        RequestError: as many values as the shape says, of the datatype's kind and range, is what it wants.
    """
    datatype = DATATYPES[head.datatype]
    cells = _flat(head, data)
    kinds = set(map(type, cells))  # one pass in C; NumPy and Arrow would take true for 1 and "2" or 2.7 for 2
    if not kinds - {NoneType} <= datatype.json_kinds:
        raise _wrong_kind(head, cells)
    if head.datatype == "BYTES":
        return pa.array(cells, pa.string()).view(pa.binary())
    return _numbers(head, cells, has_null=NoneType in kinds)


def _flat(head: TensorHead, data: object) -> list[object]:
    """Take the nesting away, which must be that of the shape."""
    if type(data) is not list:
        raise head.error(f"data is {shown(data)}: must be a list of {head.num_values} values")
    if not data or type(data[0]) is not list:
        if len(data) != head.num_values:
            raise head.error(f"data has {len(data)} values, but shape {_listed(head.shape)} makes {head.num_values}")
        return data
    for level, num_wanted in enumerate(head.shape):
        if level > 0:
            data = _opened(head, data, level, num_wanted)
        elif len(data) != num_wanted:
            raise head.error(f"data has {len(data)} rows, but shape {_listed(head.shape)} says {num_wanted}")
    return data


def _opened(head: TensorHead, lists: list[Any], level: int, num_wanted: int) -> list[Any]:
    """Join lists that each hold `num_wanted` elements."""
    if set(map(type, lists)) - {list} or set(map(len, lists)) - {num_wanted}:
        wrong = next(cell for cell in lists if type(cell) is not list or len(cell) != num_wanted)
        found = f"{len(wrong)}" if type(wrong) is list else shown(wrong)
        raise head.error(
            f"data has {found} in dimension {level} where shape {_listed(head.shape)} says {num_wanted}; "
            f"nest lists of {num_wanted}, or send one flat list"
        )
    return list(chain.from_iterable(lists))


def _wrong_kind(head: TensorHead, cells: Sequence[object]) -> RequestError:
    datatype = DATATYPES[head.datatype]
    allowed = datatype.json_kinds | {NoneType}
    place = next(place for place, cell in enumerate(cells) if type(cell) not in allowed)
    return _wrong_value(head, place, cells[place])


def _wrong_value(head: TensorHead, place: int, value: object) -> RequestError:
    rule = DATATYPES[head.datatype].rule
    return head.error(f"value {place} (from 0) is {shown(value)}: {head.datatype} takes {rule}")


def _numbers(head: TensorHead, cells: Sequence[Any], *, has_null: bool) -> pa.Array:
    if not has_null:
        return pa.array(_packed(head, cells))
    is_null = np.fromiter(map(is_, cells, repeat(None)), np.bool_, len(cells))
    filled = np.array(cells, np.object_)
    filled[is_null] = 0
    return pa.array(_packed(head, filled), mask=is_null)


def _packed(head: TensorHead, cells: Sequence[Any] | NDArray[Any]) -> NDArray[Any]:
    """Return numbers of the right kind in the datatype's own precision."""
    datatype = DATATYPES[head.datatype]
    if datatype.layout.kind != "f":
        try:
            return np.array(cells, datatype.held)
        except OverflowError:
            bounds = np.iinfo(datatype.held)
            place = next(place for place, cell in enumerate(cells) if not bounds.min <= cell <= bounds.max)
            raise _wrong_value(head, place, cells[place]) from None
    with np.errstate(over="ignore"):
        values = np.array(cells, np.float64).astype(datatype.layout).astype(datatype.held)
    if not np.isfinite(values).all():
        place = int(np.flatnonzero(~np.isfinite(values))[0])
        raise _wrong_value(head, place, cells[place])
    return values


def from_bytes(head: TensorHead, raw: memoryview) -> pa.Array:
    """Return flat values of little-endian, row-major bytes of any datatype but BYTES.

    A float may be NaN or infinite, as in a file.

    Raises:
        RequestError: as many bytes as the shape and datatype say is what it wants.
    """
    datatype = DATATYPES[head.datatype]
    num_bytes = head.num_values * datatype.layout.itemsize
    if len(raw) != num_bytes:
        raise head.error(
            f"binary_data_size is {len(raw)}, but {head.datatype} of shape {_listed(head.shape)} takes {num_bytes}"
        )
    values = np.frombuffer(raw, datatype.layout)
    if head.datatype == "BF16":
        return pa.array((values.astype(np.uint32) << 16).view(np.float32))
    if head.datatype == "BOOL" and (values > 1).any():
        place = int(np.flatnonzero(values > 1)[0])
        raise _wrong_value(head, place, int(values[place]))
    return pa.array(values.astype(datatype.held))  # a copy, which is aligned and does not hold the body


def _listed(shape: tuple[int, ...]) -> str:
    return str(list(shape))

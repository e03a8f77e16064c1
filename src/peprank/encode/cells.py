"""A column's cells as flat values: one per row, or any number per row with offsets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from peprank.encode.hashing import string_bytes, string_offsets
from peprank.errors import DataError

_LIST, _STRING = pa.list_(pa.null()).id, pa.string().id  # an id is compared in a third of the time that a type is


@dataclass(frozen=True, slots=True)
class Cells:
    """The values of a column of B rows, null where one is missing; an empty string counts as missing.

    With `offsets` None each row has one value. Otherwise row b has `values[offsets[b]:offsets[b + 1]]`.
    """

    values: pa.Array  # [B] or [N]
    offsets: NDArray[np.int64] | None = None  # [B + 1], from 0 to N


def cells_of(column: pa.Array, separator: str | None) -> Cells:
    """Take a column apart: lists flattened, strings cut at `separator` (None: never) if some cell holds it.

    A list of lists is flattened too: each row has the values of all its inner lists, in order.
    """
    kind = column.type.id
    if kind == _LIST:
        return _list_cells(column)
    if kind != _STRING:
        return Cells(column)
    column = blank_to_null(column)
    if separator and separator.encode() in string_bytes(column):
        return _list_cells(pc.split_pattern(column, separator))
    return Cells(column)


def _list_cells(column: pa.Array) -> Cells:
    offsets, values = _list_offsets(column), column.flatten()
    while pa.types.is_list(values.type):
        offsets, values = _list_offsets(values)[offsets], values.flatten()
    return Cells(blank_to_null(values) if pa.types.is_string(values.type) else values, offsets)


def _list_offsets(column: pa.Array) -> NDArray[np.int64]:
    counts = pc.list_value_length(column).fill_null(0)
    return np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))


def blank_to_null(strings: pa.Array) -> pa.Array:
    """Strings with null in place of the empty ones."""
    is_blank = np.diff(string_offsets(strings)) == 0
    return pc.if_else(pa.array(is_blank), None, strings) if is_blank.any() else strings


def is_valid(values: pa.Array) -> NDArray[np.bool_]:
    """Where values are not null, [N]."""
    mask: NDArray[np.bool_] = values.is_valid().to_numpy(zero_copy_only=False)
    return mask


def integers(values: pa.Array, column: str) -> pa.Array:
    """Whole floats as int64, null where NaN (pandas' missing integer); values of other types as they are.

    Raises:
        DataError: a float is not a whole number of 64 bits.
    """
    if not pa.types.is_floating(values.type):
        return values
    numbers = values.fill_null(np.nan).to_numpy()
    is_missing = np.isnan(numbers)
    with np.errstate(invalid="ignore"):
        is_bad = ~is_missing & ((np.floor(numbers) != numbers) | (np.abs(numbers) >= 2.0**63))
    if is_bad.any():
        raise DataError(
            f"column {column!r}: {is_bad.sum()} ids are not whole numbers, the first is {numbers[is_bad][0]}; "
            "write ids as integers or strings"
        )
    return pa.array(np.where(is_missing, 0, numbers).astype(np.int64), mask=is_missing)


def parsed_numbers(strings: pa.Array, what: str) -> pa.Array:
    """Strings as float64, null where null.

    Raises:
        DataError: a string is no number; `what` says whose.
    """
    try:
        return strings.cast(pa.float64())
    except pa.ArrowInvalid as error:
        bad = next(text for text in strings.drop_null().unique() if not _is_number(text))
        raise DataError(f"{what}: {shown(bad)!r:.80} is not a number; write one, or leave the cell empty") from error


def shown(value: pa.Scalar) -> object:
    """A value for an error's text; the bytes of a string need not be valid UTF-8."""
    if pa.types.is_list(value.type) and value.is_valid:
        return [shown(item) for item in value.values]
    if pa.types.is_string(value.type) and value.is_valid:
        return value.cast(pa.binary()).as_py().decode(errors="replace")
    return value.as_py()


def _is_number(text: pa.StringScalar) -> bool:
    try:
        text.cast(pa.float64())
    except pa.ArrowInvalid:
        return False
    return True

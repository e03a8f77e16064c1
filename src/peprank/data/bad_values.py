"""Bad values of a column, and what becomes of them: an error, a row less, or something in their place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from peprank.data.column import Column, ColumnKind
from peprank.data.repairs import Tally
from peprank.errors import DataError
from peprank.spec.pipeline import BadValuePolicy

Mask = npt.NDArray[np.bool_]
Values = npt.NDArray[np.int64 | np.float64]

_WHOLE = "^[0-9]{1,18}$"  # a longer number lies outside every table


def mended(rows: pa.RecordBatch, columns: Sequence[Column], where: str, tally: Tally) -> pa.RecordBatch:
    """Return conformed rows without the bad values of `columns`, as each one's policy says.

    Rows are dropped first; what is left is looked at for values that are errors or are replaced.

    Args:
        tally: counts what is dropped and replaced.

    Raises:
        DataError: with one line for every column that has a bad value and whose policy is ERROR.
    """
    rows = _without_dropped(rows, columns, tally)
    problems, arrays = [], rows.columns
    for place, column in enumerate(columns):
        if column.on_bad is None or column.on_bad is BadValuePolicy.DROP_ROW:
            continue
        is_bad = bad_cells(arrays[place], column)
        if not is_bad.any():
            continue
        if column.on_bad is BadValuePolicy.ERROR:
            problems.append(_problem(column, arrays[place], is_bad))
        else:
            tally.replaced[column.name] += int(np.count_nonzero(is_bad))
            arrays[place] = _replaced(column, arrays[place], is_bad)
    if problems:
        raise DataError("\n".join(f"{where}: {problem}" for problem in problems))
    return pa.RecordBatch.from_arrays(arrays, schema=rows.schema)


def refuse_bad_cells(array: pa.Array, column: Column, where: str) -> None:
    """Make sure that a column whose policy is ERROR has no bad value.

    Raises:
        DataError: it has.
    """
    if column.on_bad is BadValuePolicy.ERROR and (is_bad := bad_cells(array, column)).any():
        raise DataError(f"{where}: {_problem(column, array, is_bad)}")


def bad_cells(array: pa.Array, column: Column) -> Mask:
    """Where the cells of a conformed column are missing or hold a bad value, [B]."""
    if column.is_target:
        return _is_bad_target(column, array.to_numpy(zero_copy_only=False))
    values, offsets = _flat(array, column.separator)
    if offsets is None:
        return _is_bad(values, column)
    before = np.concatenate(([0], np.cumsum(_is_bad(values, column))))
    is_bad: Mask = (before[offsets[1:]] > before[offsets[:-1]]) | (offsets[1:] == offsets[:-1])
    return is_bad


def _without_dropped(rows: pa.RecordBatch, columns: Sequence[Column], tally: Tally) -> pa.RecordBatch:
    is_kept = np.ones(rows.num_rows, np.bool_)
    for column, array in zip(columns, rows.columns, strict=True):
        if column.on_bad is BadValuePolicy.DROP_ROW and (is_bad := bad_cells(array, column) & is_kept).any():
            tally.dropped_rows[column.name] += int(np.count_nonzero(is_bad))
            is_kept &= ~is_bad
    return rows if is_kept.all() else rows.filter(pa.array(is_kept))


def _flat(array: pa.Array, separator: str | None) -> tuple[pa.Array, npt.NDArray[np.int64] | None]:
    """Values of all cells one after the other, and where each cell's begin; None: each has one."""
    if pa.types.is_string(array.type) and separator and pc.any(pc.match_substring(array, separator)).as_py():
        array = pc.split_pattern(array, separator)
    if not pa.types.is_list(array.type):
        return array, None
    counts = pc.list_value_length(array).fill_null(0).to_numpy()
    values, inner = _flat(array.flatten(), None)
    offsets = np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))
    return values, offsets if inner is None else inner[offsets]


def _is_bad(values: pa.Array, column: Column) -> Mask:
    """Where values of a feature's column are bad, [N]."""
    is_text = pa.types.is_string(values.type)
    if column.kind is ColumnKind.NUMBER:
        numbers = _parsed(values) if is_text else values.cast(pa.float64(), safe=False)
        is_bad: Mask = ~np.isfinite(numbers.fill_null(np.nan).to_numpy())
        return is_bad
    if column.num_ids is None:
        return _mask(pc.or_kleene(pc.is_null(values), pc.equal(values, "")) if is_text else pc.is_null(values))
    if is_text:
        values = pc.if_else(pc.match_substring_regex(values, _WHOLE), values, None).cast(pa.int64())
    ids = values.fill_null(-1).to_numpy()
    return np.asarray((ids < 0) | (ids >= column.num_ids))


def _mask(values: pa.Array) -> Mask:
    mask: Mask = values.fill_null(True).to_numpy(zero_copy_only=False)
    return mask


def _parsed(texts: pa.Array) -> pa.Array:
    """Text as float64, null where it is no number."""
    try:
        return pc.if_else(pc.equal(texts, ""), None, texts).cast(pa.float64())
    except pa.ArrowInvalid:
        return pa.concat_arrays([_parsed_one(texts.slice(k, 1)) for k in range(len(texts))])


def _parsed_one(text: pa.Array) -> pa.Array:
    try:
        return text.cast(pa.float64())
    except pa.ArrowInvalid:
        return pa.nulls(1, pa.float64())


def _replaced(column: Column, array: pa.Array, is_bad: Mask) -> pa.Array:
    """A target gets its default; of a feature only text that is no number goes: `encode/` has the other defaults."""
    if column.is_target:
        return pc.if_else(pa.array(is_bad), pa.scalar(column.default, pa.float64()).cast(array.type), array)
    is_text_number = column.kind is ColumnKind.NUMBER and pa.types.is_string(array.type)
    return pc.if_else(pa.array(is_bad), None, array) if is_text_number else array


def _problem(column: Column, array: pa.Array, is_bad: Mask) -> str:
    """Say what is bad in how many cells; missing ones first, since they need another remedy."""
    subject, bad = f"{column.kind.value} {column.name!r}", array.filter(pa.array(is_bad))
    if bad.null_count:
        found = f"{subject} is missing in {bad.null_count} of {len(array)} rows"
        return f"{found}; fill it in or drop those rows, as data_config.bad_values can"
    return f"{subject} is out of bounds in {len(bad)} of {len(array)} rows, such as {_shown(bad[0])}; {_rule(column)}"


def _shown(value: pa.Scalar) -> str:
    """A value for an error's text; the bytes of a string need not be valid UTF-8."""
    if not pa.types.is_string(value.type):
        return f"{value.as_py()!s:.80}"
    return f"{value.cast(pa.binary()).as_py().decode(errors='replace')!r:.80}"


def _rule(column: Column) -> str:
    match column.kind:
        case ColumnKind.WEIGHT:
            return "must be at least 0 and finite"
        case ColumnKind.NUMBER:
            return "must be a finite number"
        case ColumnKind.ID:
            return "must be an id" if column.num_ids is None else f"must be an id, 0 to {column.num_ids - 1}"
    if column.num_class is None:
        return "must be finite"
    return "must be 0 or 1" if column.num_class == 2 else f"must be a class, 0 to {column.num_class - 1}"


def _is_bad_target(column: Column, values: Values) -> Mask:
    is_bad: Mask = ~np.isfinite(values)
    if column.kind is ColumnKind.WEIGHT:
        is_bad |= values < 0
    elif column.num_class is not None:
        is_bad |= (values < 0) | (values >= column.num_class) | (values != np.floor(values))
    return is_bad

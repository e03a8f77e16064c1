"""Columns with one present number in each row, the most common kind: all of them in one matrix."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import DTypeLike, NDArray

from peprank.encode.encoded import Block, EncodedRows
from peprank.encode.ids import IdEncoder
from peprank.encode.lookups import bounded, unknown_id
from peprank.encode.numbers import NumberEncoder

_CELLS_AT_ONCE = 1 << 14  # of a formula: few calls for short columns, and long ones stay in cache
_WHOLE = pa.int64().id
_NUMBER = (_WHOLE, pa.float32().id, pa.float64().id)


class EvenColumns:
    """Encode those columns of B rows that need no more than a bound or a formula.

    What it leaves out is for `IdEncoder` and `NumberEncoder`. They give the same where it does not, column by column,
    which takes several times as long for the short columns of a request.

    Args:
        numbers: those with equal normalizers side by side, for they are computed together.
    """

    def __init__(self, ids: Iterable[IdEncoder], numbers: Iterable[NumberEncoder]) -> None:
        self._ids = [encoder.feature for encoder in ids if encoder.is_bound_alone]
        self._rows = np.array([feature.rows for feature in self._ids], np.uint64)[:, None]  # [S, 1]
        self._unknown = np.array([unknown_id(feature.rule) for feature in self._ids], np.int64)[:, None]
        self._numbers = [encoder for encoder in numbers if encoder.is_formula_alone]
        normalizers = [encoder.feature.normalizer for encoder in self._numbers]
        self._first = [normalizers.index(normalizer) for normalizer in normalizers]

    def __call__(self, columns: Mapping[str, pa.Array], num_rows: int) -> EncodedRows:
        """Features of `columns`, conformed ones; of those that have such a column and no number that is not finite."""
        singles, unknown = self._bounded(columns, num_rows)
        return EncodedRows(num_rows, singles, {}, self._computed(columns, num_rows), {}, unknown)

    def _bounded(self, columns: Mapping[str, pa.Array], num_rows: int) -> tuple[Block[np.int64], dict[str, int]]:
        """Ids that are the values themselves, and how many lie outside their table, where not 0."""
        even = _even(columns, [feature.column for feature in self._ids], (_WHOLE,))
        names = tuple(self._ids[place].name for place in even)
        places, values = list(even), _matrix(list(even.values()), num_rows, np.int64)
        ids, is_outside = bounded(values, self._rows[places], self._unknown[places])
        if is_outside is None:
            return Block(names, ids), {}
        counts = zip(names, np.count_nonzero(is_outside, axis=1).tolist(), strict=True)
        return Block(names, ids), {name: count for name, count in counts if count}

    def _computed(self, columns: Mapping[str, pa.Array], num_rows: int) -> Block[np.float32]:
        even = _even(columns, [encoder.feature.column for encoder in self._numbers], _NUMBER)
        names, values = [self._numbers[place].feature.name for place in even], list(even.values())
        numbers, is_finite = np.empty((len(names), num_rows), np.float32), np.ones(len(names), np.bool_)
        for encoder, part in self._formulas(list(even), num_rows):
            x = _matrix(values[part], num_rows, np.float64)
            with np.errstate(all="ignore"):  # what comes of nan and inf is left out
                numbers[part] = encoder.normalize(x.ravel()).reshape(x.shape)
            is_finite[part] = _are_finite(x) & _are_finite(numbers[part])
        if is_finite.all():
            return Block(tuple(names), numbers)
        return Block(tuple(name for name, good in zip(names, is_finite, strict=True) if good), numbers[is_finite])

    def _formulas(self, places: Sequence[int], num_rows: int) -> Iterator[tuple[NumberEncoder, slice]]:
        """Which of the places may be computed together, and by what."""
        step, end = max(1, _CELLS_AT_ONCE // max(1, num_rows)), 0
        for first, same in groupby(self._first[place] for place in places):
            start, end = end, end + sum(1 for _ in same)
            for begin in range(start, end, step):
                yield self._numbers[first], slice(begin, min(begin + step, end))


def _even(columns: Mapping[str, pa.Array], wanted: Sequence[str], kinds: Sequence[int]) -> dict[int, NDArray[Any]]:
    """Numbers of the wanted columns, by their place there: of those that are of these types and have no null."""
    return {
        place: column.to_numpy()
        for place, name in enumerate(wanted)
        if (column := columns.get(name)) is not None and column.type.id in kinds and not column.null_count
    }


def _matrix(columns: Sequence[NDArray[Any]], num_rows: int, dtype: DTypeLike) -> NDArray[Any]:
    """Columns [B] copied under one another, [S, B]."""
    if not columns:
        return np.empty((0, num_rows), dtype)
    return np.concatenate(columns, dtype=dtype).reshape(len(columns), num_rows)


def _are_finite(rows: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Whether all numbers of a row are, [S]."""
    are: NDArray[np.bool_] = np.isfinite(rows).all(axis=1)
    return are

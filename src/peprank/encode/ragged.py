"""Encoded ids as numpy arrays, and the two edits that the ragged form knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from peprank.batch import MISSING
from peprank.errors import DataError


@dataclass(frozen=True, slots=True)
class IdColumn:
    """`batch.Ids` before it is handed to torch: one id per row, or with `offsets` any number."""

    values: NDArray[np.int64]  # [B] or [N]
    offsets: NDArray[np.int64] | None = None  # [B + 1]
    weights: NDArray[np.float32] | None = None  # shaped like values

    @property
    def num_bytes(self) -> int:
        """Memory of the arrays."""
        return sum(array.nbytes for array in (self.values, self.offsets, self.weights) if array is not None)

    @property
    def is_ragged(self) -> bool:
        """Whether rows may have any number of ids."""
        return self.offsets is not None

    @property
    def counts(self) -> NDArray[np.int64]:
        """Ids per row, [B]; needs offsets."""
        assert self.offsets is not None
        return np.diff(self.offsets)

    def keep(self, is_kept: NDArray[np.bool_]) -> IdColumn:
        """Drop the other values; needs offsets."""
        if is_kept.all():
            return self
        kept_before = np.concatenate(([0], np.cumsum(is_kept)))
        weights = None if self.weights is None else self.weights[is_kept]
        return IdColumn(self.values[is_kept], kept_before[self.offsets], weights)

    def fill(self, is_empty: NDArray[np.bool_], default: IdColumn) -> IdColumn:
        """Give rows without values those of `default`; needs offsets."""
        assert self.offsets is not None
        num_values, num_rows = len(default.values), int(np.count_nonzero(is_empty))
        if not num_values or not num_rows:
            return self
        places = np.repeat(self.offsets[:-1][is_empty], num_values)
        offsets = self.offsets + num_values * np.concatenate(([0], np.cumsum(is_empty)))
        values = np.insert(self.values, places, np.tile(default.values, num_rows))
        if self.weights is None or default.weights is None:
            return IdColumn(values, offsets)
        return IdColumn(values, offsets, np.insert(self.weights, places, np.tile(default.weights, num_rows)))

    def take(self, rows: NDArray[np.int64]) -> IdColumn:
        """These rows, in this order; a row may be taken often."""
        if self.offsets is None:
            return IdColumn(self.values[rows], None, None if self.weights is None else self.weights[rows])
        starts, counts = self.offsets[:-1][rows], self._counts_of(rows)
        offsets = np.concatenate(([0], np.cumsum(counts)))
        places = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], counts)
        return IdColumn(self.values[places], offsets, None if self.weights is None else self.weights[places])

    def num_ids(self, rows: NDArray[np.int64]) -> int:
        """How many ids `take(rows)` would give."""
        return int(self._counts_of(rows).sum()) if self.is_ragged else len(rows)

    def _counts_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        assert self.offsets is not None
        return self.offsets[1:][rows] - self.offsets[:-1][rows]

    def single(self, name: str, *, missing: int = MISSING) -> NDArray[np.int64]:
        """The one id of each row, `missing` where there is none, [B].

        Raises:
            DataError: a row has several; `name` says whose.
        """
        if self.offsets is None:
            return self.values
        counts = self.counts
        if (counts > 1).any():
            raise DataError(f"{name}: {(counts > 1).sum()} rows have more than one value; give each row one")
        ids = np.full(len(counts), missing, np.int64)
        ids[counts == 1] = self.values
        return ids


def stacked(columns: Sequence[IdColumn]) -> IdColumn:
    """Rows of all columns one after the other; ragged if one of them is."""
    if any(column.is_ragged for column in columns):
        columns = [_as_ragged(column) for column in columns]
    values = np.concatenate([column.values for column in columns])
    weights = [column.weights for column in columns if column.weights is not None]
    offsets = None
    if columns[0].is_ragged:
        offsets = np.concatenate(([0], np.cumsum(np.concatenate([column.counts for column in columns]))))
    return IdColumn(values, offsets, np.concatenate(weights) if weights else None)


def _as_ragged(column: IdColumn) -> IdColumn:
    if column.is_ragged:
        return column
    ragged = IdColumn(column.values, np.arange(len(column.values) + 1), column.weights)
    return ragged.keep(column.values != MISSING)

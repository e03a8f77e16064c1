"""Encoded ids as numpy arrays, and the two edits that the ragged form knows."""

from __future__ import annotations

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

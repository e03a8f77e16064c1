"""A numpy array that grows by batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


class Growing:
    """Rows appended batch by batch; room doubles when it is full, and pages not yet written take no memory."""

    def __init__(self, dtype: npt.DTypeLike, row_shape: tuple[int, ...] = ()) -> None:
        self._room: npt.NDArray[Any] = np.empty((0, *row_shape), dtype)
        self._num_rows = 0

    def append(self, rows: npt.NDArray[Any]) -> None:
        """Copy rows in, cast to the array's type."""
        end = self._num_rows + len(rows)
        if end > len(self._room):
            room = np.empty((max(end, 2 * len(self._room)), *self._room.shape[1:]), self._room.dtype)
            room[: self._num_rows] = self.whole()
            self._room = room
        self._room[self._num_rows : end] = rows
        self._num_rows = end

    def whole(self) -> npt.NDArray[Any]:
        """A view of all rows so far."""
        return self._room[: self._num_rows]

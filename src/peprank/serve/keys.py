"""Find items by key, a whole request at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from peprank.encode.cells import is_valid, shown
from peprank.encode.hashing import murmur64
from peprank.encode.lookups import decimals, texts
from peprank.encode.words import WordIndex
from peprank.errors import DataError


@dataclass(frozen=True, slots=True)
class _NumberIndex:
    """Whole numbers in ascending order."""

    numbers: NDArray[np.int64]  # [V]
    places: NDArray[np.int64]  # [V] where each stood in the list

    @classmethod
    def of(cls, numbers: pa.Array) -> _NumberIndex:
        order = np.argsort(numbers.to_numpy(), kind="stable")
        return cls(numbers.to_numpy()[order], order)

    @property
    def twins(self) -> tuple[int, int] | None:
        is_twin = self.numbers[1:] == self.numbers[:-1]
        first = int(is_twin.argmax()) if is_twin.any() else None
        return None if first is None else (int(self.places[first]), int(self.places[first + 1]))

    def find(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        found = np.searchsorted(self.numbers, numbers)
        found[found == len(self.numbers)] = 0
        return np.where(self.numbers[found] == numbers, self.places[found], -1)


@dataclass(frozen=True, slots=True)
class KeyIndex:
    """Keys, each once, and where each stood: numbers or strings."""

    type: pa.DataType  # int64 or string
    index: _NumberIndex | WordIndex
    num_bytes: int

    @classmethod
    def of(cls, batches: Sequence[pa.Array], where: str) -> KeyIndex:
        """Index of conformed keys, batch after batch.

        Args:
            where: file and column, for errors.

        Raises:
            DataError: a key is missing or doubled, or keys are lists.
        """
        keys = pa.concat_arrays(batches)
        if pa.types.is_list(keys.type):
            raise DataError(f"{where}: holds lists; give each row one key")
        if keys.null_count:
            raise DataError(f"{where}: is missing in {keys.null_count} of {len(keys)} rows; fill it in")
        index = WordIndex.of([keys]) if pa.types.is_string(keys.type) else _NumberIndex.of(keys)
        if index.twins is not None:
            one, other = index.twins
            rows = f"rows {one} and {other}, counted from 0"
            raise DataError(f"{where}: {shown(keys[other])!r} stands twice, in {rows}; keep one row per item")
        return cls(keys.type, index, keys.nbytes + 16 * len(keys))

    def find(self, keys: pa.Array, where: str) -> NDArray[np.int64]:
        """Place of each conformed key [N], -1 where it is not listed or missing; text and numbers match by value.

        Args:
            where: whose keys they are, for errors.

        Raises:
            DataError: keys are lists.
        """
        if pa.types.is_list(keys.type):
            raise DataError(f"{where}: holds lists; give each row one key")
        keys = self._as_indexed(keys)
        if not keys.null_count:
            return self._found(keys)
        places = np.full(len(keys), -1, np.int64)
        places[is_valid(keys)] = self._found(keys.drop_null())
        return places

    def _as_indexed(self, keys: pa.Array) -> pa.Array:
        if isinstance(self.index, WordIndex):
            return texts(keys)
        return decimals(keys) if pa.types.is_string(keys.type) else keys

    def _found(self, keys: pa.Array) -> NDArray[np.int64]:
        if isinstance(self.index, WordIndex):
            return self.index.find(keys, murmur64(keys), [(0, len(keys))])
        return self.index.find(keys.to_numpy())

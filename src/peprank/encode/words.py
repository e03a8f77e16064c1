"""Find strings in lists of them, a whole batch at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from peprank.encode.hashing import murmur64


@dataclass(frozen=True, slots=True)
class WordIndex:
    """Lists of words, one after the other, each by ascending hash.

    `pc.index_in` would build its table again for every batch.
    """

    hashes: NDArray[np.uint64]  # [V]
    words: pa.Array  # string [V], in the same order
    places: NDArray[np.int64]  # [V] where each stood, counted over all lists
    bounds: tuple[int, ...]  # list k lies at bounds[k] to bounds[k + 1]

    @classmethod
    def of(cls, lists: Sequence[pa.Array]) -> WordIndex:
        """Index of lists of strings without nulls."""
        words = pa.concat_arrays([pa.array([], pa.string()), *lists])
        bounds = tuple(accumulate(map(len, lists), initial=0))
        hashes = murmur64(words)
        places = np.arange(len(words))
        for start, end in pairwise(bounds):
            places[start:end] = start + np.argsort(hashes[start:end], kind="stable")
        return cls(hashes[places], words.take(pa.array(places)), places, bounds)

    @property
    def twins(self) -> tuple[int, int] | None:
        """Places of two words of one list that have one hash, as equal words have; None: there are none."""
        is_twin = self.hashes[1:] == self.hashes[:-1]
        is_twin[[bound - 1 for bound in self.bounds if 0 < bound < len(self.words)]] = False
        first = int(is_twin.argmax()) if is_twin.any() else None
        return None if first is None else (int(self.places[first]), int(self.places[first + 1]))

    def find(self, words: pa.Array, hashes: NDArray[np.uint64], parts: Sequence[tuple[int, int]]) -> NDArray[np.int64]:
        """Place of each word, counted over all lists; -1 where its list does not have it.

        A word is listed if its hash is, and the word behind that hash is the same.

        Args:
            words: [N], without nulls.
            hashes: theirs.
            parts: list, and how many of the words are sought there, in their order.
        """
        found = np.full(len(words), -1, np.int64)
        end = 0
        for number, count in parts:
            start, end = end, end + count
            low, high = self.bounds[number : number + 2]
            near = low + np.searchsorted(self.hashes[low:high], hashes[start:end])
            found[start:end] = np.where(near < high, near, -1)
        if not len(self.words):
            return found
        is_same = pc.equal(words, self.words.take(pa.array(np.maximum(found, 0))))
        is_listed = is_same.to_numpy(zero_copy_only=False) & (found >= 0)
        return np.where(is_listed, self.places[found], -1)

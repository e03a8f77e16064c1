"""Find strings among many, a whole batch at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from peprank.encode.hashing import murmur64


@dataclass(frozen=True, slots=True)
class WordIndex:
    """Words by ascending hash. `pc.index_in` would build its table again for every batch."""

    hashes: NDArray[np.uint64]  # [V]
    words: pa.Array  # string [V], in the same order
    places: NDArray[np.int64]  # [V] where each stood in the list

    @classmethod
    def of(cls, words: pa.Array) -> WordIndex:
        """Index of a list of strings without nulls."""
        hashes = murmur64(words)
        order = np.argsort(hashes, kind="stable")
        return cls(hashes[order], words.take(pa.array(order)), order)

    @property
    def twins(self) -> tuple[int, int] | None:
        """Places of two words that have one hash, most likely because they are the same word; None: there are none."""
        is_twin = self.hashes[1:] == self.hashes[:-1]
        first = int(is_twin.argmax()) if is_twin.any() else None
        return None if first is None else (int(self.places[first]), int(self.places[first + 1]))

    def find(self, texts: pa.Array) -> NDArray[np.int64]:
        """Place of each text in the list, -1 where it is not listed.

        A word is listed if its hash is, and the word behind that hash is the same.

        Shapes: string [N], no nulls -> int64 [N]
        """
        if not len(self.words):
            return np.full(len(texts), -1, np.int64)
        found = np.searchsorted(self.hashes, murmur64(texts))
        found[found == len(self.hashes)] = 0
        is_listed = pc.equal(texts, self.words.take(pa.array(found))).to_numpy(zero_copy_only=False)
        return np.where(is_listed, self.places[found], -1)

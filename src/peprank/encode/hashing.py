"""MurmurHash64A of strings, vectorised over Arrow's string buffers.

With this seed it is libstdc++'s `std::hash<std::string>`, by which the peer's feature generator finds hash buckets.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_SEED = np.uint64(0xC70F6907)
_MULTIPLIER = np.uint64(0xC6A4A7935BD1E995)
_SHIFT = np.uint64(47)
_WORD_BYTES = 8


def murmur64(strings: pa.Array) -> NDArray[np.uint64]:
    """MurmurHash64A of each string's bytes.

    All strings take their first 8-byte word together, then those that have a second one, and so on, so the cost in
    numpy calls is that of the longest string, and the cost in work is that of the bytes.

    Args:
        strings: type string, without nulls; the bytes need not be valid UTF-8.

    Shapes: string [N] -> uint64 [N]

    Example:
        >>> murmur64(pa.array(["abc", "1"])) % 100
        array([33, 95], dtype=uint64)
    """
    words, starts, num_bytes = _words(strings)
    hashes: NDArray[np.uint64] = _SEED ^ (num_bytes.astype(np.uint64) * _MULTIPLIER)
    rows = np.arange(len(strings))
    for start in range(0, int(num_bytes.max(initial=0)) - _WORD_BYTES + 1, _WORD_BYTES):
        rows = rows[num_bytes[rows] >= start + _WORD_BYTES]
        hashes[rows] = _absorb(hashes[rows], _mix(words[starts[rows] + start]))
    tail_bytes = num_bytes % _WORD_BYTES
    rows = np.flatnonzero(tail_bytes)
    tail_bytes = tail_bytes[rows]
    tail = words[starts[rows] + num_bytes[rows] - tail_bytes]
    tail &= (np.uint64(1) << (8 * tail_bytes).astype(np.uint64)) - np.uint64(1)
    hashes[rows] = _absorb(hashes[rows], tail)
    hashes ^= hashes >> _SHIFT
    hashes *= _MULTIPLIER
    hashes ^= hashes >> _SHIFT
    return hashes


def _words(strings: pa.Array) -> tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.int64]]:
    """The 8-byte word that starts at each byte, where each string starts, and its number of bytes."""
    if len(strings) == 0:
        return np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0, np.int64)
    _, offset_buffer, data_buffer = strings.buffers()
    offsets = np.frombuffer(offset_buffer, np.int32, len(strings) + 1, 4 * strings.offset).astype(np.int64)
    first, last = int(offsets[0]), int(offsets[-1])
    data = np.zeros(last - first + _WORD_BYTES, np.uint8)  # padded, so that the last word may be read whole
    if last > first:
        data[:-_WORD_BYTES] = np.frombuffer(data_buffer, np.uint8, last - first, first)
    words: NDArray[np.uint64] = np.ndarray((last - first + 1,), "<u8", data.data, strides=(1,))
    return words, offsets[:-1] - first, np.diff(offsets)


def _mix(word: NDArray[np.uint64]) -> NDArray[np.uint64]:
    word = word * _MULTIPLIER
    word ^= word >> _SHIFT
    word *= _MULTIPLIER
    return word


def _absorb(hashes: NDArray[np.uint64], word: NDArray[np.uint64]) -> NDArray[np.uint64]:
    hashes ^= word
    hashes *= _MULTIPLIER
    return hashes

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
# By the number of bytes after the last whole word: which bits of a word are theirs, and what they multiply the hash by.
_TAIL_BITS = np.array([2 ** (8 * num_bytes) - 1 for num_bytes in range(_WORD_BYTES)], np.uint64)
_TAIL_MULTIPLIERS = np.array([1] + [_MULTIPLIER] * (_WORD_BYTES - 1), np.uint64)


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
    tail_bytes = num_bytes & (_WORD_BYTES - 1)
    whole_bytes = num_bytes - tail_bytes
    rows = np.arange(len(strings))
    for start in range(0, int(whole_bytes.max(initial=0)), _WORD_BYTES):
        rows = rows[whole_bytes[rows] > start]
        hashes[rows] = _absorb(hashes[rows], _mix(words[starts[rows] + start]))
    # All strings again: for one without a tail this changes nothing, and is faster than leaving it out.
    hashes ^= words[starts + whole_bytes] & _TAIL_BITS[tail_bytes]
    hashes *= _TAIL_MULTIPLIERS[tail_bytes]
    hashes ^= hashes >> _SHIFT
    hashes *= _MULTIPLIER
    hashes ^= hashes >> _SHIFT
    return hashes


def string_offsets(strings: pa.Array) -> NDArray[np.int64]:
    """Where each string starts in Arrow's buffer, and where the last one ends, [N + 1]."""
    if not len(strings):
        return np.zeros(1, np.int64)  # Arrow may leave out the buffers
    return np.frombuffer(strings.buffers()[1], np.int32, len(strings) + 1, 4 * strings.offset).astype(np.int64)


def string_bytes(strings: pa.Array) -> bytes:
    """The bytes of all strings, one after the other."""
    offsets = string_offsets(strings)
    data = strings.buffers()[2]
    return b"" if data is None else data.slice(offsets[0], offsets[-1] - offsets[0]).to_pybytes()


def _words(strings: pa.Array) -> tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.int64]]:
    """The 8-byte word that starts at each byte, where each string starts, and its number of bytes."""
    offsets = string_offsets(strings)
    data = string_bytes(strings) + bytes(_WORD_BYTES)  # padded, so that the last word may be read whole
    words: NDArray[np.uint64] = np.ndarray((len(data) - _WORD_BYTES + 1,), "<u8", data, strides=(1,))
    return words, offsets[:-1] - offsets[0], np.diff(offsets)


def _mix(word: NDArray[np.uint64]) -> NDArray[np.uint64]:
    word = word * _MULTIPLIER
    word ^= word >> _SHIFT
    word *= _MULTIPLIER
    return word


def _absorb(hashes: NDArray[np.uint64], word: NDArray[np.uint64]) -> NDArray[np.uint64]:
    hashes ^= word
    hashes *= _MULTIPLIER
    return hashes

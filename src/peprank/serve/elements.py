"""Elements of BYTES tensors, each behind its length, to Arrow arrays; all tensors of a request in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from peprank.serve.tensors import TensorHead

_LENGTH = Struct("<I")


def read_elements(tensors: Sequence[tuple[TensorHead, memoryview]]) -> list[pa.Array]:
    """Return the elements of each tensor, binary [num_values].

    Raises:
        RequestError: a tensor's bytes are not as many elements as its shape says.
    """
    if not tensors:
        return []
    joined = b"".join(raw for _, raw in tensors)
    lengths = _guessed_lengths(joined, sum(head.num_values for head, _ in tensors))
    if lengths is None or not _ends_agree(tensors, lengths):
        lengths = np.concatenate([_read_lengths(head, raw) for head, raw in tensors])
    elements = _cut(joined, lengths)
    firsts = np.cumsum([0, *(head.num_values for head, _ in tensors)])
    return [elements.slice(first, head.num_values) for first, (head, _) in zip(firsts, tensors, strict=False)]


def _guessed_lengths(joined: bytes, num_values: int) -> NDArray[np.int64] | None:
    """Return lengths [num_values] if there are not more than 255 bytes in an element and no NUL, else None.

    The length of an element that is not empty is then a byte before three zeros that stand between other bytes. As
    each element adds four bytes to the text before it, the place of a length also tells how many elements precede it.
    What comes out is only a guess until all lengths are found where they say that they are.
    """
    if len(joined) < _LENGTH.size:
        return None
    letters = np.frombuffer(joined, np.uint8)
    is_zero = letters == 0
    places = np.flatnonzero(~is_zero[:-4] & is_zero[1:-3] & is_zero[2:-2] & is_zero[3:-1] & ~is_zero[4:])
    found = letters[places].astype(np.int64)
    if _LENGTH.size * num_values + int(found.sum()) != len(joined):
        return None
    elements_before = (places - (np.cumsum(found) - found)) // _LENGTH.size
    if ((elements_before < 0) | (elements_before >= num_values)).any():
        return None
    lengths = np.zeros(num_values, np.int64)
    lengths[elements_before] = found
    written = np.ndarray(len(joined) - _LENGTH.size + 1, "<u4", joined, strides=1)  # the four bytes from each place on
    return lengths if np.array_equal(written[_starts(lengths)], lengths) else None


def _starts(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each length stands, [num_values]."""
    sizes = lengths + _LENGTH.size
    return np.cumsum(sizes) - sizes


def _ends_agree(tensors: Sequence[tuple[TensorHead, memoryview]], lengths: NDArray[np.int64]) -> bool:
    """Whether each tensor ends where its last element does."""
    ends = np.append(0, np.cumsum(lengths + _LENGTH.size))
    num_before = np.cumsum([head.num_values for head, _ in tensors])
    return np.array_equal(ends[num_before], np.cumsum([len(raw) for _, raw in tensors]))


def _read_lengths(head: TensorHead, raw: memoryview) -> NDArray[np.int64]:
    """Read one length after the other."""
    lengths, place = [], 0
    while place + _LENGTH.size <= len(raw):
        lengths.append(_LENGTH.unpack_from(raw, place)[0])
        place += _LENGTH.size + lengths[-1]
    if place != len(raw):
        raise head.error(
            f"element {max(len(lengths) - 1, 0)} (from 0) does not end with the input's {len(raw)} bytes; "
            "write each as its length in 4 bytes, little-endian, and then its bytes"
        )
    if len(lengths) != head.num_values:
        raise head.error(f"its bytes are {len(lengths)} elements, but shape {list(head.shape)} makes {head.num_values}")
    return np.array(lengths, np.int64)


def _cut(joined: bytes, lengths: NDArray[np.int64]) -> pa.Array:
    """Take the elements from between their lengths."""
    starts = _starts(lengths)
    bounds = np.append(np.column_stack((starts, starts + _LENGTH.size)), len(joined)).astype(np.int32)
    both = pa.Array.from_buffers(pa.binary(), len(bounds) - 1, [None, pa.py_buffer(bounds), pa.py_buffer(joined)])
    return both.take(pa.array(np.arange(1, len(bounds), 2)))

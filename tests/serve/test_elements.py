import struct

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peprank.errors import RequestError
from peprank.serve.elements import read_elements
from peprank.serve.tensors import TensorHead

Texts = list[bytes]

# Small bytes look like lengths, which is what the fast way guesses from; long elements need two bytes of length.
TEXTS = st.lists(
    st.binary(max_size=6)
    | st.text("ab\0\1\2\3", max_size=9).map(str.encode)
    | st.sampled_from([b"", b"", b"x" * 255, b"y" * 256, b"\0" * 4])
)


def packed(texts: Texts) -> bytes:
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def head_of(num_values: int, name: str = "tags") -> TensorHead:
    return TensorHead(name, "BYTES", (num_values,))


def read_by_the_book(raw: bytes) -> Texts | None:
    """One after the other, or None where they do not end with the bytes."""
    found = []
    while raw:
        if len(raw) < 4 or len(raw) < 4 + (length := int.from_bytes(raw[:4], "little")):
            return None
        found.append(raw[4 : 4 + length])
        raw = raw[4 + length :]
    return found


@given(tensors=st.lists(TEXTS))
def test_elements_of_all_tensors_are_read(tensors: list[Texts]) -> None:
    found = read_elements([(head_of(len(texts)), memoryview(packed(texts))) for texts in tensors])
    assert [array.to_pylist() for array in found] == tensors
    assert all(array.type == pa.binary() for array in found)


@given(tensors=st.lists(st.tuples(st.lists(st.integers(0, 5)).map(bytes), st.integers(0, 5)), min_size=1))
def test_any_bytes_are_read_as_by_the_book_or_refused(tensors: list[tuple[bytes, int]]) -> None:
    by_the_book = [read_by_the_book(raw) for raw, _ in tensors]
    parts = [(head_of(num_values), memoryview(raw)) for raw, num_values in tensors]
    fits = [texts is not None and len(texts) == num for texts, (_, num) in zip(by_the_book, tensors, strict=True)]
    if all(fits):
        assert [array.to_pylist() for array in read_elements(parts)] == by_the_book
    else:
        with pytest.raises(RequestError, match=r"^input 'tags': (element|its bytes are) \d+ "):
            read_elements(parts)


def test_elements_do_not_spill_into_the_next_tensor() -> None:
    """Taken together these bytes are two elements, and so are the values; but no tensor has one of its own."""
    raw = packed([b"abc", b"d"])
    with pytest.raises(
        RequestError, match=r"^input 'one': element 0 \(from 0\) does not end with the input's 5 bytes; "
    ):
        read_elements([(head_of(1, "one"), memoryview(raw[:5])), (head_of(1, "two"), memoryview(raw[5:]))])


def test_a_shape_of_any_size_costs_nothing() -> None:
    with pytest.raises(RequestError, match="but shape"):
        read_elements([(TensorHead("tags", "BYTES", (2**40, 2**40)), memoryview(packed([b"a"])))])


def test_a_hundred_thousand_elements_are_read() -> None:
    texts = [
        str(number).encode() if number % 7 else b"" for number in np.random.default_rng(0).integers(0, 10**9, 10**5)
    ]
    (found,) = read_elements([(head_of(len(texts)), memoryview(packed(texts)))])
    assert found.to_pylist() == texts

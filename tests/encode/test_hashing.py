import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peprank.encode.hashing import murmur64

_64_BITS = 2**64 - 1
_MULTIPLIER = 0xC6A4A7935BD1E995


def murmur64_by_the_book(data: bytes) -> int:
    """MurmurHash64A as Austin Appleby wrote it, in Python's unbounded ints."""
    hash_ = 0xC70F6907 ^ (len(data) * _MULTIPLIER & _64_BITS)
    num_words = len(data) // 8
    for start in range(0, 8 * num_words, 8):
        word = int.from_bytes(data[start : start + 8], "little") * _MULTIPLIER & _64_BITS
        word = (word ^ word >> 47) * _MULTIPLIER & _64_BITS
        hash_ = (hash_ ^ word) * _MULTIPLIER & _64_BITS
    if tail := data[8 * num_words :]:
        hash_ = (hash_ ^ int.from_bytes(tail, "little")) * _MULTIPLIER & _64_BITS
    hash_ = (hash_ ^ hash_ >> 47) * _MULTIPLIER & _64_BITS
    return hash_ ^ hash_ >> 47


def strings_of(data: list[bytes]) -> pa.Array:
    """Arrow strings of any bytes, as a file may hold them."""
    binary = pa.array(data, pa.binary())
    return pa.StringArray.from_buffers(len(data), binary.buffers()[1], binary.buffers()[2])


def test_hashes_equal_the_peers() -> None:
    golden = {"abc": 33, "efg": 44, "hij": 66, "xyz": 13, "1": 95, "2": 70, "3": 13, "4": 56, "0": 26}
    assert (murmur64(pa.array(golden)) % 100).tolist() == list(golden.values())
    assert {text: murmur64_by_the_book(text.encode()) % 100 for text in golden} == golden


@given(st.lists(st.binary(max_size=40)))
def test_hashes_equal_the_book_for_any_bytes(data: list[bytes]) -> None:
    assert murmur64(strings_of(data)).tolist() == [murmur64_by_the_book(item) for item in data]


def test_every_length_up_to_three_words_and_ten_kilobytes_beside_empty_ones() -> None:
    rng = np.random.default_rng(0)
    data = [rng.bytes(length) for length in (*range(25), 10_000, 0, 9_999, 1, 10_007)]
    assert murmur64(strings_of(data)).tolist() == [murmur64_by_the_book(item) for item in data]


def test_hashes_of_non_ascii_text_are_those_of_its_utf8_bytes() -> None:
    texts = ["größe", "推荐", "🙂🙂🙂"]
    assert murmur64(pa.array(texts)).tolist() == [murmur64_by_the_book(text.encode()) for text in texts]


@pytest.mark.parametrize("length", [0, 1, 4])
def test_a_slice_hashes_like_its_strings(length: int) -> None:
    texts = [f"user_{index:09d}"[: 5 + index] for index in range(10)]
    part = pa.array(texts).slice(3, length)
    assert murmur64(part).tolist() == [murmur64_by_the_book(text.encode()) for text in texts[3 : 3 + length]]

"""Whatever a client sends is read or refused with a short sentence, and nothing else ever happens."""

import copy
import math
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from peprank.errors import RequestError
from peprank.serve.tensors import DATATYPES
from peprank.serve.wire import decode, read_json_length

GOOD = {
    "id": "42",
    "parameters": {"binary_data_output": True, "timeout": 5000},
    "inputs": [
        {"name": "user_id", "shape": [2], "datatype": "INT64", "parameters": {"binary_data_size": 16}},
        {"name": "tags", "shape": [2, 1], "datatype": "BYTES", "parameters": {"binary_data_size": 11}},
        {"name": "age", "shape": [2], "datatype": "FP32", "data": [1.5, None]},
        {"name": "cross", "shape": [2, 2], "datatype": "BYTES", "data": [["a", "b"], ["", "ü"]]},
        {"name": "level", "shape": [1, 2], "datatype": "UINT8", "data": [[0, 255]]},
        {"name": "ok", "shape": [1], "datatype": "BOOL", "data": [True]},
    ],
    "outputs": [{"name": "click", "parameters": {"binary_data": False}}, {"name": "like"}],
}
TAIL = bytes(16) + b"\1\0\0\0a\2\0\0\0\xc3\xbc"
LONGEST = 700  # letters of a sentence, whatever the client sent

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.integers(-3, 3)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.sampled_from([*DATATYPES, "x" * 10_000, "\n\u202e\0" * 100]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=10,
)


def sentence_of(refused: RequestError) -> str:
    sentence = str(refused)
    assert refused.status == 400
    assert 0 < len(sentence) <= LONGEST
    assert sentence.isprintable()
    return sentence


def outcome(body: bytes, json_length: int | None) -> str:
    """The sentence of a refusal; empty if the request was read, and then it is whole."""
    try:
        request = decode(body, json_length)
    except RequestError as refused:
        return sentence_of(refused)
    for name, tensor in request.inputs.items():
        assert name == tensor.name
        assert len(tensor.values) == math.prod(tensor.shape)
        assert max(tensor.shape) <= len(body)
        tensor.values.validate(full=True)
    return ""


def places(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in a document: its keys and positions from the outside in."""
    if not isinstance(value, dict | list):
        return [place]
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    return [place, *(found for key, one in inner for found in places(one, (*place, key)))]


def replaced(document: Any, place: tuple[Any, ...], value: Any) -> Any:
    if not place:
        return value
    changed = copy.deepcopy(document)
    owner = changed
    for key in place[:-1]:
        owner = owner[key]
    owner[place[-1]] = value
    return changed


def test_the_good_request_is_good() -> None:
    text = orjson.dumps(GOOD)
    assert outcome(text + TAIL, len(text)) == ""


@given(body=st.binary(), json_length=st.none() | st.integers(-10, 100))
@example(body=b'{"inputs":[{"name":"\\u0000","shape":[],"datatype":"\\n"}]}', json_length=None)
def test_any_bytes(body: bytes, json_length: int | None) -> None:
    assert outcome(body, json_length) != ""


@given(document=JSON)
def test_any_json(document: Any) -> None:
    assert outcome(orjson.dumps(document), None) != ""


@given(data=st.data(), value=JSON)
@settings(max_examples=300)
def test_anything_in_any_place_of_a_good_request(data: st.DataObject, value: Any) -> None:
    place = data.draw(st.sampled_from(places(GOOD)))
    text = orjson.dumps(replaced(GOOD, place, value))
    sentence = outcome(text + TAIL, len(text))
    if sentence and len(place) > 2 and place[0] == "inputs" and place[2] != "name":
        name = f"'{GOOD['inputs'][place[1]]['name']}'"  # type: ignore[index]
        # What comes after an input with another size is refused under its own name, or as bytes of nobody.
        assert name in sentence or "binary_data_size" in sentence


@given(place=st.sampled_from([place for place in places(GOOD) if place]), data=st.data())
def test_any_field_left_out_of_a_good_request(place: tuple[Any, ...], data: st.DataObject) -> None:
    changed: Any = copy.deepcopy(GOOD)
    owner = changed
    for key in place[:-1]:
        owner = owner[key]
    del owner[place[-1]]
    text = orjson.dumps(changed)
    outcome(text + TAIL, len(text) + data.draw(st.integers(-2, 2)))


@given(data=st.data())
@settings(max_examples=200)
def test_any_damage_to_a_good_request(data: st.DataObject) -> None:
    text = orjson.dumps(GOOD)
    body = bytearray(text + TAIL)
    for place in data.draw(st.lists(st.integers(0, len(body) - 1), max_size=5)):
        body[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.just(len(body)) | st.integers(0, len(body)))
    outcome(bytes(body[:cut]), len(text))


@given(header=st.text())
def test_any_header(header: str) -> None:
    try:
        assert read_json_length(header) is not None
    except RequestError as refused:
        sentence_of(refused)


@pytest.mark.parametrize(
    "body", [b"[" * 10**6, b'{"inputs":' * 10**5, b'{"inputs":[[' + b"[" * 900 + b"]" * 900 + b"]]}"]
)
def test_deep_nesting(body: bytes) -> None:
    assert outcome(body, None) != ""


def test_deep_nesting_in_data() -> None:
    deep: Any = []
    for _ in range(200):  # as deep as orjson writes
        deep = [deep]
    for place in places(GOOD):
        text = orjson.dumps(replaced(GOOD, place, deep))
        outcome(text + TAIL, len(text))

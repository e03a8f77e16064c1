"""Values of every datatype survive each way to the server and back; the client's side is written here by hand."""

import struct
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from peprank.errors import RequestError
from peprank.serve.request import InferResponse, OutputTensor
from peprank.serve.tensors import DATATYPES, TensorHead, from_bytes, from_json
from peprank.serve.wire import decode, encode

TYPES = {
    "BOOL": pa.bool_(),
    **{f"INT{bits}": pa.type_for_alias(f"int{bits}") for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": pa.type_for_alias(f"uint{bits}") for bits in (8, 16, 32, 64)},
    "FP16": pa.float32(),
    "FP32": pa.float32(),
    "FP64": pa.float64(),
    "BF16": pa.float32(),
    "BYTES": pa.binary(),
}
IN_JSON = [name for name in TYPES if name != "BF16"]
SHAPES = hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4)


def cells(datatype: str) -> st.SearchStrategy[Any]:
    """Values as JSON can hold them."""
    if datatype == "BOOL":
        return st.booleans()
    if datatype == "BYTES":
        return st.text(st.characters(exclude_categories=["Cs"]))
    bits = int(datatype.strip("UINTFPB"))
    if "INT" in datatype:
        return (
            st.integers(0, 2**bits - 1) if datatype[0] == "U" else st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        )
    width: Literal[16, 32, 64] = {"FP32": 32, "FP64": 64}.get(datatype, 16)  # type: ignore[assignment]
    return st.floats(width=width, allow_nan=False, allow_infinity=False)


def packed(datatype: str, values: list[Any]) -> bytes:
    """Values as the protocol writes them in binary."""
    if datatype == "BYTES":
        return b"".join(struct.pack("<I", len(text.encode())) + text.encode() for text in values)
    if datatype == "BF16":
        return b"".join(struct.pack("<f", value)[2:] for value in values)
    letter = {"BOOL": "?", "FP16": "e", "FP32": "f", "FP64": "d"}.get(datatype)
    if letter is None:
        letter = "bhiq"[(8, 16, 32, 64).index(int(datatype.strip("UINT")))]
    return struct.pack(f"<{len(values)}{letter.upper() if datatype[0] == 'U' else letter}", *values)


def nested(values: list[Any], shape: tuple[int, ...]) -> list[Any]:
    """Values in lists of lists."""
    array = np.empty(len(values), np.object_)
    array[:] = values
    found: list[Any] = array.reshape(shape).tolist()
    return found


@dataclass(frozen=True)
class Sent:
    """What a client has in hand."""

    datatype: str
    shape: tuple[int, ...]
    values: list[Any]

    def arrow(self) -> pa.Array:
        """What the server should see."""
        held = [text.encode() for text in self.values] if self.datatype == "BYTES" else self.values
        return pa.array(held, TYPES[self.datatype])


@st.composite
def tensors(draw: st.DrawFn, datatypes: list[str]) -> Sent:
    datatype, shape = draw(st.sampled_from(datatypes)), draw(SHAPES)
    num_values = int(np.prod(shape))
    return Sent(datatype, shape, draw(st.lists(cells(datatype), min_size=num_values, max_size=num_values)))


def body_of(sent: Sent, *, in_binary: bool, **rest: Any) -> tuple[bytes, int | None]:
    one: dict[str, Any] = {"name": "x", "shape": sent.shape, "datatype": sent.datatype}
    if not in_binary:
        return orjson.dumps({"inputs": [one | {"data": sent.values}], **rest}), None
    raw = packed(sent.datatype, sent.values)
    text = orjson.dumps({"inputs": [one | {"parameters": {"binary_data_size": len(raw)}}], **rest})
    return text + raw, len(text)


def read_output(body: bytes, headers: dict[str, str]) -> list[float]:
    length = int(headers.get("Inference-Header-Content-Length", len(body)))
    output = orjson.loads(body[:length])["outputs"][0]
    if "data" in output:
        return [float(value) for value in np.array(output["data"], np.float32)]
    assert output["parameters"]["binary_data_size"] == len(body) - length
    return [float(value) for value in np.frombuffer(body[length:], "<f4")]


@pytest.mark.parametrize("out_binary", [False, True], ids=["json out", "binary out"])
@pytest.mark.parametrize("in_binary", [False, True], ids=["json in", "binary in"])
@given(data=st.data())
def test_every_datatype_arrives_and_answers_come_back(in_binary: bool, out_binary: bool, data: st.DataObject) -> None:
    sent = data.draw(tensors(list(TYPES) if in_binary else IN_JSON))
    if sent.datatype == "BF16":  # what is left of a float32 whose other half is cut off
        cut = [struct.unpack("<f", b"\0\0" + struct.pack("<f", value)[2:])[0] for value in sent.values]
        sent = Sent("BF16", sent.shape, cut)
    wish = {"parameters": {"binary_data_output": out_binary}}
    request = decode(*body_of(sent, in_binary=in_binary, **wish))
    assert request.inputs["x"].values.equals(sent.arrow())
    assert request.inputs["x"].values.type == TYPES[sent.datatype]
    assert request.inputs["x"].shape == sent.shape
    scores = data.draw(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False)))
    output = OutputTensor(name="click", values=np.array(scores, np.float32))
    answer = encode(request, InferResponse(model_name="m", model_version="1", outputs=(output,)))
    assert ("Inference-Header-Content-Length" in answer[1]) == out_binary
    assert read_output(*answer) == scores


@given(sent=tensors(IN_JSON))
def test_nested_values_are_the_flat_ones(sent: Sent) -> None:
    head = TensorHead("x", sent.datatype, sent.shape)
    assert from_json(head, nested(sent.values, sent.shape)).equals(from_json(head, sent.values))


@given(data=st.data(), sent=tensors(IN_JSON))
def test_null_is_a_missing_cell(data: st.DataObject, sent: Sent) -> None:
    is_null = data.draw(st.lists(st.booleans(), min_size=len(sent.values), max_size=len(sent.values)))
    values = [None if null else value for null, value in zip(is_null, sent.values, strict=True)]
    found = from_json(TensorHead("x", sent.datatype, sent.shape), values)
    assert found.is_null().to_pylist() == is_null
    present = [value for value in values if value is not None]
    assert found.drop_null().equals(Sent(sent.datatype, (), present).arrow())


@pytest.mark.parametrize("datatype", [name for name in TYPES if "INT" in name])
@given(values=st.lists(st.integers(-(2**63), 2**64 - 1) | st.integers(-300, 300), min_size=1))
def test_an_integer_outside_its_type_is_refused_and_none_inside(datatype: str, values: list[int]) -> None:
    head = TensorHead("x", datatype, (len(values),))
    bounds = np.iinfo(DATATYPES[datatype].held)
    outside = [place for place, value in enumerate(values) if not bounds.min <= value <= bounds.max]
    if not outside:
        assert from_json(head, values).to_pylist() == values
        return
    with pytest.raises(RequestError, match=rf"^input 'x': value {outside[0]} \(from 0\) is {values[outside[0]]}: "):
        from_json(head, values)


def test_json_is_rounded_as_bytes_would_be() -> None:
    tenth = from_json(TensorHead("x", "FP16", (1,)), [0.1])
    assert tenth.to_pylist() == [0.0999755859375]  # 1639 / 2^14
    assert from_json(TensorHead("x", "FP32", (1,)), [2**24 + 1]).to_pylist() == [2.0**24]
    assert from_json(TensorHead("x", "FP64", (2,)), [2**64 - 1, 1e19]).to_pylist() == [2.0**64, 1e19]


@pytest.mark.parametrize("datatype", ["FP16", "FP32", "FP64"])
def test_bytes_may_hold_nan_and_infinity_as_a_file_may(datatype: str) -> None:
    values = np.array([np.nan, np.inf, -np.inf], DATATYPES[datatype].layout)
    found = from_bytes(TensorHead("x", datatype, (3,)), memoryview(values.tobytes()))
    np.testing.assert_array_equal(found.to_numpy(), [np.nan, np.inf, -np.inf])


def test_values_do_not_hold_on_to_the_body() -> None:
    raw = bytearray(struct.pack("<2q", 7, 9))
    found = from_bytes(TensorHead("x", "INT64", (2,)), memoryview(raw))
    raw[:] = bytes(16)
    assert found.to_pylist() == [7, 9]

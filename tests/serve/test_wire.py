from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest

from peprank.errors import RequestError
from peprank.serve.request import InferRequest, InferResponse, OutputTensor, WantedOutput
from peprank.serve.wire import check_outputs, decode, encode, read_json_length, server_metadata

IDS = b"\x07\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0"
IN_JSON = b'{"inputs":[{"name":"user_id","shape":[2],"datatype":"INT64","data":[7,9]}],'
IN_BINARY = (
    b'{"inputs":[{"name":"user_id","shape":[2],"datatype":"INT64","parameters":{"binary_data_size":16}}],"outputs":'
)


# -- requests --------------------------------------------------------------------------------------------------------


def test_a_request_in_json_is_read() -> None:
    body = b"""{"id": "42", "parameters": {}, "inputs": [
      {"name": "user_id", "shape": [2], "datatype": "INT64", "parameters": {}, "data": [7, 9]},
      {"name": "tags", "shape": [2, 2], "datatype": "BYTES", "data": [["a", "b"], ["", "\xc3\xbc"]]},
      {"name": "age", "shape": [2, 1], "datatype": "FP32", "data": [1, null]}],
     "outputs": [{"name": "click", "parameters": {}}]}"""
    request = decode(body, None)
    assert request.id == "42"
    assert request.outputs == (WantedOutput(name="click", is_binary=False),)
    assert {name: (tensor.shape, tensor.datatype) for name, tensor in request.inputs.items()} == {
        "user_id": ((2,), "INT64"),
        "tags": ((2, 2), "BYTES"),
        "age": ((2, 1), "FP32"),
    }
    assert request.inputs["user_id"].values.equals(pa.array([7, 9]))
    assert request.inputs["tags"].values.equals(pa.array([b"a", b"b", b"", "ü".encode()]))
    assert request.inputs["age"].values.equals(pa.array([1, None], pa.float32()))


def test_the_example_of_the_docs_is_read() -> None:
    page = (Path(__file__).parents[2] / "docs" / "serving.md").read_text("utf-8")
    blocks = [block.partition("```")[0] for block in page.split("```json\n")[1:]]
    request = decode(next(block for block in blocks if '"inputs"' in block).encode(), None)
    assert request.inputs["tags"].values.to_pylist() == [b"a", b"b", b"a", None, b"c", b"d"]


# Bodies as tritonclient 2.70 writes them, InferenceServerClient.generate_request_body.
@pytest.mark.parametrize(
    ("body", "json_length", "outputs"),
    [
        (IN_JSON + b'"outputs":[{"name":"click","parameters":{"binary_data":false}}]}', None, {"click": False}),
        (IN_JSON + b'"outputs":[{"name":"click","parameters":{"binary_data":true}}]}', None, {"click": True}),
        (IN_BINARY + b'[{"name":"click","parameters":{"binary_data":false}}]}' + IDS, 163, {"click": False}),
        (IN_BINARY + b'[{"name":"click","parameters":{"binary_data":true}}]}' + IDS, 162, {"click": True}),
    ],
    ids=["json, json", "json, binary", "binary, json", "binary, binary"],
)
def test_tritons_client_is_understood(body: bytes, json_length: int | None, outputs: dict[str, bool]) -> None:
    request = decode(body, json_length)
    assert request.inputs["user_id"].values.equals(pa.array([7, 9]))
    assert {output.name: output.is_binary for output in request.outputs} == outputs
    assert request.id == ""


def test_tritons_client_without_outputs_wants_all_of_them_in_binary() -> None:
    text = (
        b'{"inputs":[{"name":"user_id","shape":[2],"datatype":"INT64","parameters":{"binary_data_size":16}},'
        b'{"name":"tags","shape":[3],"datatype":"BYTES","parameters":{"binary_data_size":15}}],'
        b'"parameters":{"binary_data_output":true}}'
    )
    request = decode(text + IDS + b"\1\0\0\0a\0\0\0\0\2\0\0\0\xc3\xbc", len(text))
    assert request.inputs["user_id"].values.equals(pa.array([7, 9]))
    assert request.inputs["tags"].values.equals(pa.array([b"a", b"", "ü".encode()]))
    assert (request.outputs, request.is_binary) == ((), True)


def test_inputs_in_json_may_stand_between_binary_ones() -> None:
    text = (
        b'{"inputs":[{"name":"half","shape":[1,2],"datatype":"FP16","parameters":{"binary_data_size":4}},'
        b'{"name":"user_id","shape":[2],"datatype":"INT64","data":[7,9]},'
        b'{"name":"ok","shape":[2],"datatype":"BOOL","parameters":{"binary_data_size":2}}],'
        b'"outputs":[{"name":"click","parameters":{"binary_data":true}},{"name":"like","parameters":{"binary_data":false}}]}'
    )
    request = decode(text + b"\0\x38\0\xc0\1\0", len(text))
    assert list(request.inputs) == ["half", "user_id", "ok"]
    assert request.inputs["half"].values.equals(pa.array([0.5, -2], pa.float32()))
    assert request.inputs["ok"].values.equals(pa.array([True, False]))


def test_kserves_client_is_understood() -> None:
    text = (
        b'{"id":"1","model_name":"m","inputs":[{"name":"user_id","shape":[2],"datatype":"INT64","data":[7,9]},'
        b'{"name":"tags","shape":[2],"datatype":"BYTES","parameters":{"binary_data_size":11}}],'
        b'"outputs":[{"name":"click","parameters":{"binary_data":true}}],"parameters":{"a":1}}'
    )
    request = decode(text + b"\1\0\0\0a\2\0\0\0\xc3\xbc", len(text))
    assert request.inputs["tags"].values.equals(pa.array([b"a", "ü".encode()]))
    assert (request.id, request.parameters) == ("1", {"a": 1})


def test_an_outputs_own_wish_wins_over_the_requests() -> None:
    rest = (
        b'"parameters":{"binary_data_output":true},'
        b'"outputs":[{"name":"a"},{"name":"b","parameters":{"binary_data":false}}]}'
    )
    assert [output.is_binary for output in decode(IN_JSON + rest, None).outputs] == [True, False]


def test_null_is_as_good_as_nothing_where_a_field_is_optional() -> None:
    request = decode(IN_JSON + b'"id":null,"parameters":null,"outputs":null}', None)
    assert (request.id, request.parameters, request.outputs) == ("", {}, ())


# -- refusals --------------------------------------------------------------------------------------------------------

EXAMPLE = '{"inputs": [{"name": "user_id", "shape": [1], "datatype": "INT64", "data": [7]}]}'
INT64_RULE = "INT64 takes whole numbers without a point, from -9223372036854775808 to 9223372036854775807"


def refusal(body: bytes, json_length: int | None = None) -> str:
    with pytest.raises(RequestError) as refused:
        decode(body, json_length)
    assert refused.value.status == 400
    return str(refused.value)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            b"",
            "the body is not JSON: Input is a zero-length, empty document: line 1 column 1 (char 0); "
            f"send for example {EXAMPLE}",
        ),
        (
            b"[" * 100_000,
            f"the body is not JSON: depth limit exceeded: line 1 column 1026 (char 1025); send for example {EXAMPLE}",
        ),
        (b"null", f"the body is null: must be an object such as {EXAMPLE}"),
        (b"[]", f"the body is a list: must be an object such as {EXAMPLE}"),
        (b'"' + b"x" * 1000 + b'"', f"the body is '{'x' * 40}…': must be an object such as {EXAMPLE}"),
        (b"{}", f"inputs is missing or empty: send for example {EXAMPLE}"),
        (b'{"inputs":{}}', "inputs is an object: must be a list of objects"),
        (b'{"inputs":[' + b"7," * 10_000 + b"7]}", "inputs has 10001 objects: must be at most 10000"),
        (b'{"inputs":[7]}', "inputs[0] is 7: must be an object with a name"),
        (b'{"inputs":[{"name":""}]}', "inputs[0] has the name '': must be a string that is not empty"),
        (IN_JSON + b'"id":42}', "id is 42: must be a string, or left out"),
        (IN_JSON + b'"parameters":[]}', "parameters of the request is a list: must be an object, or left out"),
        (
            IN_JSON + b'"parameters":{"a":{}}}',
            "parameter 'a' of the request is an object: must be a string, a number, true or false",
        ),
        (
            IN_JSON + b'"parameters":{"binary_data_output":1}}',
            "parameter 'binary_data_output' of the request is 1: must be true or false",
        ),
        (
            IN_JSON + b'"outputs":[{"name":"a","parameters":{"classification":2}}]}',
            "output 'a': classification is not supported; take the best of the scores yourself",
        ),
        (IN_JSON + b'"outputs":[{"name":"a"},{"name":"a"}]}', "outputs[1] has the name 'a' again; name each once"),
    ],
)
def test_a_wrong_body_is_refused(body: bytes, message: str) -> None:
    assert refusal(body) == message


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"data": [7, 9.5]}, f"value 1 (from 0) is 9.5: {INT64_RULE}"),
        ({"data": [7, 9.0]}, f"value 1 (from 0) is 9.0: {INT64_RULE}"),
        ({"data": [True, 9]}, f"value 0 (from 0) is true: {INT64_RULE}"),
        ({"data": ["7", 9]}, f"value 0 (from 0) is '7': {INT64_RULE}"),
        ({"data": [7, [9]]}, f"value 1 (from 0) is a list: {INT64_RULE}"),
        ({"data": [[7], [9]]}, f"value 0 (from 0) is a list: {INT64_RULE}"),
        ({"data": [7, 2**63]}, f"value 1 (from 0) is 9223372036854775808: {INT64_RULE}"),
        ({"data": [None, 2**63]}, f"value 1 (from 0) is 9223372036854775808: {INT64_RULE}"),
        (
            {"datatype": "UINT8", "data": [255, -1]},
            "value 1 (from 0) is -1: UINT8 takes whole numbers without a point, from 0 to 255",
        ),
        (
            {"datatype": "FP16", "data": [65504, 65520]},
            "value 1 (from 0) is 65520: FP16 takes numbers from -65504 to 65504",
        ),
        (
            {"datatype": "FP32", "data": [1, 1e39]},
            "value 1 (from 0) is 1e+39: FP32 takes numbers from -3.40282e+38 to 3.40282e+38",
        ),
        ({"datatype": "BYTES", "data": ["a", 9]}, "value 1 (from 0) is 9: BYTES takes strings"),
        ({"datatype": "BOOL", "data": [True, 1]}, "value 1 (from 0) is 1: BOOL takes true or false, a byte 1 or 0"),
        ({"datatype": "BF16", "data": [1, 2]}, "value 0 (from 0) is 1: BF16 takes bytes only; write FP32 in JSON"),
        ({"data": None}, "data is null: must be a list of 2 values"),
        ({"data": "79"}, "data is '79': must be a list of 2 values"),
        ({"data": [7]}, "data has 1 values, but shape [2] makes 2"),
        ({"data": [[7], [9], [1]]}, "data has 3 rows, but shape [2] says 2"),
        (
            {"shape": [2, 2], "data": [[1, 2], [3]]},
            "data has 1 in dimension 1 where shape [2, 2] says 2; nest lists of 2, or send one flat list",
        ),
        (
            {"shape": [2, 2], "data": [[1, 2], None]},
            "data has null in dimension 1 where shape [2, 2] says 2; nest lists of 2, or send one flat list",
        ),
        ({"shape": [-1]}, "shape holds -1: must be whole numbers, 0 or more"),
        ({"shape": [2.0]}, "shape holds 2.0: must be whole numbers, 0 or more"),
        ({"shape": [True]}, "shape holds true: must be whole numbers, 0 or more"),
        (
            {"shape": [10**18, 0], "data": []},
            "shape holds 1000000000000000000: must be at most the body's number of bytes, 89",
        ),
        ({"shape": 2}, "shape is 2: must be a list of 1 to 8 numbers, rows first"),
        ({"shape": []}, "shape is a list of 0: must be a list of 1 to 8 numbers, rows first"),
        ({"shape": [1] * 9}, "shape is a list of 9: must be a list of 1 to 8 numbers, rows first"),
        (
            {"datatype": "INT128"},
            "datatype is 'INT128': must be one of BOOL, INT8, INT16, INT32, INT64, UINT8, UINT16, UINT32, UINT64, "
            "FP16, FP32, FP64, BF16, BYTES",
        ),
        (
            {"parameters": {"binary_data_size": 16}},
            "needs either data or the parameter binary_data_size; it has both or neither",
        ),
    ],
)
def test_a_wrong_input_is_refused_by_name(fields: dict[str, Any], message: str) -> None:
    one = {"name": "ages", "shape": [2], "datatype": "INT64", "data": [7, 9]} | fields
    assert refusal(orjson.dumps({"inputs": [one]})) == f"input 'ages': {message}"


def test_shared_memory_is_refused() -> None:
    one = {"name": "ages", "shape": [2], "datatype": "INT64", "parameters": {"shared_memory_region": "a"}}
    assert refusal(orjson.dumps({"inputs": [one]})) == (
        "parameter 'shared_memory_region' of input 'ages': shared memory is not supported; send the values"
    )


def test_an_input_that_comes_twice_is_refused() -> None:
    one = {"name": "ages", "shape": [2], "datatype": "INT64", "data": [7, 9]}
    assert refusal(orjson.dumps({"inputs": [one, one]})) == "inputs[1] has the name 'ages' again; name each once"


def binary_input(size: Any, datatype: str = "INT64") -> bytes:
    one = {"name": "ages", "shape": [2], "datatype": datatype, "parameters": {"binary_data_size": size}}
    return orjson.dumps({"inputs": [one]})


@pytest.mark.parametrize(
    ("text", "raw", "message"),
    [
        (
            binary_input(16),
            IDS[:-1],
            "input 'ages': binary_data_size is 16, but 15 bytes are left behind the JSON; "
            "the header Inference-Header-Content-Length must say how many bytes the JSON has",
        ),
        (binary_input(16), IDS + b"\0", "1 bytes behind the JSON belong to no input; say whose with binary_data_size"),
        (binary_input(15), IDS[:-1], "input 'ages': binary_data_size is 15, but INT64 of shape [2] takes 16"),
        (binary_input(-1), IDS, "input 'ages': binary_data_size is -1: must be a number of bytes"),
        (binary_input(True), IDS, "input 'ages': binary_data_size is true: must be a number of bytes"),
        (binary_input("16"), IDS, "input 'ages': binary_data_size is '16': must be a number of bytes"),
        (
            binary_input(2, "BOOL"),
            b"\1\2",
            "input 'ages': value 1 (from 0) is 2: BOOL takes true or false, a byte 1 or 0",
        ),
        (
            binary_input(9, "BYTES"),
            b"\1\0\0\0a\0\0\0\1",
            "input 'ages': element 1 (from 0) does not end with the input's 9 bytes; "
            "write each as its length in 4 bytes, little-endian, and then its bytes",
        ),
        (
            binary_input(2, "BYTES"),
            b"\0\0",
            "input 'ages': element 0 (from 0) does not end with the input's 2 bytes; "
            "write each as its length in 4 bytes, little-endian, and then its bytes",
        ),
        (
            binary_input(5, "BYTES"),
            b"\1\0\0\0a",
            "input 'ages': its bytes are 1 elements, but shape [2] makes 2",
        ),
    ],
)
def test_wrong_bytes_are_refused_by_name(text: bytes, raw: bytes, message: str) -> None:
    assert refusal(text + raw, len(text)) == message


def test_bytes_without_the_header_are_refused() -> None:
    assert refusal(binary_input(16)) == (
        "input 'ages': binary_data_size is 16, but 0 bytes are left behind the JSON; "
        "the header Inference-Header-Content-Length must say how many bytes the JSON has"
    )


@pytest.mark.parametrize("json_length", [0, -1, 77])
def test_a_length_that_the_body_does_not_have_is_refused(json_length: int) -> None:
    assert refusal(IN_JSON[:-1] + b"}", json_length) == (
        f"header Inference-Header-Content-Length is {json_length}, but the body has 75 bytes; "
        "the body must begin with that many bytes of JSON, at least 1"
    )


def test_the_header_is_a_number() -> None:
    assert [read_json_length(header) for header in (None, "0", "17")] == [None, 0, 17]
    for header in ("", "-1", "1.0", "0x1", "²", "9" * 5000):
        with pytest.raises(RequestError, match=r"^header Inference-Header-Content-Length is '.{0,41}': must be "):
            read_json_length(header)


# -- answers ---------------------------------------------------------------------------------------------------------

CLICK = OutputTensor(name="click", values=np.array([0.5, 0.1], np.float32))
RATING = OutputTensor(name="rating", values=np.array([[1, 2, 3], [4, 5, 6]], np.float32))
RESPONSE = InferResponse(model_name="m", model_version="4", id="42", outputs=(CLICK, RATING))
CLICK_BYTES = b"\0\0\0\x3f\xcd\xcc\xcc\x3d"


def request(*outputs: WantedOutput, is_binary: bool = False) -> InferRequest:
    return InferRequest(inputs={}, outputs=outputs, is_binary=is_binary)


def test_an_answer_in_json_holds_all_outputs_flat() -> None:
    assert encode(request(), RESPONSE) == (
        b'{"model_name":"m","model_version":"4","id":"42","parameters":{},"outputs":['
        b'{"name":"click","shape":[2],"datatype":"FP32","data":[0.5,0.1]},'
        b'{"name":"rating","shape":[2,3],"datatype":"FP32","data":[1.0,2.0,3.0,4.0,5.0,6.0]}]}',
        {"Content-Type": "application/json"},
    )


def test_an_answer_in_binary_has_the_values_behind_the_json() -> None:
    text = (
        b'{"model_name":"m","model_version":"4","id":"42","parameters":{},"outputs":['
        b'{"name":"click","shape":[2],"datatype":"FP32","parameters":{"binary_data_size":8}},'
        b'{"name":"rating","shape":[2,3],"datatype":"FP32","parameters":{"binary_data_size":24}}]}'
    )
    body, headers = encode(request(is_binary=True), RESPONSE)
    assert body == text + CLICK_BYTES + np.arange(1, 7, dtype="<f4").tobytes()
    assert headers == {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(text))}


def test_an_answer_holds_what_is_wanted_in_that_order() -> None:
    wanted = request(WantedOutput(name="rating", is_binary=False), WantedOutput(name="click", is_binary=True))
    body, headers = encode(wanted, RESPONSE)
    length = int(headers["Inference-Header-Content-Length"])
    assert [output["name"] for output in orjson.loads(body[:length])["outputs"]] == ["rating", "click"]
    assert body[length:] == CLICK_BYTES


def test_an_unnamed_request_has_an_id_that_is_a_string() -> None:
    body, _ = encode(request(), InferResponse(model_name="m", model_version="4", outputs=(CLICK,)))
    assert orjson.loads(body)["id"] == ""


def test_an_answer_without_rows_is_an_answer() -> None:
    empty = OutputTensor(name="click", values=np.empty(0, np.float32))
    body, _ = encode(request(), InferResponse(model_name="m", model_version="4", outputs=(empty,)))
    assert orjson.loads(body)["outputs"] == [{"name": "click", "shape": [0], "datatype": "FP32", "data": []}]


def test_an_unknown_output_is_refused_by_name() -> None:
    wanted = request(WantedOutput(name="clicks" * 100, is_binary=True))
    message = f"output '{('clicks' * 100)[:40]}…' is unknown; the model has click, rating"
    for refuse in (lambda: encode(wanted, RESPONSE), lambda: check_outputs(wanted, ["click", "rating"])):
        with pytest.raises(RequestError) as refused:
            refuse()
        assert str(refused.value) == message


@pytest.mark.parametrize("is_binary", [False, True])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_json_cannot_hold_is_no_answer(value: float, is_binary: bool) -> None:
    broken = OutputTensor(name="click", values=np.array([0.5, value], np.float32))
    with pytest.raises(RequestError) as refused:
        encode(request(is_binary=is_binary), InferResponse(model_name="m", model_version="4", outputs=(broken,)))
    assert str(refused.value) == (
        "output 'click' of row 1 (from 0) is not a finite number; "
        "look in this row's inputs for one near the end of its range, and send a smaller one"
    )


def test_the_servers_metadata_names_its_extensions() -> None:
    assert server_metadata("1.2.3") == {
        "name": "peprank",
        "version": "1.2.3",
        "extensions": ["binary_tensor_data", "model_repository", "statistics", "model_configuration"],
    }

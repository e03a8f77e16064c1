import orjson
import pyarrow as pa
import pytest

from peprank.errors import RequestError
from peprank.serve.wire import decode

BODY = b"""{"id": "42", "parameters": {}, "inputs": [
  {"name": "user_id", "shape": [2], "datatype": "INT64", "parameters": {}, "data": [7, 9]},
  {"name": "tags", "shape": [2, 2], "datatype": "BYTES", "data": [["a", "b"], ["", "\xc3\xbc"]]},
  {"name": "age", "shape": [2, 1], "datatype": "FP32", "data": [1, null]}],
 "outputs": [{"name": "click", "parameters": {}}]}"""


def test_a_request_in_json_is_read() -> None:
    request = decode(BODY, None)
    assert request.id == "42"
    assert [output.name for output in request.outputs] == ["click"]
    assert {name: (tensor.shape, tensor.datatype) for name, tensor in request.inputs.items()} == {
        "user_id": ((2,), "INT64"),
        "tags": ((2, 2), "BYTES"),
        "age": ((2, 1), "FP32"),
    }
    assert request.inputs["user_id"].values.equals(pa.array([7, 9]))
    assert request.inputs["tags"].values.equals(pa.array([b"a", b"b", b"", "ü".encode()]))
    assert request.inputs["age"].values.equals(pa.array([1, None], pa.float32()))


def test_a_wrong_value_is_refused_by_place() -> None:
    tensor = {"name": "user_id", "shape": [2], "datatype": "INT64", "data": [7, 9.5]}
    with pytest.raises(RequestError) as refused:
        decode(orjson.dumps({"inputs": [tensor]}), None)
    assert str(refused.value) == (
        "input 'user_id': value 1 (from 0) is 9.5: INT64 takes whole numbers without a point, "
        "from -9223372036854775808 to 9223372036854775807"
    )

"""The bodies of an inference request and its answer, in JSON with or without binary tensors behind it.

Source: the Open Inference Protocol, "Inference", and its binary tensor data extension.
A cell that is null in `data` is missing, as in a file; this is ours, the protocol knows none.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import orjson

from peprank.errors import RequestError
from peprank.serve.request import InferRequest, InferResponse, InputTensor, OutputTensor, Parameters, WantedOutput
from peprank.serve.shown import shown
from peprank.serve.tensors import DATATYPES, TensorHead, from_bytes, from_json

LENGTH_HEADER = "Inference-Header-Content-Length"  # how many of a body's bytes are JSON, where it has tensors behind
_MOST_BYTES = 2**31 - 1  # offsets into a body are int32
_MOST_DIMS = 8
_MEANT_FOR_MEMORY = "shared_memory_"
_EXAMPLE = '{"inputs": [{"name": "user_id", "shape": [1], "datatype": "INT64", "data": [7]}]}'


def decode(body: bytes, json_length: int | None) -> InferRequest:
    """Read a request.

    Args:
        json_length: the header `Inference-Header-Content-Length`; None: the whole body is JSON.

    Raises:
        RequestError: the request is not as the protocol has it; names the input and the remedy.
    """
    tail = _Tail(body, json_length)
    document = _document(memoryview(body)[: tail.start])
    parameters = _parameters(document, "the request")
    is_binary = _flag(parameters, "binary_data_output", "the request", default=False)
    inputs = _inputs(document, tail)
    tail.refuse_rest()
    return InferRequest(
        id=_id(document),
        inputs=inputs,
        outputs=_outputs(document, is_binary),
        is_binary=is_binary,
        parameters=parameters,
    )


def encode(request: InferRequest, response: InferResponse) -> tuple[bytes, dict[str, str]]:
    """Write an answer: its body, and the headers that say how to read it.

    Raises:
        RequestError: the request wants an output that is not there, or a value is not finite.
    """
    outputs = {output.name: output for output in response.outputs}
    check_outputs(request, outputs)
    wanted = request.outputs or [WantedOutput(name=name, is_binary=request.is_binary) for name in outputs]
    tensors, blobs = [], []
    for want in wanted:
        values = _finite(outputs[want.name])
        tensor: dict[str, Any] = {"name": want.name, "shape": values.shape, "datatype": "FP32"}
        if want.is_binary:
            blobs.append(values.astype("<f4").tobytes())
            tensor["parameters"] = {"binary_data_size": len(blobs[-1])}
        else:
            tensor["data"] = values.ravel()
        tensors.append(tensor)
    return _body(response, tensors, blobs)


def check_outputs(request: InferRequest, names: Iterable[str]) -> None:
    """Refuse a request for outputs that are not among `names`, before work is done for it."""
    names = list(names)
    for want in request.outputs:
        if want.name not in names:
            raise RequestError(f"output {shown(want.name)} is unknown; the model has {', '.join(names)}")


def read_json_length(header: str | None) -> int | None:
    """Read the header `Inference-Header-Content-Length`."""
    if header is None:
        return None
    if not (header.isascii() and header.isdigit() and len(header) < 20):
        raise RequestError(f"header {LENGTH_HEADER} is {shown(header)}: must be the number of bytes of JSON")
    return int(header)


def server_metadata(version: str) -> dict[str, Any]:
    """The answer to GET /v2."""
    extensions = ["binary_tensor_data", "model_repository", "statistics", "model_configuration"]
    return {"name": "peprank", "version": version, "extensions": extensions}


class _Tail:
    """The tensors behind the JSON, given out from front to back."""

    def __init__(self, body: bytes, json_length: int | None) -> None:
        if len(body) > _MOST_BYTES:
            raise RequestError(f"the body has {len(body)} bytes; send at most {_MOST_BYTES}", status=413)
        if json_length == 0:
            raise RequestError(
                f"header {LENGTH_HEADER} is 0: a body without JSON is not supported; describe its inputs"
            )
        if json_length is not None and not 0 < json_length <= len(body):
            raise RequestError(
                f"header {LENGTH_HEADER} is {json_length}, but the body has {len(body)} bytes; "
                "it must be the number of bytes of JSON at the body's beginning"
            )
        self._has_header = json_length is not None
        self.start = len(body) if json_length is None else json_length
        self._rest = memoryview(body)[self.start :]
        self.num_body_bytes = len(body)

    def take(self, head: TensorHead, num_bytes: int) -> memoryview:
        """The next bytes, which are those of this input."""
        if not self._has_header:
            raise head.error(f"binary_data_size without the header {LENGTH_HEADER}; send it, or `data` in JSON")
        if num_bytes > len(self._rest):
            raise head.error(f"binary_data_size is {num_bytes}, but only {len(self._rest)} bytes are left in the body")
        taken, self._rest = self._rest[:num_bytes], self._rest[num_bytes:]
        return taken

    def refuse_rest(self) -> None:
        """All bytes must belong to an input."""
        if self._rest:
            raise RequestError(
                f"{len(self._rest)} bytes behind the JSON belong to no input; say whose with binary_data_size"
            )


def _document(text: memoryview) -> dict[str, Any]:
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise RequestError(f"the body is not JSON: {error}; send for example {_EXAMPLE}") from None
    if type(document) is not dict:
        raise RequestError(f"the body is {shown(document)}: must be an object such as {_EXAMPLE}")
    return document


def _id(document: dict[str, Any]) -> str:
    value = document.get("id")
    if value is not None and type(value) is not str:
        raise RequestError(f"id is {shown(value)}: must be a string, or left out")
    return value or ""


def _parameters(owner: dict[str, Any], place: str) -> Parameters:
    parameters = owner.get("parameters")
    if parameters is None:
        return {}
    if type(parameters) is not dict:
        raise RequestError(f"parameters of {place} is {shown(parameters)}: must be an object, or left out")
    for name, value in parameters.items():
        if type(value) not in (str, int, float, bool):
            raise RequestError(
                f"parameter {shown(name)} of {place} is {shown(value)}: must be a string, a number, true or false"
            )
        if name.startswith(_MEANT_FOR_MEMORY):
            raise RequestError(f"parameter {shown(name)} of {place}: shared memory is not supported; send the values")
    return parameters


def _flag(parameters: Parameters, name: str, place: str, *, default: bool) -> bool:
    value = parameters.get(name, default)
    if type(value) is not bool:
        raise RequestError(f"parameter '{name}' of {place} is {shown(value)}: must be true or false")
    return value


def _objects(document: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """Inputs or outputs, each with a name of its own."""
    found = document.get(key)
    if found is None:
        found = []
    if type(found) is not list:
        raise RequestError(f"{key} is {shown(found)}: must be a list of objects")
    seen = set()
    for place, one in enumerate(found):
        if type(one) is not dict:
            raise RequestError(f"{key}[{place}] is {shown(one)}: must be an object with a name")
        name = one.get("name")
        if type(name) is not str or not name:
            raise RequestError(f"{key}[{place}] has the name {shown(name)}: must be a string that is not empty")
        if name in seen:
            raise RequestError(f"{key}[{place}] has the name {shown(name)} again; name each once")
        seen.add(name)
    return found


def _inputs(document: dict[str, Any], tail: _Tail) -> dict[str, InputTensor]:
    found = _objects(document, "inputs")
    if not found:
        raise RequestError(f"inputs is missing or empty: send for example {_EXAMPLE}")
    return {one["name"]: _input(one, tail) for one in found}


def _input(one: dict[str, Any], tail: _Tail) -> InputTensor:
    place = f"input {shown(one['name'])}"
    head = TensorHead(one["name"], _datatype(one, place), _shape(one, place, most=tail.num_body_bytes))
    size = _parameters(one, place).get("binary_data_size")
    if ("data" in one) == (size is not None):
        raise head.error("needs either data or the parameter binary_data_size; it has both or neither")
    if size is None:
        values = from_json(head, one["data"])
    elif type(size) is int and size >= 0:
        values = from_bytes(head, tail.take(head, size))
    else:
        raise head.error(f"binary_data_size is {shown(size)}: must be a number of bytes")
    return InputTensor(name=head.name, datatype=head.datatype, shape=head.shape, values=values)


def _datatype(one: dict[str, Any], place: str) -> str:
    datatype = one.get("datatype")
    if type(datatype) is not str or datatype not in DATATYPES:
        raise RequestError(f"{place}: datatype is {shown(datatype)}: must be one of {', '.join(DATATYPES)}")
    return datatype


def _shape(one: dict[str, Any], place: str, *, most: int) -> tuple[int, ...]:
    """Dims of 0 to `most`: without an end, a few bytes [[], []] could claim any number of rows."""
    shape = one.get("shape")
    if type(shape) is not list or not 1 <= len(shape) <= _MOST_DIMS:
        found = f"a list of {len(shape)}" if type(shape) is list else shown(shape)
        raise RequestError(f"{place}: shape is {found}: must be a list of 1 to {_MOST_DIMS} numbers, rows first")
    for dim in shape:
        if type(dim) is not int or not 0 <= dim <= most:
            raise RequestError(
                f"{place}: shape holds {shown(dim)}: must be whole numbers from 0 to the body's number of bytes, {most}"
            )
    return tuple(shape)


def _outputs(document: dict[str, Any], is_binary: bool) -> tuple[WantedOutput, ...]:
    wanted = []
    for one in _objects(document, "outputs"):
        place = f"output {shown(one['name'])}"
        parameters = _parameters(one, place)
        if parameters.get("classification"):
            raise RequestError(f"{place}: classification is not supported; take the best of the scores yourself")
        flag = _flag(parameters, "binary_data", place, default=is_binary)
        wanted.append(WantedOutput(name=one["name"], is_binary=flag))
    return tuple(wanted)


def _finite(output: OutputTensor) -> np.ndarray[Any, np.dtype[np.float32]]:
    if not np.isfinite(output.values).all():
        row = np.argwhere(~np.isfinite(output.values))[0][0]
        raise RequestError(
            f"output '{output.name}' of row {row} (from 0) is not a finite number; "
            "look in this row for a number near the end of its range, and send a smaller one"
        )
    return np.ascontiguousarray(output.values, np.float32)


def _body(response: InferResponse, tensors: list[dict[str, Any]], blobs: list[bytes]) -> tuple[bytes, dict[str, str]]:
    document = {
        "model_name": response.model_name,
        "model_version": response.model_version,
        "id": response.id,
        "parameters": response.parameters,
        "outputs": tensors,
    }
    text = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    if not blobs:
        return text, {"Content-Type": "application/json"}
    headers = {"Content-Type": "application/octet-stream", LENGTH_HEADER: str(len(text))}
    return b"".join([text, *blobs]), headers

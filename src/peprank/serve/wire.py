"""The bodies of an inference request and its answer, in JSON with or without binary tensors behind it.

Source: the Open Inference Protocol, "Inference", and its binary tensor data extension.
A cell that is null in `data` is missing, as in a file; this is ours, the protocol knows none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from peprank.errors import RequestError
from peprank.serve.elements import read_elements
from peprank.serve.fields import (
    read_document,
    read_flag,
    read_head,
    read_id,
    read_inputs,
    read_objects,
    read_parameters,
    read_size,
)
from peprank.serve.request import InferRequest, InferResponse, InputTensor, OutputTensor, WantedOutput
from peprank.serve.shown import shown
from peprank.serve.tensors import TensorHead, from_bytes, from_json

LENGTH_HEADER = "Inference-Header-Content-Length"  # how many of a body's bytes are JSON, where tensors are behind it
_MOST_BYTES = 2**31 - 1  # offsets of Arrow's strings are int32


def decode(body: bytes, json_length: int | None) -> InferRequest:
    """Read a request.

    Args:
        json_length: the header `Inference-Header-Content-Length`; None: the whole body is JSON.

    Raises:
        RequestError: the request is not as the protocol has it; names the input and the remedy.
    """
    text, tail = _parts(body, json_length)
    document = read_document(text)
    parameters = read_parameters(document, "the request")
    is_binary = read_flag(parameters, "binary_data_output", "the request", default=False)
    return InferRequest(
        id=read_id(document),
        inputs=_inputs(document, tail, most_rows=len(body)),
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
    tensors: list[dict[str, Any]] = []
    blobs: list[bytes] = []
    for want in wanted:
        values = _finite(outputs[want.name])
        tensors.append({"name": want.name, "shape": values.shape, "datatype": "FP32"})
        if want.is_binary:
            blobs.append(values.astype("<f4").tobytes())
            tensors[-1]["parameters"] = {"binary_data_size": len(blobs[-1])}
        else:
            tensors[-1]["data"] = values.ravel()
    return _body(response, tensors, blobs)


def check_outputs(request: InferRequest, names: Iterable[str]) -> None:
    """Refuse a request for outputs that are not among `names`; better before they are computed."""
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


def _parts(body: bytes, json_length: int | None) -> tuple[memoryview, memoryview]:
    """The JSON, and the tensors behind it."""
    if len(body) > _MOST_BYTES:
        raise RequestError(f"the body has {len(body)} bytes; send at most {_MOST_BYTES}", status=413)
    if json_length is None:
        json_length = len(body)
    elif not 0 < json_length <= len(body):
        raise RequestError(
            f"header {LENGTH_HEADER} is {json_length}, but the body has {len(body)} bytes; "
            "the body must begin with that many bytes of JSON, at least 1"
        )
    return memoryview(body)[:json_length], memoryview(body)[json_length:]


def _inputs(document: dict[str, Any], tail: memoryview, *, most_rows: int) -> dict[str, InputTensor]:
    contents: list[tuple[TensorHead, Any]] = []  # what JSON has under data, or bytes
    for one in read_inputs(document):
        head = read_head(one, most_rows=most_rows)
        size = read_size(one, head)
        if size is None:
            contents.append((head, one["data"]))
        else:
            contents.append((head, _front(head, tail, size)))
            tail = tail[size:]
    if tail:
        raise RequestError(f"{len(tail)} bytes behind the JSON belong to no input; say whose with binary_data_size")
    elements = iter(read_elements([(head, raw) for head, raw in contents if _is_binary_text(head, raw)]))
    return {head.name: _tensor(head, content, elements) for head, content in contents}


def _front(head: TensorHead, tail: memoryview, size: int) -> memoryview:
    if size > len(tail):
        raise head.error(
            f"binary_data_size is {size}, but {len(tail)} bytes are left behind the JSON; "
            f"the header {LENGTH_HEADER} must say how many bytes the JSON has"
        )
    return tail[:size]


def _is_binary_text(head: TensorHead, content: object) -> bool:
    return head.datatype == "BYTES" and isinstance(content, memoryview)


def _tensor(head: TensorHead, content: Any, elements: Iterator[pa.Array]) -> InputTensor:
    if _is_binary_text(head, content):
        values = next(elements)
    else:
        values = from_bytes(head, content) if isinstance(content, memoryview) else from_json(head, content)
    return InputTensor(name=head.name, datatype=head.datatype, shape=head.shape, values=values)


def _outputs(document: dict[str, Any], is_binary: bool) -> tuple[WantedOutput, ...]:
    wanted = []
    for one in read_objects(document, "outputs"):
        place = f"output {shown(one['name'])}"
        parameters = read_parameters(one, place)
        if parameters.get("classification"):
            raise RequestError(f"{place}: classification is not supported; take the best of the scores yourself")
        flag = read_flag(parameters, "binary_data", place, default=is_binary)
        wanted.append(WantedOutput(name=one["name"], is_binary=flag))
    return tuple(wanted)


def _finite(output: OutputTensor) -> NDArray[np.float32]:
    if not np.isfinite(output.values).all():
        row = np.argwhere(~np.isfinite(output.values))[0][0]
        raise RequestError(
            f"output '{output.name}' of row {row} (from 0) is not a finite number; "
            "look in this row's inputs for one near the end of its range, and send a smaller one"
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

"""The fields of a request's JSON, each checked for its kind: anything can stand anywhere."""

from __future__ import annotations

from typing import Any

import orjson

from peprank.errors import RequestError
from peprank.serve.request import Parameters
from peprank.serve.shown import shown
from peprank.serve.tensors import DATATYPES, TensorHead

_MOST_DIMS = 8
_MOST_OBJECTS = 10_000  # inputs or outputs of a request; each costs some microseconds, however short
_EXAMPLE = '{"inputs": [{"name": "user_id", "shape": [1], "datatype": "INT64", "data": [7]}]}'


def read_document(text: memoryview) -> dict[str, Any]:
    """Parse the JSON of a request."""
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise RequestError(f"the body is not JSON: {error}; send for example {_EXAMPLE}") from None
    if type(document) is not dict:
        raise RequestError(f"the body is {shown(document)}: must be an object such as {_EXAMPLE}")
    return document


def read_id(document: dict[str, Any]) -> str:
    """The request's own name; empty if it has none."""
    value = document.get("id")
    if value is not None and type(value) is not str:
        raise RequestError(f"id is {shown(value)}: must be a string, or left out")
    return value or ""


def read_parameters(owner: dict[str, Any], place: str) -> Parameters:
    """Parameters of a request, an input or an output; those that we do not know change nothing."""
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
        if name.startswith("shared_memory_"):
            raise RequestError(f"parameter {shown(name)} of {place}: shared memory is not supported; send the values")
    return parameters


def read_flag(parameters: Parameters, name: str, place: str, *, default: bool) -> bool:
    """A parameter that is true or false."""
    value = parameters.get(name, default)
    if type(value) is not bool:
        raise RequestError(f"parameter '{name}' of {place} is {shown(value)}: must be true or false")
    return value


def read_objects(document: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """Inputs or outputs, each with a name of its own."""
    found = document.get(key)
    if found is None:
        return []
    if type(found) is not list:
        raise RequestError(f"{key} is {shown(found)}: must be a list of objects")
    if len(found) > _MOST_OBJECTS:
        raise RequestError(f"{key} has {len(found)} objects: must be at most {_MOST_OBJECTS}")
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


def read_inputs(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The inputs, one or more."""
    found = read_objects(document, "inputs")
    if not found:
        raise RequestError(f"inputs is missing or empty: send for example {_EXAMPLE}")
    return found


def read_head(one: dict[str, Any], *, most_rows: int) -> TensorHead:
    """What an input says of itself beside its values.

    Args:
        most_rows: of any dimension; without an end, the few bytes of shape [10^18, 0] would make that many rows.
    """
    place = f"input {shown(one['name'])}"
    datatype, shape = one.get("datatype"), one.get("shape")
    if type(datatype) is not str or datatype not in DATATYPES:
        raise RequestError(f"{place}: datatype is {shown(datatype)}: must be one of {', '.join(DATATYPES)}")
    if type(shape) is not list or not 1 <= len(shape) <= _MOST_DIMS:
        found = f"a list of {len(shape)}" if type(shape) is list else shown(shape)
        raise RequestError(f"{place}: shape is {found}: must be a list of 1 to {_MOST_DIMS} numbers, rows first")
    for dim in shape:
        if type(dim) is not int or dim < 0:
            raise RequestError(f"{place}: shape holds {shown(dim)}: must be whole numbers, 0 or more")
        if dim > most_rows:
            raise RequestError(f"{place}: shape holds {dim}: must be at most the body's number of bytes, {most_rows}")
    return TensorHead(one["name"], datatype, tuple(shape))


def read_size(one: dict[str, Any], head: TensorHead) -> int | None:
    """How many of the bytes behind the JSON are this input's values; None: they are its `data`."""
    size = read_parameters(one, f"input {shown(head.name)}").get("binary_data_size")
    if ("data" in one) == (size is not None):
        raise head.error("needs either data or the parameter binary_data_size; it has both or neither")
    if size is not None and (type(size) is not int or size < 0):
        raise head.error(f"binary_data_size is {shown(size)}: must be a number of bytes")
    return size

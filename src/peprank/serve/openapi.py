"""The description of every address that a client may call, as OpenAPI 3.1 has it."""

from __future__ import annotations

from typing import Any, Final

from peprank.serve.tensors import DATATYPES

_Json = dict[str, Any]

_ERRORS: Final = {
    400: "The request is wrong; the error says where.",
    403: "Not at this port.",
    404: "No such model or version.",
    405: "The address is not asked in this way.",
    408: "The body took too long to arrive.",
    413: "The body or its rows are over the limit.",
    415: "The body is of a kind that is not read here.",
    429: "Too many requests wait; try again.",
    500: "Something nobody foresaw; the error names the entry of the log.",
    503: "Not ready, or too busy; try again.",
    504: "The deadline passed before the model had its turn.",
}


def document(version: str) -> _Json:
    """The whole description.

    Args:
        version: of this package.
    """
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "peprank",
            "version": version,
            "summary": "Scores of personalised rankers, by the Open Inference Protocol.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {**_server_paths(), **_model_paths("/v2/models/{name}"), **_model_paths(_WITH_VERSION)},
        "components": {"schemas": _schemas(), "responses": {"Error": _error("An error.")}},
    }


_ASKING: Final = (400, 408, 413, 415, 429, 503, 504)
_WITH_VERSION: Final = "/v2/models/{name}/versions/{version}"


def _server_paths() -> _Json:
    return {
        "/": {"get": _answer("A page for people.", "text/html", _STRING)},
        "/v2": {"get": _call("What this server is.", _ref("Server"))},
        "/v2/health/live": {"get": _call("Whether the server runs.", _flags("live"))},
        "/v2/health/ready": {"get": _call("Whether all models can be asked.", _flags("ready"), 503)},
        "/v2/models": {"get": _call("Names of the models.", _object(models=_list(_STRING)))},
        "/v2/models/stats": {"get": _call("What was counted of all models.", {"type": "object"})},
        "/v2/repository/index": {"post": _call("Versions and their states.", _list({"type": "object"}))},
        "/v2/repository/models/{name}/load": {"post": _named("Load a model anew.", {"type": "object"}, 400, 403, 503)},
        "/v2/repository/models/{name}/unload": {"post": _named("Unload a model.", {"type": "object"}, 400, 403)},
        "/metrics": {"get": _answer("What was counted, for Prometheus.", "text/plain", _STRING)},
        "/openapi.json": {"get": _call("This description.", {"type": "object"})},
    }


def _model_paths(place: str) -> _Json:
    paths = {
        place: {"get": _named("Inputs and outputs.", _ref("Model"), 503)},
        f"{place}/ready": {"get": _named("Whether the model can be asked.", _flags("ready"), 503)},
        f"{place}/config": {"get": _named("Triton's configuration.", {"type": "object"}, 503)},
        f"{place}/stats": {"get": _named("What was counted.", {"type": "object"}, 503)},
        f"{place}/infer": {"post": _infer()},
        f"{place}/form": {"get": _named("Inputs by side, and golden rows.", {"type": "object"}, 503)},
        f"{place}/explain": {"post": _rows_in(_named("What the gates do to rows.", _ref("Explanation"), *_ASKING))},
    }
    if place == _WITH_VERSION:
        for path in paths.values():
            for call in path.values():
                call["parameters"].append(_in_path("version"))
    return paths


def _infer() -> _Json:
    call = _rows_in(_named("Score rows.", _ref("InferResponse"), *_ASKING))
    call["responses"]["200"]["content"]["application/octet-stream"] = {"schema": {}}
    return call


def _rows_in(call: _Json) -> _Json:
    """A call with rows in its body."""
    call["requestBody"] = {
        "required": True,
        "content": {
            "application/json": {"schema": _ref("InferRequest")},
            "application/octet-stream": {"schema": {"description": "JSON, then the tensors that it describes."}},
        },
    }
    call["parameters"].append(
        {
            "name": "Inference-Header-Content-Length",
            "in": "header",
            "description": "How many of the body's bytes are JSON, where tensors follow them.",
            "schema": {"type": "integer", "minimum": 1},
        }
    )
    return call


def _schemas() -> _Json:
    datatype = {"type": "string", "enum": sorted(DATATYPES)}
    described = _object(name=_STRING, datatype=datatype, shape=_list({"type": "integer", "minimum": -1}))
    parameters = {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}}
    tensor = _object(name=_STRING, datatype=datatype, shape=_list({"type": "integer", "minimum": 0}))
    tensor["properties"] |= {"data": {"type": "array"}, "parameters": parameters}
    wanted = _object(name=_STRING)
    wanted["properties"]["parameters"] = parameters
    number, of_rows = {"type": "number"}, _list({"type": ["number", "null"]})
    cell = _object(part={"type": ["string", "null"]}, mean=of_rows, moved=of_rows)
    gate = _object(name=_STRING, layer=_STRING, neutral=number, units={"type": "integer"}, cells=_list(cell))
    gate["properties"] |= {"task": {"type": ["string", "null"]}, "gamma": {"type": ["number", "null"]}}
    request = _object(inputs={**_list(_ref("Tensor")), "minItems": 1})
    request["properties"] |= {"id": _STRING, "parameters": parameters, "outputs": _list(wanted)}
    return {
        "Error": _object(error=_STRING),
        "Server": _object(name=_STRING, version=_STRING, extensions=_list(_STRING)),
        "Model": _object(
            name=_STRING, versions=_list(_STRING), platform=_STRING, inputs=_list(described), outputs=_list(described)
        ),
        "Tensor": tensor,
        "InferRequest": request,
        "Explanation": _object(model_name=_STRING, model_version=_STRING, id=_STRING, gates=_list(gate)),
        "InferResponse": _object(
            model_name=_STRING, model_version=_STRING, id=_STRING, parameters=parameters, outputs=_list(_ref("Tensor"))
        ),
    }


_STRING: Final = {"type": "string"}


def _named(what: str, schema: _Json, *errors: int) -> _Json:
    """A call about one model."""
    return _call(what, schema, 404, *errors) | {"parameters": [_in_path("name")]}


def _call(what: str, schema: _Json, *errors: int) -> _Json:
    return _answer(what, "application/json", schema, *errors)


def _answer(what: str, content_type: str, schema: _Json, *errors: int) -> _Json:
    done = {"description": what, "content": {content_type: {"schema": schema}}}
    refused = {str(status): _error(_ERRORS[status]) for status in (*errors, 500)}
    return {"summary": what, "responses": {"200": done, **refused}}


def _error(what: str) -> _Json:
    return {"description": what, "content": {"application/json": {"schema": _ref("Error")}}}


def _in_path(name: str) -> _Json:
    return {"name": name, "in": "path", "required": True, "schema": _STRING}


def _flags(name: str) -> _Json:
    return _object(**{name: {"type": "boolean"}})


def _object(**properties: _Json) -> _Json:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(items: _Json) -> _Json:
    return {"type": "array", "items": items}


def _ref(schema: str) -> _Json:
    return {"$ref": f"#/components/schemas/{schema}"}

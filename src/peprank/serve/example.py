"""Requests to show: raw rows as a client would send them."""

from __future__ import annotations

import shlex
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from peprank.serve.inputs import LENGTHS
from peprank.serve.model import ServedModel


def example_request(model: ServedModel, rows: pa.RecordBatch | None = None) -> dict[str, Any]:
    """A request in JSON that asks for the scores of raw rows.

    Args:
        rows: raw; None: the first golden row. An input that they lack, such as the key of items, is sent as missing.
    """
    rows = model.golden_rows.slice(0, 1) if rows is None else rows
    inputs = []
    for info in model.rows.inputs():
        cells = rows.column(info.name) if info.name in rows.schema.names else pa.nulls(rows.num_rows)
        inputs += _tensors(info.name, info.datatype, cells)
    return {"inputs": inputs}


def example_curl(model: ServedModel, url: str) -> str:
    """The same as a command.

    Args:
        url: of the server.
    """
    request = orjson.dumps(example_request(model)).decode()
    return f"curl -s {url}/v2/models/{model.name}/infer -d {shlex.quote(request)}"


def _tensors(name: str, datatype: str, cells: pa.Array) -> list[dict[str, Any]]:
    """A column as one input, or as two where its rows have different numbers of values."""
    if not pa.types.is_list(cells.type):
        return [_tensor(name, datatype, [len(cells)], cells)]
    lengths = pc.fill_null(pc.list_value_length(cells), 0)
    if len(set(lengths.to_pylist())) == 1:
        return [_tensor(name, datatype, [len(cells), lengths[0].as_py()], cells.flatten())]
    counts = _tensor(name + LENGTHS, "INT64", [len(cells)], lengths)
    return [_tensor(name, datatype, [pc.sum(lengths).as_py()], cells.flatten()), counts]


def _tensor(name: str, datatype: str, shape: list[int], values: pa.Array) -> dict[str, Any]:
    if pa.types.is_floating(values.type):  # JSON has no NaN; a missing number is null
        values = pa.array(values.to_numpy(zero_copy_only=False).astype(np.float64), from_pandas=True)
    return {"name": name, "shape": shape, "datatype": datatype, "data": values.to_pylist()}

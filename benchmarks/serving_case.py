"""What is served: a bundle of a workload's plan, and requests for one user and many items."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from benchmarks import workload
from benchmarks.serving_load import Body
from benchmarks.workload import Workload
from peprank import bundle as bundles
from peprank.batch import Features
from peprank.bundle import ConfigSource
from peprank.data import columns_of, open_rows
from peprank.infer import Precision
from peprank.models import build
from peprank.serve import wire
from peprank.serve.example import example_request
from peprank.serve.items import item_columns
from peprank.serve.model import ServedModel, load
from peprank.serve.rows import RequestRows
from peprank.spec.pipeline import PipelineSpec

_POOL_ROWS = 4096  # raw rows that requests are drawn from
_RAW = {"INT64": np.int64, "FP32": np.float32, "FP64": np.float64}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A model to ask, and rows to ask about."""

    name: str
    bundle: Path
    model: ServedModel  # in float32, in this process
    pool: pa.RecordBatch  # raw

    @property
    def plan(self) -> PipelineSpec:
        """The model's plan."""
        return self.model.scorer.spec

    def requests(self, num_items: int, num: int) -> list[dict[str, Any]]:
        """Requests in JSON's terms that ask for the probabilities of one user and `num_items` items each."""
        draw = np.random.default_rng(num_items)
        return [self._request(int(draw.integers(self.pool.num_rows)), self._some(draw, num_items)) for _ in range(num)]

    def features(self, request: Mapping[str, Any]) -> Features:
        """The same, encoded."""
        return self.model.rows.features(wire.decode(orjson.dumps(request), None)).features

    def _some(self, draw: np.random.Generator, num: int) -> pa.RecordBatch:
        return self.pool.take(pa.array(draw.integers(self.pool.num_rows, size=num)))

    def _request(self, user: int, items: pa.RecordBatch) -> dict[str, Any]:
        """The user's and the context's inputs have one row, the items' have one for each."""
        of_items = item_columns(self.plan)
        once = example_request(self.model, self.pool.slice(user, 1))["inputs"]
        each = example_request(self.model, items)["inputs"]
        inputs = [tensor for tensor in once if _column(tensor) not in of_items]
        inputs += [tensor for tensor in each if _column(tensor) in of_items]
        probs = [{"name": item.name} for item in self.model.outputs if item.name.startswith("probs_")]
        return {"inputs": inputs, "outputs": probs}


def _column(tensor: Mapping[str, Any]) -> str:
    name: str = tensor["name"]
    return name.removesuffix(".lengths")


def case(work: Workload) -> Case:
    """A bundle with weights at their first values, which take as long as trained ones; kept in `build/bench`."""
    plan, path = work.plan(), workload.CACHE / "serving" / work.config.stem / f"bundle-{work.train_rows}"
    if not bundles.is_bundle(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        inputs = (f'train_input_path="{work.train}"', f'eval_input_path="{work.eval}"')
        source = ConfigSource(text=work.config.read_text("utf-8"), overrides=(*inputs, *work.overrides), assets={})
        weights = build(plan.model, seed=1).weights()
        bundles.save(path, source, weights, bundles.draw_golden_rows(plan), step=0)
    model = load(path, "model", "1", _read_rows, precision=Precision.FLOAT32)
    return Case(name=work.name, bundle=path, model=model, pool=_pool(plan))


def _read_rows(spec: PipelineSpec, encoder: Any, schema: pa.Schema) -> RequestRows:
    return RequestRows(spec, encoder, schema=schema)


def _pool(plan: PipelineSpec) -> pa.RecordBatch:
    reader = open_rows(plan.eval_inputs, plan.data, columns_of(plan, with_targets=False), batch_rows=_POOL_ROWS)
    return next(iter(reader.batches()))


def in_json(request: Mapping[str, Any]) -> Body:
    """The request as JSON."""
    return Body(orjson.dumps(request))


def in_binary(request: Mapping[str, Any]) -> Body:
    """The request with binary tensors, answered in binary, as tritonclient sends it.

    An input of missing whole numbers or texts stays JSON: the binary form has no null.
    """
    parts: list[bytes] = []
    inputs = list(_split(request["inputs"], parts))
    head = orjson.dumps({**request, "inputs": inputs, "parameters": {"binary_data_output": True}})
    return Body(head + b"".join(parts), len(head))


def _split(tensors: Sequence[Mapping[str, Any]], parts: list[bytes]) -> Iterator[Mapping[str, Any]]:
    """The tensors without their values, which go to `parts`."""
    for tensor in tensors:
        raw = _raw(tensor["datatype"], tensor["data"])
        if raw is None:
            yield tensor
            continue
        parts.append(raw)
        rest = {name: value for name, value in tensor.items() if name != "data"}
        yield {**rest, "parameters": {"binary_data_size": len(raw)}}


def _raw(datatype: str, data: Sequence[Any]) -> bytes | None:
    if datatype == "BYTES":
        texts = None if None in data else [text.encode() for text in data]
        return None if texts is None else b"".join(len(text).to_bytes(4, "little") + text for text in texts)
    if datatype == "INT64" and None in data:
        return None
    return np.array(data, _RAW[datatype]).tobytes()  # None is NaN, which means missing

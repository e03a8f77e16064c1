"""A plan with every kind of input on every side, and requests for it in any spelling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from peprank.serve.request import InferRequest, InputTensor
from peprank.spec.feature import FeatureSpec, Hashed, Identity, IdFeature, RawFeature, Side, Vocabulary, ZScore
from peprank.spec.model import DomainSpec
from peprank.spec.pipeline import PipelineSpec
from tests.encode.specs import pipeline

WORDS = Vocabulary(words=("", "<OOV>", "home", "search"), ids=(0, 1, 2, 3), rows=4, unknown=1)
USER, ITEM, CONTEXT = Side.USER, Side.ITEM, Side.CONTEXT
FEATURES: tuple[FeatureSpec, ...] = (
    IdFeature(name="user_hash", column="user", side=USER, rule=Hashed(rows=1000)),
    IdFeature(name="user_id", column="user", side=USER, rule=Identity(rows=5)),
    IdFeature(name="history", column="history", side=USER, rule=Identity(rows=5), default=("2",), max_values=2),
    RawFeature(name="age", column="age", side=USER, normalizer=ZScore(mean=1.0, standard_deviation=2.0)),
    IdFeature(name="tab", column="tab", side=CONTEXT, rule=WORDS),
    IdFeature(name="query", column="query", side=CONTEXT, rule=Hashed(rows=50), separator=";", weighted=True),
    IdFeature(name="item_id", column="item", side=ITEM, rule=Hashed(rows=1000)),
    IdFeature(name="tags", column="tags", side=ITEM, rule=WORDS, default=("home", "search")),
    IdFeature(name="shop", column="shop", side=ITEM, rule=Identity(rows=5, unknown=0), max_values=1),
    RawFeature(name="price", column="price", side=ITEM, boundaries=(0.0, 1.0)),
    RawFeature(name="age_of_item", column="price", side=ITEM, default=(3.0,)),
    RawFeature(name="pair", column="pair", side=ITEM, value_dim=2, default=(3.0, 4.0)),
)
ITEM_COLUMNS = frozenset({"item", "tags", "shop", "price", "pair"})
TYPES = {
    "user": pa.int64(),
    "history": pa.list_(pa.int64()),
    "age": pa.float64(),
    "tab": pa.string(),
    "query": pa.string(),
    "item": pa.string(),
    "tags": pa.list_(pa.string()),
    "shop": pa.int64(),
    "price": pa.float32(),
    "pair": pa.list_(pa.float32()),
}
ROW: Mapping[str, Any] = {
    "user": 3,
    "history": [1, 9],
    "age": 2.0,
    "tab": "home",
    "query": "a:2;b",
    "item": "i1",
    "tags": ["home", "?"],
    "shop": 2,
    "price": 0.5,
    "pair": [1.0, 2.0],
}


def plan(*, default: str | None = None, domain: str | None = "tab") -> PipelineSpec:
    rows = {feature.name: feature.rows for feature in FEATURES}
    spec = None if domain is None else DomainSpec(feature=domain, num_domains=rows[domain], default=default)
    return pipeline(*FEATURES, domain=spec)


def tensor(name: str, datatype: str, values: pa.Array | Sequence[Any], *shape: int) -> InputTensor:
    """An input of one dimension, if no shape is given."""
    array = values if isinstance(values, pa.Array) else pa.array(values, ARROW[datatype])
    return InputTensor(name=name, datatype=datatype, shape=shape or (len(array),), values=array)


def request(*tensors: InputTensor) -> InferRequest:
    return InferRequest(inputs={each.name: each for each in tensors})


ARROW = {
    "BOOL": pa.bool_(),
    **{f"INT{bits}": getattr(pa, f"int{bits}")() for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": getattr(pa, f"uint{bits}")() for bits in (8, 16, 32, 64)},
    "FP16": pa.float16(),
    "FP32": pa.float32(),
    "FP64": pa.float64(),
    "BYTES": pa.binary(),
}


def plain(columns: Mapping[str, Sequence[Any]], names: Sequence[str] | None = None) -> list[InputTensor]:
    """Inputs for columns of cells in the datatypes of `TYPES`, lists with their lengths beside them."""
    inputs = []
    for name in columns if names is None else names:
        leaf = TYPES[name].value_type if pa.types.is_list(TYPES[name]) else TYPES[name]
        datatype = {pa.int64(): "INT64", pa.float64(): "FP64", pa.float32(): "FP32", pa.string(): "BYTES"}[leaf]
        inputs += spelled(name, columns[name], datatype)
    return inputs


def spelled(name: str, cells: Sequence[Any], datatype: str) -> list[InputTensor]:
    """A column of cells as an input of `datatype`, and as a second input the lengths, if cells are lists."""
    if not pa.types.is_list(TYPES[name]):
        return [tensor(name, datatype, written(cells, datatype))]
    flat = [value for cell in cells for value in cell or ()]
    lengths = tensor(f"{name}.lengths", "INT32", [len(cell or ()) for cell in cells])
    return [tensor(name, datatype, written(flat, datatype)), lengths]


def written(values: Sequence[Any], datatype: str) -> pa.Array:
    """Values as a client would send them; None becomes null, as in JSON."""
    if datatype == "BYTES":
        texts = [value.encode() if isinstance(value, str) else value for value in map(_text, values)]
        return pa.array(texts, pa.binary())
    if datatype == "FP16":
        return pa.array([None if value is None else np.float16(value) for value in values], pa.float16())
    return pa.array(values, ARROW[datatype])


def _text(value: Any) -> Any:
    return value if value is None or isinstance(value, bytes) else str(value)

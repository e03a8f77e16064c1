"""Inputs of requests: what a plan asks for, and a tensor as the column that a training file would hold."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from peprank.errors import RequestError
from peprank.serve.request import InputTensor
from peprank.spec.feature import FeatureSpec, Identity, IdFeature, RawFeature
from peprank.spec.pipeline import PipelineSpec

LENGTHS = ".lengths"  # an input of this ending says how many values each row of the column before it has
_BARE, _LISTS = (-1,), (-1, -1)
_SHOWN_NAMES, _SHOWN_LETTERS = 12, 80  # of names in an error
_DATATYPES = {pa.int64(): "INT64", pa.float32(): "FP32", pa.float64(): "FP64", pa.string(): "BYTES"}


@dataclass(frozen=True, slots=True, kw_only=True)
class InputInfo:
    """One input that requests give."""

    name: str
    datatype: str  # the usual one; others that hold the same values will do
    shape: tuple[int, ...]  # (-1,), or (-1, -1) where a row may have several values


def input_info(name: str, spec: PipelineSpec, schema: pa.Schema | None) -> InputInfo:
    """What requests give for a column of the plan.

    Args:
        schema: types in rows that were scored before; where it lacks the column, the features that read it suggest one.
    """
    if schema is not None and name in schema.names:
        return info_of(name, schema.field(name).type)
    features = [feature for feature in spec.input_features if feature.column == name]
    is_list = any(_may_hold_several(feature) for feature in features)
    return InputInfo(name=name, datatype=_suggested(features), shape=_LISTS if is_list else _BARE)


def info_of(name: str, cells: pa.DataType) -> InputInfo:
    """What requests give for a column of this type, a canonical one."""
    is_list = pa.types.is_list(cells)
    return InputInfo(name=name, datatype=_DATATYPES[_leaf(cells)], shape=_LISTS if is_list else _BARE)


def _leaf(written: pa.DataType) -> pa.DataType:
    return _leaf(written.value_type) if pa.types.is_list(written) else written


def _may_hold_several(feature: FeatureSpec) -> bool:
    return (feature.max_values if isinstance(feature, IdFeature) else feature.value_dim) != 1


def _suggested(features: Sequence[FeatureSpec]) -> str:
    ids = [feature for feature in features if isinstance(feature, IdFeature)]
    if any(not isinstance(feature.rule, Identity) or feature.weighted for feature in ids):
        return "BYTES"
    is_number = all(isinstance(feature, RawFeature) and not feature.is_bucketized for feature in features)
    return "FP32" if is_number else "INT64"


def check_names(given: Iterable[str], wanted: Mapping[str, InputInfo], known: Collection[str]) -> None:
    """Refuse a request that lacks an input or has one too many, naming them all.

    Args:
        wanted: the inputs that it must give; each may have an input for its lengths beside it.
        known: all names that are no mistake.

    Raises:
        RequestError: there are such inputs.
    """
    given = set(given)
    missing = [f"{name!r} ({info.datatype})" for name, info in wanted.items() if name not in given]
    unknown = given.difference(known, (name + LENGTHS for name in wanted))
    problems = [f"inputs are missing: {_listed(missing)}"] if missing else []
    if unknown:
        problems.append(f"there is no input {_listed([_with_nearest(name, known) for name in sorted(unknown)])}")
    if problems:
        raise RequestError("; ".join(problems))


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
    return ", ".join(names[:_SHOWN_NAMES]) + more


def _with_nearest(name: str, known: Collection[str]) -> str:
    near = get_close_matches(name[:_SHOWN_LETTERS], known, n=1)
    return f"{name!r:.{_SHOWN_LETTERS}}" + (f" (did you mean {near[0]!r}?)" if near else "")


def column_of(tensor: InputTensor, lengths: InputTensor | None = None) -> pa.Array:
    """The cells of an input: one value per row, or a list of them.

    Text is taken as it is: bytes that are no UTF-8 are a value like any other, as in a Parquet file.

    Args:
        tensor: [N] or [N, 1]: one value per row; [N, L]: L values per row.
        lengths: [N], how many of the values each row has; `tensor` is flat then.

    Raises:
        RequestError: a shape or lengths that fit neither.
    """
    values = _text(tensor.values)
    if lengths is not None:
        return _lists(values, _offsets(tensor, counts_of(lengths, "its values cannot be told apart")))
    match tensor.shape:
        case (_,) | (_, 1):
            return values
        case (rows, length):
            return _lists(values, np.arange(rows + 1) * length)
        case _:
            raise RequestError(f"input {tensor.name!r} has shape {list(tensor.shape)}; give it [N], or [N, L]")


def counts_of(tensor: InputTensor, purpose: str) -> NDArray[np.int64]:
    """The counts that an input holds, [rows].

    Raises:
        RequestError: they are not whole numbers >= 0, one per row; `purpose` says what fails then.
    """
    values = tensor.values
    is_flat = tensor.shape == (len(values),) or tensor.shape == (len(values), 1)
    if not pa.types.is_integer(values.type) or not is_flat or values.null_count:
        raise RequestError(f"input {tensor.name!r} must be whole numbers of shape [N], none missing, or {purpose}")
    counts = values.to_numpy()
    if len(counts) and (counts.min() < 0 or counts.max() > np.iinfo(np.int32).max):
        bad = counts.min() if counts.min() < 0 else counts.max()
        raise RequestError(f"input {tensor.name!r} holds {bad}; counts lie in [0, 2^31)")
    return np.asarray(counts, np.int64)


def _offsets(tensor: InputTensor, counts: NDArray[np.int64]) -> NDArray[np.int64]:
    num_values, num_counted = len(tensor.values), int(counts.sum())
    if tensor.shape != (num_values,) and tensor.shape != (num_values, 1):
        found = f"has shape {list(tensor.shape)}, but {tensor.name + LENGTHS!r} asks for flat values"
        raise RequestError(f"input {tensor.name!r} {found}; give [{num_counted}]")
    if num_values != num_counted:
        found = f"has {num_values} values, but {tensor.name + LENGTHS!r} counts {num_counted}"
        raise RequestError(f"input {tensor.name!r} {found}; make the two agree")
    return np.concatenate(([0], np.cumsum(counts)))


def _text(values: pa.Array) -> pa.Array:
    if not pa.types.is_binary(values.type):
        return values
    return values.view(pa.string())  # unlike a cast it does not ask for UTF-8


def _lists(values: pa.Array, offsets: NDArray[np.int64]) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)

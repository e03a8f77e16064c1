"""Which columns a plan reads, and the one door that all rows pass: many Arrow types in, a handful out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from peprank.data.place import placed
from peprank.errors import DataError
from peprank.spec.feature import FeatureSpec, RawFeature
from peprank.spec.model import TaskSpec
from peprank.spec.pipeline import PipelineSpec

MAX_NAMES = 12  # columns that an error lists; of a wider file it names the nearest


class ColumnKind(Enum):
    """What a column is read for. When one column serves several ends, the later kind here is the stricter and wins."""

    ANY = "any"  # carried along as it is
    NUMBER = "number"  # ints, floats or numeric text, bare or in lists
    ID = "id"  # whole numbers or text, bare, in lists or in lists of lists
    WEIGHT = "weight"  # ints or floats >= 0, never missing
    LABEL = "label"  # ints, floats or bools, never missing


@dataclass(frozen=True, slots=True)
class Column:
    """One column that a plan reads."""

    name: str
    kind: ColumnKind
    num_class: int | None = None  # LABEL: values are 0, 1, ... num_class - 1; None: any finite number
    is_separated: bool = False  # NUMBER: a text cell may hold several numbers and a separator


def columns_of(spec: PipelineSpec, *, with_targets: bool, keep: Sequence[str] = ()) -> tuple[Column, ...]:
    """List each column that the plan reads once: features in file order, then labels and weights, then `keep`.

    Args:
        with_targets: also labels, sample weights, and the keys that losses and metrics group rows by. Without, only
            what the model itself sees, so rows to be scored need no more than that.
        keep: further columns to carry along unchanged.
    """
    features = spec.features if with_targets else spec.input_features
    targets = [column for task in spec.model.tasks for column in _target_columns(task)] if with_targets else []
    columns: dict[str, Column] = {}
    for column in (*map(_feature_column, features), *targets, *(Column(name, ColumnKind.ANY) for name in keep)):
        columns[column.name] = _stricter(columns.get(column.name, column), column)
    return tuple(columns.values())


def conform(rows: pa.RecordBatch, columns: Sequence[Column], where: str) -> pa.RecordBatch:
    """Return exactly `columns`, in this order, in canonical types; a column that has its type already is not copied.

    Ints and bools become int64, float16 float32, every kind of text string, and every kind of list a list of these.
    float32 and float64 stay, but ids among them (pandas makes floats of ints when one is missing) become int64, NaN
    null. A column of nulls only becomes int64 (ids) or float32. ANY columns stay as they are. NaN and infinity stay
    in numbers: `encode/` says what they mean.

    Args:
        where: the place that errors name, such as a file.

    Raises:
        DataError: a column is missing, of a type that does not fit its kind, or holds labels or weights out of bounds.
    """
    types = canonical_types(rows.schema, columns, where)
    return conform_to(rows, settled_schema(columns, types), columns, where)


def conform_table(table: pa.Table, columns: Sequence[Column], where: str) -> pa.RecordBatch:
    """`conform` for a table in memory; the chunks of each column that is read are joined."""
    schema = settled_schema(columns, canonical_types(table.schema, columns, where))
    arrays = [table.column(name).combine_chunks() for name in schema.names]
    return conform_to(pa.RecordBatch.from_arrays(arrays, names=schema.names), schema, columns, where)


def conform_array(array: pa.Array, column: Column, where: str) -> pa.Array:
    """`conform` for the values of one column, which is no target; fast, since requests have many short columns.

    Raises:
        DataError: they are of a type that does not fit the column's kind, or do not fit the type that it asks for.
    """
    wanted = _wanted(array.type, column.kind)
    if wanted is None:
        raise DataError(f"{where}: {_type_problem(array.type, column)}")
    return array if array.type == wanted else _cast(array, pa.field(column.name, wanted), where)


def canonical_types(schema: pa.Schema, columns: Sequence[Column], where: str) -> tuple[pa.DataType, ...]:
    """Return the type in which each of `columns` leaves `conform`; null where `schema` leaves it open.

    Raises:
        DataError: with one line for every column that is missing, doubled, or of a type that does not fit.
    """
    problems = [problem for column in columns if (problem := _schema_problem(schema, column))]
    if problems:
        raise DataError("\n".join(f"{where}: {problem}" for problem in problems))
    return tuple(_canonical(schema.field(column.name).type, column.kind) for column in columns)


def wider(one: pa.DataType, other: pa.DataType, kind: ColumnKind) -> pa.DataType | None:
    """Return the canonical type that holds values of both: `other` if `one` is null, float64 of two number types.

    None when there is none: ids must be of one type in all files, or one id would have two spellings.
    """
    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    if pa.types.is_list(one) and pa.types.is_list(other):
        values = wider(one.value_type, other.value_type, kind)
        return values and pa.list_(values)
    if kind in _NUMERIC and _is_number(one) and _is_number(other):
        return pa.float64()
    return None


def settled_schema(columns: Sequence[Column], types: Sequence[pa.DataType]) -> pa.Schema:
    """Return the schema of conformed rows; a type that is still open becomes its kind's."""
    fields = [(column.name, _settled(kind, column.kind)) for column, kind in zip(columns, types, strict=True)]
    return pa.schema(fields)


def conform_to(rows: pa.RecordBatch, schema: pa.Schema, columns: Sequence[Column], where: str) -> pa.RecordBatch:
    """Return `rows` in the types of `schema`, a `settled_schema` of `columns`; labels and weights are checked."""
    arrays = [_cast(rows.column(field.name), field, where) for field in schema]
    problems = [problem for pair in zip(columns, arrays, strict=True) if (problem := _target_problem(*pair))]
    if problems:
        raise DataError("\n".join(f"{where}: {problem}" for problem in problems))
    return placed(pa.RecordBatch.from_arrays(arrays, schema=schema), where)


# What a plan reads


def _feature_column(feature: FeatureSpec) -> Column:
    if isinstance(feature, RawFeature) and not feature.is_bucketized:
        return Column(feature.column, ColumnKind.NUMBER, is_separated=feature.value_dim != 1)
    return Column(feature.column, ColumnKind.ID)


def _target_columns(task: TaskSpec) -> Iterable[Column]:
    num_class = None if task.is_regression else max(task.num_class, 2)  # one logit still tells two classes apart
    yield Column(task.label, ColumnKind.LABEL, num_class=num_class)
    if task.space:
        yield Column(task.space.label, ColumnKind.LABEL)
    if task.sample_weight:
        yield Column(task.sample_weight, ColumnKind.WEIGHT)


def _stricter(one: Column, other: Column) -> Column:
    """Join the demands of two uses of one column."""
    kinds = list(ColumnKind)
    classes = [column.num_class for column in (one, other) if column.num_class]
    return Column(
        one.name,
        max(one.kind, other.kind, key=kinds.index),
        num_class=min(classes, default=None),
        is_separated=one.is_separated or other.is_separated,
    )


# Types


@dataclass(frozen=True, slots=True, kw_only=True)
class _TypeRule:
    """Types that a kind takes."""

    leaves: tuple[pa.DataType, ...]  # canonical types of the values
    depth: int  # lists within lists
    must_be: str
    cast_to: str


_NUMBERS = (pa.int64(), pa.float32(), pa.float64())
_NUMERIC = (ColumnKind.NUMBER, ColumnKind.WEIGHT, ColumnKind.LABEL)
_TYPE_RULES = {
    ColumnKind.NUMBER: _TypeRule(
        leaves=(*_NUMBERS, pa.string()),
        depth=1,
        must_be="ints, floats or numeric text, bare or in lists",
        cast_to="float32",
    ),
    ColumnKind.ID: _TypeRule(
        leaves=(pa.int64(), pa.string()),
        depth=2,
        must_be="whole numbers or strings, bare, in lists or in lists of lists",
        cast_to="int64 or string",
    ),
    ColumnKind.WEIGHT: _TypeRule(leaves=_NUMBERS, depth=0, must_be="ints or floats", cast_to="float32"),
    ColumnKind.LABEL: _TypeRule(leaves=_NUMBERS, depth=0, must_be="ints, floats or bools", cast_to="int64 or float32"),
}


def _schema_problem(schema: pa.Schema, column: Column) -> str | None:
    places = schema.get_all_field_indices(column.name)
    if not places:
        return f"column {column.name!r} is missing; found {_found(schema.names, column.name)}"
    if len(places) > 1:
        return f"column {column.name!r} stands {len(places)} times; keep one"
    return _type_problem(schema.field(places[0]).type, column)


def _type_problem(found: pa.DataType, column: Column) -> str | None:
    if _canonical(found, column.kind) is not None:
        return None
    rule = _TYPE_RULES[column.kind]
    # A bare `binary` may well hold text; whether it does, only its owner knows.
    remedy = "string" if _is_binary(_leaf(found)) and pa.string() in rule.leaves else rule.cast_to
    return f"column {column.name!r} is {found}; {column.kind.value}s must be {rule.must_be}: cast it to {remedy}"


@lru_cache(maxsize=256)
def _wanted(found: pa.DataType, kind: ColumnKind) -> pa.DataType | None:
    """Type in which values of this type leave `conform` if no others join them, None when the kind does not take it."""
    canonical = _canonical(found, kind)
    return None if canonical is None else _settled(canonical, kind)


def _found(names: Sequence[str], wanted: str) -> str:
    if len(names) <= MAX_NAMES:
        return str(list(names))
    near = get_close_matches(wanted, names, n=3)
    return f"{len(names)} others" + (f", such as {near}" if near else "")


def _canonical(found: pa.DataType, kind: ColumnKind) -> pa.DataType | None:
    """Return what a column of this type becomes, None when its kind does not take it."""
    if kind is ColumnKind.ANY:
        return found
    canonical, rule = _plain(found, kind), _TYPE_RULES[kind]
    if canonical is None or _depth(canonical) > rule.depth:
        return None
    return canonical if _leaf(canonical) in (*rule.leaves, pa.null()) else None


def _plain(found: pa.DataType, kind: ColumnKind) -> pa.DataType | None:
    """Return the canonical form of a type, None for one that holds neither numbers nor text."""
    types = pa.types
    if types.is_integer(found) or types.is_boolean(found):
        return pa.int64()
    if types.is_floating(found) and kind is ColumnKind.ID:
        return None if types.is_float16(found) else pa.int64()
    if types.is_floating(found):
        return pa.float32() if types.is_float16(found) else found
    if types.is_string(found) or types.is_large_string(found) or types.is_string_view(found):
        return pa.string()
    if types.is_dictionary(found):
        return _plain(found.value_type, kind)
    if _is_list(found):
        values = _plain(found.value_type, kind)
        return values and pa.list_(values)
    if isinstance(found, pa.BaseExtensionType):
        return _plain(found.storage_type, kind)
    return found if types.is_null(found) else None


def _settled(found: pa.DataType, kind: ColumnKind) -> pa.DataType:
    if pa.types.is_list(found) and kind is not ColumnKind.ANY:
        return pa.list_(_settled(found.value_type, kind))
    if pa.types.is_null(found) and kind is not ColumnKind.ANY:
        return pa.int64() if kind is ColumnKind.ID else pa.float32()
    return found


def _leaf(found: pa.DataType) -> pa.DataType:
    return _leaf(found.value_type) if _is_list(found) else found


def _depth(found: pa.DataType) -> int:
    return 1 + _depth(found.value_type) if _is_list(found) else 0


def _is_list(found: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_list(found) or types.is_large_list(found) or types.is_fixed_size_list(found))


def _is_number(found: pa.DataType) -> bool:
    return found in _NUMBERS


def _is_binary(found: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_binary(found) or types.is_large_binary(found) or types.is_binary_view(found))


# Values


def _cast(array: pa.Array, field: pa.Field, where: str) -> pa.Array:
    if array.type == field.type:
        return array
    if isinstance(array, pa.ExtensionArray):
        return _cast(array.storage, field, where)
    if isinstance(array, pa.DictionaryArray):
        return _cast(array.dictionary_decode(), field, where)
    try:
        if pa.types.is_floating(_leaf(array.type)) and _leaf(field.type) == pa.int64():
            array = _unrounded(array)
        # Between ints a value must fit; on the way to float64 an int above 2^53 may be rounded.
        return array.cast(field.type, safe=not pa.types.is_floating(field.type))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        reason = str(error).splitlines()[0]
        message = f"{where}: column {field.name!r} is {array.type} and does not fit {field.type}: {reason}"
        raise DataError(f"{message}; store it as strings, or as numbers that fit") from error


def _unrounded(ids: pa.Array) -> pa.Array:
    """Return float ids with null for NaN; past 2^53 (float32: 2^24) a float may be another whole number, rounded."""
    leaves = ids
    while _is_list(leaves.type):
        leaves = leaves.flatten()
    largest = pc.max(pc.abs(leaves)).as_py()
    limit = 2 ** (53 if pa.types.is_float64(leaves.type) else 24)
    if largest is not None and largest > limit:
        raise pa.ArrowInvalid(f"{largest:.0f} may be a rounded id, floats are exact up to {limit}")
    return ids if _is_list(ids.type) else pc.if_else(pc.is_nan(ids), None, ids)


def _target_problem(column: Column, array: pa.Array) -> str | None:
    if column.kind not in (ColumnKind.LABEL, ColumnKind.WEIGHT):
        return None
    subject = f"{column.kind.value} {column.name!r}"
    if array.null_count:
        return f"{subject} is missing in {array.null_count} of {len(array)} rows; fill it in or drop those rows"
    values = array.to_numpy(zero_copy_only=False)
    bad = _out_of_bounds(column, values)
    if not bad.any():
        return None
    rule = "at least 0 and finite" if column.kind is ColumnKind.WEIGHT else _label_rule(column.num_class)
    return f"{subject} is out of bounds in {bad.sum()} of {len(array)} rows, such as {values[bad][0]}; must be {rule}"


def _out_of_bounds(column: Column, values: npt.NDArray[np.int64 | np.float64]) -> npt.NDArray[np.bool_]:
    is_bad: npt.NDArray[np.bool_] = ~np.isfinite(values)
    if column.kind is ColumnKind.WEIGHT:
        is_bad |= values < 0
    elif column.num_class is not None:
        is_bad |= (values < 0) | (values >= column.num_class) | (values != np.floor(values))
    return is_bad


def _label_rule(num_class: int | None) -> str:
    if num_class is None:
        return "finite"
    return "0 or 1" if num_class == 2 else f"a class, 0 to {num_class - 1}"

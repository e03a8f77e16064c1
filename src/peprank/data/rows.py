"""The one door that all rows pass: many Arrow types in, a handful out, and no bad value that a plan refuses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from peprank.data.bad_values import mended, refuse_bad_cells
from peprank.data.column import Column, ColumnKind
from peprank.data.place import placed
from peprank.data.repairs import Tally
from peprank.errors import DataError

MAX_NAMES = 12  # columns that an error lists; of a wider file it names the nearest


def conform(rows: pa.RecordBatch, columns: Sequence[Column], where: str) -> pa.RecordBatch:
    """Return exactly `columns`, in this order, in canonical types; a column that has its type already is not copied.

    Ints and bools become int64, float16 float32, every kind of text string, and every kind of list a list of these.
    float32 and float64 stay, but ids among them (pandas makes floats of ints when one is missing) become int64, NaN
    null. A column of nulls only becomes int64 (ids) or float32. ANY columns stay as they are. NaN and infinity stay
    in numbers, unless the column has a policy: `encode/` says what they mean.

    Args:
        where: the place that errors name, such as a file.

    Raises:
        DataError: a column is missing, of a type that does not fit its kind, or holds bad values that are errors.
    """
    types = canonical_types(rows.schema, columns, where)
    return conform_to(rows, settled_schema(columns, types), columns, where)


def conform_table(table: pa.Table, columns: Sequence[Column], where: str, tally: Tally | None = None) -> pa.RecordBatch:
    """`conform` for a table in memory; the chunks of each column that is read are joined."""
    schema = settled_schema(columns, canonical_types(table.schema, columns, where))
    arrays = [table.column(name).combine_chunks() for name in schema.names]
    return conform_to(pa.RecordBatch.from_arrays(arrays, names=schema.names), schema, columns, where, tally)


def conform_array(array: pa.Array, column: Column, where: str) -> pa.Array:
    """`conform` for the values of one column, which is no target; fast, since requests have many short columns.

    Raises:
        DataError: they are of a type that does not fit the column's kind, do not fit the type that it asks for, or are
            bad values of a column whose policy is ERROR.
    """
    wanted = _wanted(array.type, column.kind)
    if wanted is None:
        raise DataError(f"{where}: {_type_problem(array.type, column)}")
    array = array if array.type == wanted else _cast(array, pa.field(column.name, wanted), where)
    refuse_bad_cells(array, column, where)
    return array


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


def conform_to(
    rows: pa.RecordBatch, schema: pa.Schema, columns: Sequence[Column], where: str, tally: Tally | None = None
) -> pa.RecordBatch:
    """Return `rows` in the types of `schema`, a `settled_schema` of `columns`, without bad values, see `mended`."""
    arrays = [_cast(rows.column(field.name), field, where) for field in schema]
    rows = pa.RecordBatch.from_arrays(arrays, schema=schema)
    return placed(mended(rows, columns, where, tally or Tally()), where)


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

"""Which columns a plan reads, and what the door for rows does to every type."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peprank.data.column import Column, ColumnKind, columns_of
from peprank.data.rows import conform, conform_table, wider
from peprank.errors import DataError
from tests.data.plan import BUY, CLICK, STARS, WATCH, plan

ID, NUMBER, LABEL, WEIGHT, ANY = (
    ColumnKind.ID,
    ColumnKind.NUMBER,
    ColumnKind.LABEL,
    ColumnKind.WEIGHT,
    ColumnKind.ANY,
)


def door(array: Any, kind: ColumnKind, num_class: int | None = None) -> Any:
    rows = pa.RecordBatch.from_arrays([array], names=["x"])
    conformed = conform(rows, [Column("x", kind, num_class)], "day1.parquet")
    conformed.validate(full=True)
    return conformed.column(0)


def refusal(array: Any, kind: ColumnKind, num_class: int | None = None) -> str:
    with pytest.raises(DataError) as caught:
        door(array, kind, num_class)
    return str(caught.value)


# Columns of a plan


def test_rows_to_train_on_have_features_in_file_order_then_targets_then_what_is_kept() -> None:
    columns = columns_of(plan(CLICK, BUY, STARS, WATCH), with_targets=True, keep=["request", "user"])
    assert columns == (
        Column("user", ID, separator="\x1d"),
        Column("item", ID, separator="\x1d"),
        Column("price", NUMBER),
        Column("scores", NUMBER, separator="\x1d"),
        Column("age", ID, num_ids=3, separator="\x1d"),
        Column("tab", ID, num_ids=3, separator="\x1d"),
        Column("click", LABEL, num_class=2),
        Column("buy", LABEL, num_class=2),
        Column("weight", WEIGHT),
        Column("stars", LABEL, num_class=5),
        Column("seconds", LABEL),
        Column("request", ANY),
    )


def test_rows_to_score_need_only_what_the_model_sees() -> None:
    columns = columns_of(plan(CLICK, BUY), with_targets=False)
    assert [column.name for column in columns] == ["item", "price", "scores", "age", "tab"]


# Types

INT, F, D, S = pa.int64(), pa.float32(), pa.float64(), pa.string()
RETYPED: list[tuple[ColumnKind, pa.DataType, Sequence[object], pa.DataType, Sequence[object]]] = [
    *((ID, width(), [1, None], INT, [1, None]) for width in (pa.int8, pa.int16, pa.int32, pa.int64)),
    *((ID, width(), [1, None], INT, [1, None]) for width in (pa.uint8, pa.uint16, pa.uint32, pa.uint64)),
    (ID, pa.bool_(), [True, None], INT, [1, None]),
    (ID, F, [3.0, None], INT, [3, None]),
    (ID, D, [3.0, float("nan")], INT, [3, None]),
    *((ID, text(), ["a", None, ""], S, ["a", None, ""]) for text in (pa.string, pa.large_string, pa.string_view)),
    (ID, pa.dictionary(pa.int8(), S), ["a", None], S, ["a", None]),
    (ID, pa.dictionary(pa.int32(), pa.large_string()), ["a", "b", "a"], S, ["a", "b", "a"]),
    (ID, pa.dictionary(pa.int8(), pa.int32()), [7, None, 7], INT, [7, None, 7]),
    (ID, pa.dictionary(pa.int8(), D), [7.0, None], INT, [7, None]),
    (ID, pa.null(), [None, None], INT, [None, None]),
    (ID, pa.list_(pa.int32()), [[1, None], None, []], pa.list_(INT), [[1, None], None, []]),
    (ID, pa.large_list(pa.uint16()), [[1], None], pa.list_(INT), [[1], None]),
    (ID, pa.list_(pa.int16(), 2), [[1, 2], None], pa.list_(INT), [[1, 2], None]),
    (ID, pa.list_(pa.field("element", INT, nullable=False)), [[1], []], pa.list_(INT), [[1], []]),
    (ID, pa.list_(pa.null()), [[None], None], pa.list_(INT), [[None], None]),
    (ID, pa.large_list(pa.large_string()), [["a", None], []], pa.list_(S), [["a", None], []]),
    (ID, pa.list_(pa.dictionary(pa.int8(), S)), [["a", "a"], None], pa.list_(S), [["a", "a"], None]),
    (ID, pa.list_(pa.list_(pa.int32())), [[[1], []], None], pa.list_(pa.list_(INT)), [[[1], []], None]),
    (ID, pa.large_list(pa.list_(S)), [[["a"], None]], pa.list_(pa.list_(S)), [[["a"], None]]),
    (NUMBER, pa.int8(), [1, None], INT, [1, None]),
    (NUMBER, pa.bool_(), [True, None], INT, [1, None]),
    (NUMBER, pa.float16(), [0.5, None], F, [0.5, None]),
    (NUMBER, F, [0.5, float("-inf")], F, [0.5, float("-inf")]),
    (NUMBER, D, [0.1, None], D, [0.1, None]),
    (NUMBER, S, ["1.5", None], S, ["1.5", None]),
    (NUMBER, pa.null(), [None], F, [None]),
    (NUMBER, pa.list_(pa.float16()), [[0.5], None], pa.list_(F), [[0.5], None]),
    (NUMBER, pa.list_(F, 2), [[1.0, 2.0], None], pa.list_(F), [[1.0, 2.0], None]),
    (NUMBER, pa.large_list(D), [[0.1]], pa.list_(D), [[0.1]]),
    (LABEL, pa.bool_(), [True, False], INT, [1, 0]),
    (LABEL, pa.uint8(), [1, 0], INT, [1, 0]),
    (LABEL, F, [1.0, 0.0], F, [1.0, 0.0]),
    (LABEL, D, [1.0, 0.0], D, [1.0, 0.0]),
    (WEIGHT, pa.int32(), [3, 0], INT, [3, 0]),
    (WEIGHT, F, [0.5, 0.0], F, [0.5, 0.0]),
]


@pytest.mark.parametrize(
    ("kind", "found", "values", "canonical", "expected"), RETYPED, ids=[f"{row[0].value}-{row[1]}" for row in RETYPED]
)
def test_every_type_that_fits_becomes_canonical(
    kind: ColumnKind, found: pa.DataType, values: Sequence[object], canonical: pa.DataType, expected: Sequence[object]
) -> None:
    array = pa.array(values, found) if not pa.types.is_null(found) else pa.nulls(len(values))
    conformed = door(array, kind, 2 if kind is LABEL else None)
    assert conformed.type == canonical
    assert conformed.to_pylist() == expected
    # A slice keeps its offset into the buffers; what it shows must not change.
    assert door(array.slice(1), kind).to_pylist() == expected[1:]


REFUSED: list[tuple[ColumnKind, pa.Array, str]] = [
    (ID, pa.array([1], pa.decimal128(4)), "is decimal128(4, 0); ids must be {ids}: cast it to int64 or string"),
    (ID, pa.array([1], pa.timestamp("s")), "is timestamp[s]; ids must be {ids}: cast it to int64 or string"),
    (ID, pa.array([1], pa.date32()), "is date32[day]; ids must be {ids}: cast it to int64 or string"),
    (ID, pa.array([b"a"]), "is binary; ids must be {ids}: cast it to string"),
    (ID, pa.array([[b"a"]]), "is list<item: binary>; ids must be {ids}: cast it to string"),
    (ID, pa.array([b"ab"], pa.binary(2)), "is fixed_size_binary[2]; ids must be {ids}: cast it to int64 or string"),
    (ID, pa.array([{"a": 1}]), "is struct<a: int64>; ids must be {ids}: cast it to int64 or string"),
    (ID, pa.array([1.0], pa.float16()), "is halffloat; ids must be {ids}: cast it to int64 or string"),
    (NUMBER, pa.array([b"1"]), "is binary; numbers must be {numbers}: cast it to string"),
    (NUMBER, pa.array([1], pa.duration("s")), "is duration[s]; numbers must be {numbers}: cast it to float32"),
    (
        NUMBER,
        pa.array([[[1.0]]]),
        "is list<item: list<item: double>>; numbers must be {numbers}: cast it to float32",
    ),
    (LABEL, pa.array(["1"]), "is string; labels must be ints, floats or bools: cast it to int64 or float32"),
    (LABEL, pa.array([[1]]), "is list<item: int64>; labels must be ints, floats or bools: cast it to int64 or float32"),
    (WEIGHT, pa.array(["1"]), "is string; weights must be ints or floats: cast it to float32"),
]


@pytest.mark.parametrize(("kind", "array", "text"), REFUSED, ids=[f"{row[0].value}-{row[1].type}" for row in REFUSED])
def test_a_type_that_does_not_fit_is_refused_with_a_remedy(kind: ColumnKind, array: pa.Array, text: str) -> None:
    rules = {
        "ids": "whole numbers or strings, bare, in lists or in lists of lists",
        "numbers": "ints, floats or numeric text, bare or in lists",
    }
    assert refusal(array, kind) == f"day1.parquet: column 'x' {text.format(**rules)}"


def test_an_extension_type_passes_as_what_it_stores() -> None:
    array = pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, None], pa.int8()))
    assert door(array, ID).to_pylist() == [1, None]


def test_a_kept_column_stays_as_it_is() -> None:
    array = pa.array([1, None], pa.timestamp("s"))
    assert door(array, ANY).equals(array)


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (
            pa.array([1, 2**63], pa.uint64()),
            "is uint64 and does not fit int64: "
            "Integer value 9223372036854775808 not in range: 0 to 9223372036854775807",
        ),
        (
            pa.array([2.0**53 + 2]),
            "is double and does not fit int64: "
            "9007199254740994 may be a rounded id, floats are exact up to 9007199254740992",
        ),
        (
            pa.array([-(2.0**24) - 2], pa.float32()),
            "is float and does not fit int64: 16777218 may be a rounded id, floats are exact up to 16777216",
        ),
        (
            pa.array([1.5]),
            "is double and does not fit int64: Float value 1.500000 was truncated converting to int64",
        ),
    ],
)
def test_an_id_that_would_change_on_the_way_is_refused(array: pa.Array, text: str) -> None:
    remedy = "store it as strings, or as numbers that fit"
    assert refusal(array, ID) == f"day1.parquet: column 'x' {text}; {remedy}"


# Whole batches


def test_int64_is_not_copied() -> None:
    array = pa.array(np.arange(8))
    assert door(array, ID).buffers()[1].address == array.buffers()[1].address


def test_columns_come_in_the_order_asked_for_whatever_the_order_found_and_others_are_ignored() -> None:
    columns = [Column("a", ID), Column("b", NUMBER)]
    rows = pa.record_batch({"a": pa.array([1, 2]), "b": pa.array([0.5, 1.5])})
    drifted = pa.record_batch({"extra": pa.array(["x", "y"]), "b": rows["b"], "a": rows["a"]})
    assert conform(drifted, columns, "x").equals(conform(rows, columns, "x"))


def test_a_missing_column_is_named_with_what_is_there() -> None:
    rows = pa.record_batch({"user": pa.array([1])})
    with pytest.raises(DataError) as caught:
        conform(rows, [Column("item", ID)], "day1.parquet")
    assert str(caught.value) == "day1.parquet: column 'item' is missing; found ['user']"


def test_of_a_wide_file_only_the_nearest_names_are_shown() -> None:
    rows = pa.record_batch({name: pa.array([1]) for name in ["item_id", *(f"column_{k}" for k in range(99))]})
    with pytest.raises(DataError) as caught:
        conform(rows, [Column("itemid", ID)], "day1.parquet")
    assert str(caught.value) == "day1.parquet: column 'itemid' is missing; found 100 others, such as ['item_id']"


def test_a_column_that_stands_twice_is_refused() -> None:
    rows = pa.RecordBatch.from_arrays([pa.array([1]), pa.array([2])], names=["x", "x"])
    with pytest.raises(DataError) as caught:
        conform(rows, [Column("x", ID)], "day1.parquet")
    assert str(caught.value) == "day1.parquet: column 'x' stands 2 times; keep one"


def test_all_unfit_columns_are_told_at_once() -> None:
    rows = pa.record_batch({"a": pa.array([b"a"]), "b": pa.array([1])})
    with pytest.raises(DataError) as caught:
        conform(rows, [Column("a", LABEL), Column("b", ID), Column("c", ID)], "day1.parquet")
    assert str(caught.value).splitlines() == [
        "day1.parquet: column 'a' is binary; labels must be ints, floats or bools: cast it to int64 or float32",
        "day1.parquet: column 'c' is missing; found ['a', 'b']",
    ]


@pytest.mark.parametrize(
    ("array", "kind", "num_class", "text"),
    [
        (
            pa.array([1, None, None]),
            LABEL,
            2,
            "label 'x' is missing in 2 of 3 rows; fill it in or drop those rows, as data_config.bad_values can",
        ),
        (
            pa.nulls(2),
            WEIGHT,
            None,
            "weight 'x' is missing in 2 of 2 rows; fill it in or drop those rows, as data_config.bad_values can",
        ),
        (pa.array([0, 1, 2]), LABEL, 2, "label 'x' is out of bounds in 1 of 3 rows, such as 2; must be 0 or 1"),
        (pa.array([0.5, 1.0]), LABEL, 2, "label 'x' is out of bounds in 1 of 2 rows, such as 0.5; must be 0 or 1"),
        (pa.array([0, -1]), LABEL, 5, "label 'x' is out of bounds in 1 of 2 rows, such as -1; must be a class, 0 to 4"),
        (
            pa.array([0.5, float("nan")]),
            LABEL,
            None,
            "label 'x' is out of bounds in 1 of 2 rows, such as nan; must be finite",
        ),
        (
            pa.array([-0.5, float("nan"), float("inf"), 1.0]),
            WEIGHT,
            None,
            "weight 'x' is out of bounds in 3 of 4 rows, such as -0.5; must be at least 0 and finite",
        ),
    ],
)
def test_targets_out_of_bounds_are_refused_with_their_count(
    array: pa.Array, kind: ColumnKind, num_class: int | None, text: str
) -> None:
    assert refusal(array, kind, num_class) == f"day1.parquet: {text}"


@given(st.lists(st.floats() | st.none(), min_size=1))
def test_a_weight_that_passes_is_finite_and_not_negative(values: list[float | None]) -> None:
    try:
        passed = door(pa.array(values, D), WEIGHT).to_numpy()
    except DataError:
        assert any(value is None or not 0 <= value < float("inf") for value in values)
    else:
        assert np.isfinite(passed).all()
        assert (passed >= 0).all()


@given(
    values=st.lists(st.none() | st.lists(st.none() | st.integers(-(2**31), 2**31 - 1), max_size=3), max_size=12),
    cuts=st.lists(st.integers(0, 12), max_size=3),
    found=st.sampled_from([pa.list_(pa.int32()), pa.large_list(pa.int64()), pa.list_(D)]),
)
def test_a_table_in_chunks_passes_like_one_batch(
    values: list[list[int | None] | None], cuts: list[int], found: pa.DataType
) -> None:
    array = pa.array(values, found)
    ends = sorted({0, *(cut for cut in cuts if cut <= len(values)), len(values)})
    chunks = [array.slice(start, end - start) for start, end in pairwise(ends)]
    table = pa.table({"x": pa.chunked_array(chunks, found)})
    assert conform_table(table, [Column("x", ID)], "the table").column(0).to_pylist() == values


# Agreement of files


@pytest.mark.parametrize(
    ("one", "other", "kind", "joint"),
    [
        (INT, INT, ID, INT),
        (pa.null(), S, ID, S),
        (S, pa.null(), ID, S),
        (pa.list_(pa.null()), pa.list_(S), ID, pa.list_(S)),
        (INT, S, ID, None),
        (INT, pa.list_(INT), ID, None),
        (pa.list_(INT), pa.list_(S), ID, None),
        (INT, F, NUMBER, D),
        (F, D, NUMBER, D),
        (pa.list_(F), pa.list_(D), NUMBER, pa.list_(D)),
        (F, S, NUMBER, None),
        (INT, D, LABEL, D),
        (INT, D, ANY, None),
    ],
)
def test_two_types_join_only_if_no_value_changes_its_meaning(
    one: pa.DataType, other: pa.DataType, kind: ColumnKind, joint: pa.DataType | None
) -> None:
    assert wider(one, other, kind) == joint
    assert wider(other, one, kind) == joint

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peprank.batch import MISSING
from peprank.encode.encoded import EncodedRows, join, stack
from tests.encode.test_encoder import ENCODER, EVERY_FEATURE, TYPES, batch_of, encode_all, row, row_lists, view

Items = list[dict[str, Any]]


def encoded(items: Items, columns: tuple[str, ...] = tuple(TYPES)) -> EncodedRows:
    rows = batch_of(items)
    return ENCODER.encode({name: rows.column(name) for name in columns}, rows.num_rows)


def view_of(rows: EncodedRows) -> Items:
    return view(ENCODER.assemble(rows))


@settings(max_examples=50)
@given(st.lists(row, min_size=1, max_size=5), st.lists(st.integers(0, 4), max_size=8))
def test_taken_rows_are_those_of_the_taken_cells(items: Items, chosen: list[int]) -> None:
    places = np.array([place % len(items) for place in chosen], np.int64)
    whole = encode_all(items)
    taken = encoded(items).take(places)
    assert taken.num_rows == len(places)
    assert view_of(taken) == [whole[place] for place in places]
    num_numbers = taken.scalars.values.size + sum(values.size for values in taken.vectors.values())
    num_ids = taken.singles.values.size + sum(len(bag.values) for bag in taken.bags.values())
    assert encoded(items).num_values(places) == num_ids + num_numbers


@settings(max_examples=50)
@given(st.lists(row_lists, min_size=1, max_size=4))
def test_stacked_rows_are_those_of_all_parts(parts: list[Items]) -> None:
    stacked = stack([encoded(part) for part in parts])
    items = [item for part in parts for item in part]
    assert view_of(stacked) == encode_all(items)
    assert stacked.unknown == encoded(items).unknown


@settings(max_examples=30)
@given(row_lists, st.lists(st.integers(0, 2), min_size=len(TYPES), max_size=len(TYPES)))
def test_columns_may_be_encoded_in_any_parts(items: Items, part_of: list[int]) -> None:
    named = [tuple(name for name, part in zip(TYPES, part_of, strict=True) if part == k) for k in range(3)]
    parts = [encoded(items, names) for names in named]
    whole = join(parts)
    assert sorted(whole.features) == sorted(feature.name for feature in EVERY_FEATURE)
    assert view_of(whole) == encode_all(items)
    assert whole.unknown == encoded(items).unknown
    assert whole.num_bytes == sum(part.num_bytes for part in parts)


def test_other_ids_of_a_feature_leave_the_rest_as_it_is() -> None:
    items = [dict.fromkeys(TYPES) | {"int": 1}, dict.fromkeys(TYPES) | {"ints": [2]}]
    before, ids = view_of(encoded(items)), np.array([4, MISSING])
    for feature in ("identity", "list"):
        rows = encoded(items).with_ids(feature, ids)
        after = view_of(rows)
        assert [item[feature][0] for item in after] == [[4], []]
        untouched = [name for name in before[0] if name not in (feature, "domain")]
        assert [[item[name] for name in untouched] for item in after] == [
            [item[name] for name in untouched] for item in before
        ]
    assert view_of(encoded(items)) == before


def test_rows_without_a_feature_are_not_assembled() -> None:
    with pytest.raises(KeyError, match="list"):
        ENCODER.assemble(encoded([], tuple(name for name in TYPES if name != "ints")))

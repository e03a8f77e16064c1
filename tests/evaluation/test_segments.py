from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from peprank.errors import DataError
from peprank.evaluation.segments import Segments, naming_of, value_names
from peprank.spec.feature import Log10, RawFeature
from tests.evaluation.plan import TAB


def split(segments: Segments, *batches: Any) -> dict[str, list[int]]:
    for batch in batches:
        segments.add(pa.RecordBatch.from_arrays([batch if isinstance(batch, pa.Array) else pa.array(batch)], ["c"]))
    return {name: rows.tolist() for name, rows in segments.split()}


@pytest.mark.parametrize(
    ("column", "names"),
    [
        (pa.array([4, -1, None]), {"-1": [1], "4": [0], "missing": [2]}),
        (pa.array(["b", "", "b", None]), {"b": [0, 2], "missing": [1, 3]}),
        (pa.array(["b", "a"]).dictionary_encode(), {"a": [1], "b": [0]}),
        (pa.array([0.5, 2.0]), {"0.5": [0], "2": [1]}),
        (pa.array([True, False]), {"false": [1], "true": [0]}),
        (pa.array([date(2026, 1, 2)]), {"2026-01-02": [0]}),
        (pa.array([[1], [2, 3], [], None]), {"missing": [2, 3], "1": [0], "2,3": [1]}),
        (pa.array([None, None]), {"missing": [0, 1]}),
    ],
)
def test_values_are_named_as_they_read(column: pa.Array, names: dict[str, list[int]]) -> None:
    assert split(Segments("c", value_names), column) == names


def test_rows_keep_their_numbers_across_batches_and_large_segments_come_first() -> None:
    found = split(Segments("c", value_names), [2, 1], [], [1, 3], [1, 3])
    assert list(found.items()) == [("1", [1, 2, 4]), ("3", [3, 5]), ("2", [0])]


def test_no_rows_make_no_segments() -> None:
    assert split(Segments("c", value_names), pa.array([], pa.int64())) == {}


def test_a_domain_that_is_an_id_is_named_by_its_raw_value() -> None:
    assert naming_of(TAB) is value_names


def test_a_domain_of_numbers_is_named_by_its_intervals() -> None:
    price = RawFeature(name="price", column="c", boundaries=(1.0, 2.5))
    found = split(Segments("c", naming_of(price)), [0.5, 1.0, 2.49, 2.5, None])
    assert found == {"[-inf, 1)": [0, 4], "[1, 2.5)": [1, 2], "[2.5, inf)": [3]}  # a missing price is 0, the default


def test_a_normalized_domain_lies_in_the_interval_of_its_normalized_value() -> None:
    price = RawFeature(name="price", column="c", boundaries=(1.0,), normalizer=Log10(), default=())
    assert split(Segments("c", naming_of(price)), [9.0, 11.0, None]) == {
        "[-inf, 1)": [0],
        "[1, inf)": [1],
        "missing": [2],
    }


def test_bucket_ids_are_named_as_they_are() -> None:
    price = RawFeature(name="price", column="c", boundaries=(1.0,), is_bucketized=True)
    assert naming_of(price) is value_names


def test_a_type_without_readable_values_is_refused() -> None:
    column = pa.array([{"x": 1}])
    with pytest.raises(DataError) as refused:
        split(Segments("c", value_names), column)
    assert str(refused.value) == (
        "rows cannot be split by values of type struct<x: int64>; use a column of numbers or strings"
    )


def test_a_column_of_too_many_values_is_refused() -> None:
    with pytest.raises(DataError) as refused:
        split(Segments("c", value_names), np.arange(6000), np.arange(5000, 11000))
    assert str(refused.value) == "column 'c' has more than 10,000 values; split the rows by one with fewer"

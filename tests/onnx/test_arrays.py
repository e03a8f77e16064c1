"""Encoded rows as arrays: nothing is lost, and nothing that the graph would read wrongly gets through."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from peprank.batch import MISSING, Features, Ids
from peprank.errors import DataError
from peprank.onnx import GraphInput
from peprank.onnx.arrays import arrays_of, check

USER = GraphInput(name="user", feature="user", form="id", end=20)
TAB = GraphInput(name="tab", feature="tab", form="id", low=0, end=3)
TAGS = GraphInput(name="tags", feature="tags", form="ids", end=9)
WEIGHTS = GraphInput(name="tags.weights", feature="tags", form="weights")
AGE = GraphInput(name="age", feature="age", form="numbers", width=2)
INPUTS = (USER, TAB, TAGS, WEIGHTS, AGE)


def features(rows: list[list[int]], *, weights: list[float] | None = None, user: Ids | None = None) -> Features:
    """Rows with these tags."""
    ends = np.cumsum([0, *(len(row) for row in rows)])
    tags = Ids(torch.tensor([tag for row in rows for tag in row], dtype=torch.int64), torch.from_numpy(ends))
    if weights is not None:
        tags = Ids(tags.values, tags.offsets, torch.tensor(weights))
    single = Ids(torch.arange(len(rows)))
    ids = {"user": user or single, "tab": Ids(torch.zeros(len(rows), dtype=torch.int64)), "tags": tags}
    return Features(len(rows), ids, {"age": torch.ones(len(rows), 2)}, ids["tab"].values)


@given(rows=st.lists(st.lists(st.integers(0, 8), max_size=5), max_size=8))
def test_padded_ids_hold_each_rows_ids_in_order_and_nothing_else(rows: list[list[int]]) -> None:
    arrays = arrays_of(INPUTS, features(rows))
    check(INPUTS, arrays)
    assert [[tag for tag in row if tag != MISSING] for row in arrays["tags"].tolist()] == rows
    assert arrays["tags"].shape == (len(rows), max([1, *map(len, rows)]))


def test_weights_lie_beside_their_ids() -> None:
    arrays = arrays_of(INPUTS, features([[4, 5], [], [6]], weights=[0.5, 2.0, 3.0]))
    assert arrays["tags"].tolist() == [[4, 5], [MISSING, MISSING], [6, MISSING]]
    assert arrays["tags.weights"].tolist() == [[0.5, 2.0], [0.0, 0.0], [3.0, 0.0]]


def test_ids_without_weights_weigh_one() -> None:
    assert arrays_of(INPUTS, features([[4], [5, 6]]))["tags.weights"].tolist() == [[1.0, 0.0], [1.0, 1.0]]


def test_at_most_one_id_per_row_fits_where_one_is_taken() -> None:
    user = Ids(torch.tensor([7, 8]), torch.tensor([0, 1, 1, 2]))  # as a column of lists gives them
    assert arrays_of(INPUTS, features([[], [], []], user=user))["user"].tolist() == [7, MISSING, 8]


def test_several_ids_where_one_is_taken_are_refused() -> None:
    user = Ids(torch.tensor([7, 8, 9]), torch.tensor([0, 2, 3]))
    with pytest.raises(DataError) as refused:
        arrays_of(INPUTS, features([[], []], user=user))
    assert str(refused.value) == (
        "feature 'user': a row has 2 values, but its column held one per row when the graph was exported; export it "
        "again from rows like these"
    )


WRONG = {
    "a negative id": (
        {"user": np.array([-2])},
        "input 'user': id -2 is outside its table: must lie in [0, 20), or -1 for none",
    ),
    "an id past the table": (
        {"tags": np.array([[3, 9]]), "tags.weights": np.ones((1, 2), np.float32)},
        "input 'tags': id 9 is outside its table: must lie in [0, 9), or -1 for none",
    ),
    "no domain": ({"tab": np.array([-1])}, "input 'tab': id -1 is outside its table: must lie in [0, 3)"),
    "int32": ({"user": np.array([1], np.int32)}, "input 'user' is int32 [1]: must be int64 [-1]"),
    "double": ({"age": np.ones((1, 2))}, "input 'age' is float64 [1, 2]: must be float32 [-1, 2]"),
    "too narrow": ({"age": np.ones((1, 1), np.float32)}, "input 'age' is float32 [1, 1]: must be float32 [-1, 2]"),
    "a column": ({"user": np.array([[1]])}, "input 'user' is int64 [1, 1]: must be int64 [-1]"),
    "a number": ({"user": np.array(1)}, "input 'user' is int64 []: must be int64 [-1]"),
    "more rows": ({"user": np.array([1, 2])}, "inputs have [1, 2] rows; give all of them the same number"),
    "more weights": (
        {"tags.weights": np.ones((1, 2), np.float32)},
        "input 'tags.weights' is [1, 2] beside ids of [1, 1]: give each id one weight",
    ),
    "another name": ({"usr": np.array([1])}, "input 'usr': the graph has none of this name; leave it out"),
}


@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=WRONG)
def test_arrays_that_do_not_fit_are_refused(change: dict[str, NDArray[Any]], message: str) -> None:
    arrays = arrays_of(INPUTS, features([[1]]))
    check(INPUTS, arrays)
    with pytest.raises(DataError) as refused:
        check(INPUTS, arrays | change)
    assert str(refused.value) == message


def test_a_missing_array_is_named() -> None:
    arrays = arrays_of(INPUTS, features([[1]]))
    del arrays["age"]
    with pytest.raises(DataError) as refused:
        check(INPUTS, arrays)
    assert str(refused.value) == "input 'age' is missing; give FP32 [-1, 2]"

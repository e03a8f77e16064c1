import math
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest

from peprank.encode.numbers import NumberEncoder
from peprank.errors import DataError, SpecError
from peprank.spec.feature import Expression, Log10, MinMax, Normalizer, RawFeature, ZScore
from tests.encode.specs import raw_feature

NAN, INF = math.nan, math.inf
FLOATS = pa.float64()


def numbers(feature: RawFeature, cells: Sequence[object], kind: pa.DataType = FLOATS) -> list[list[float]]:
    values: list[list[float]] = NumberEncoder(feature).numbers(pa.array(cells, kind))[0].tolist()
    return values


def buckets(feature: RawFeature, cells: Sequence[object], kind: pa.DataType = FLOATS) -> list[list[int]]:
    encoded, _ = NumberEncoder(feature).bucket_ids(pa.array(cells, kind))
    if encoded.offsets is None:
        return [[index] if index >= 0 else [] for index in encoded.values.tolist()]
    return [part.tolist() for part in np.split(encoded.values, encoded.offsets[1:-1])]


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ([1, -2, 3], pa.int64()),
        ([1, -2, 3], pa.float32()),
        ([1, -2, 3], pa.float64()),
        (["1", "-2.0", "3e0"], pa.string()),
        ([[1], [-2], [3]], pa.list_(pa.int64())),
    ],
    ids=str,
)
def test_every_type_of_column_holds_the_same_numbers(cells: list[object], kind: pa.DataType) -> None:
    assert numbers(raw_feature(), cells, kind) == [[1], [-2], [3]]


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1;2", "", None, "3;"], pa.string()),
        ([[1, 2], [], None, [3, None]], pa.list_(pa.float32())),
        ([["1", "2"], [], None, ["3", ""]], pa.list_(pa.string())),
    ],
    ids=["separated", "list", "list of strings"],
)
def test_every_multi_valued_form_means_the_same_and_gaps_take_the_default_of_their_place(
    cells: list[object], kind: pa.DataType
) -> None:
    feature = raw_feature(value_dim=2, separator=";", default=(8.0, 9.0))
    assert numbers(feature, cells, kind) == [[1, 2], [8, 9], [8, 9], [3, 9]]
    feature = raw_feature(value_dim=2, separator=";", default=(7.0,))
    assert numbers(feature, cells, kind) == [[1, 2], [7, 7], [7, 7], [3, 7]]


def test_numbers_that_are_not_finite_become_the_default_and_are_counted() -> None:
    column = pa.array([1.0, NAN, INF, -INF, None])
    values, num_unknown = NumberEncoder(raw_feature(default=(5.0,))).numbers(column)
    assert (values.tolist(), num_unknown) == ([[1], [5], [5], [5], [5]], 3)
    assert values.dtype == np.float32
    values, num_unknown = NumberEncoder(raw_feature()).numbers(pa.array(["nan", "-inf", "1e400", "1e300", ""]))
    assert (values.tolist(), num_unknown) == ([[0]] * 5, 4)


@pytest.mark.parametrize(
    ("normalizer", "cells", "expected"),
    [
        (Log10(threshold=1e-10, default=-10.0), [10, 1000, 1e-10, 0, -5], [1, 3, -10, -10, -10]),
        (Log10(threshold=5.0, default=0.5), [5, 100], [0.5, 2]),
        (ZScore(mean=10.0, standard_deviation=2.0), [10, 14, 9], [0, 2, -0.5]),
        (MinMax(min=2.0, max=10.0), [2, 10, 4, 12], [0, 1, 0.25, 1.25]),
        (Expression(formula="sign(x) * sqrt(abs(x))"), [4, -9, 0], [2, -3, 0]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_normalizer_is_its_formula(normalizer: Normalizer, cells: list[float], expected: list[float]) -> None:
    assert numbers(raw_feature(normalizer=normalizer), cells) == [[value] for value in expected]


def test_the_default_stands_in_before_the_normalizer() -> None:
    feature = raw_feature(normalizer=Log10(), default=(100.0,))
    assert numbers(feature, [None, NAN, 10.0]) == [[2], [2], [1]]


def test_a_result_that_is_not_finite_becomes_the_normalized_default() -> None:
    feature = raw_feature(normalizer=Expression(formula="1 / x"), default=(4.0,))
    values, num_unknown = NumberEncoder(feature).numbers(pa.array([0.0, 2.0, None]))
    assert (values.tolist(), num_unknown) == ([[0.25], [0.5], [0.25]], 1)


def test_without_a_finite_default_a_missing_number_is_zero() -> None:
    assert numbers(raw_feature(default=()), [None, 3.0]) == [[0], [3]]
    assert numbers(raw_feature(normalizer=Expression(formula="log(x)")), [None, 1.0]) == [[0], [0]]


def test_buckets_equal_the_peers() -> None:
    boundaries = (0.05, 0.15, 0.25)
    assert buckets(raw_feature(boundaries=boundaries), [0.1, 0.2, 0.3]) == [[1], [2], [3]]
    assert buckets(raw_feature(boundaries=boundaries, normalizer=Log10()), [10]) == [[3]]


def test_a_number_on_a_boundary_lies_in_the_bucket_above_whatever_its_width() -> None:
    boundaries = (1.1, 2.2, 3.3)
    as_in_the_config = tuple(float(np.float32(boundary)) for boundary in boundaries)
    for kind in (pa.float32(), pa.float64()):
        for stored in (boundaries, as_in_the_config):
            assert buckets(raw_feature(boundaries=stored), [1.1, 2.2, 3.3, 1.0], kind) == [[1], [2], [3], [0]]
    assert buckets(raw_feature(boundaries=boundaries), ["1.1", "2.2"], pa.string()) == [[1], [2]]


def test_a_missing_number_lies_in_the_bucket_of_the_default_or_in_none() -> None:
    boundaries = (1.0, 2.0)
    assert buckets(raw_feature(boundaries=boundaries, default=(1.5,)), [None, NAN, 9]) == [[1], [1], [2]]
    assert buckets(raw_feature(boundaries=boundaries, default=()), [None, NAN, 9]) == [[], [], [2]]


def test_buckets_of_several_numbers_per_row() -> None:
    kind = pa.list_(FLOATS)
    feature = raw_feature(boundaries=(1.0, 2.0), value_dim=2, default=())
    assert buckets(feature, [[0, 1], None, [5, None]], kind) == [[0, 1], [], [2]]
    feature = raw_feature(boundaries=(1.0, 2.0), value_dim=2, default=(1.0, 2.0))
    assert buckets(feature, [[0, 1], None, [5, None]], kind) == [[0, 1], [1, 2], [2, 2]]


def test_buckets_of_any_number_of_numbers_per_row() -> None:
    feature = raw_feature(boundaries=(1.0, 2.0), value_dim=0, default=(1.5,), separator=";")
    assert buckets(feature, [[0, 1, 5], [], [NAN], [None, 3]], pa.list_(FLOATS)) == [[0, 1, 2], [1], [1], [2]]
    assert buckets(feature, ["0;1;5", "", None, ";3"], pa.string()) == [[0, 1, 2], [1], [1], [2]]
    assert buckets(feature, [0, None, NAN], FLOATS) == [[0], [1], [1]]
    assert NumberEncoder(feature).bucket_ids(pa.array([[0, NAN, INF], [None]]))[1] == 2


def test_text_that_is_no_number_is_refused() -> None:
    with pytest.raises(DataError) as error:
        NumberEncoder(raw_feature(value_dim=2, separator=";")).numbers(pa.array(["1;2", "3;cat", None]))
    assert str(error.value) == "column 'c': 'cat' is not a number; write one, or leave the cell empty"


def test_bytes_that_are_no_number_are_refused_readably() -> None:
    binary = pa.array([b"1", b"\xff2"])
    column = pa.StringArray.from_buffers(2, binary.buffers()[1], binary.buffers()[2])
    with pytest.raises(DataError) as error:
        NumberEncoder(raw_feature()).numbers(column)
    assert str(error.value) == "column 'c': '�2' is not a number; write one, or leave the cell empty"


@pytest.mark.parametrize(
    "column", [pa.array([[1.0, 2.0], [1.0], [], [1.0, 2.0, 3.0]]), pa.array([None, 5.0, 6.0])], ids=["list", "scalar"]
)
def test_a_row_of_another_width_is_refused(column: pa.Array) -> None:
    with pytest.raises(DataError) as error:
        NumberEncoder(raw_feature(value_dim=2)).numbers(column)
    rule = "the value_dim of 'f', the first of them has 1; give each row 2, or none"
    message = f"column 'c': 2 rows do not have 2 values, {rule}"
    assert str(error.value) == message


def test_a_default_of_another_width_is_refused() -> None:
    with pytest.raises(SpecError) as error:
        NumberEncoder(raw_feature(value_dim=3, default=(1.0, 2.0)))
    assert str(error.value) == "f.default_value = (1.0, 2.0): must have 1 value or 3, the feature's value_dim"


def test_a_plain_number_needs_a_width() -> None:
    with pytest.raises(SpecError) as error:
        raw_feature(value_dim=0)
    assert str(error.value) == "f.value_dim = 0: must be at least 1 without boundaries"

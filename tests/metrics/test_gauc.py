from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peprank.metrics import Grouped, gauc
from tests.metrics.drawn import Table, tables


def naive_gauc(score: npt.NDArray[Any], label: npt.NDArray[Any], group: npt.NDArray[Any]) -> Grouped:
    """A loop over groups, and over pairs inside them."""
    values, rows = [], []
    for key in sorted(set(group.tolist())):
        own = group == key
        positives, negatives = score[own & (label == 1)], score[own & (label == 0)]
        if len(positives) and len(negatives):
            won = sum(float(p > n) + float(p == n) / 2 for p in positives for n in negatives)
            values.append(won / (len(positives) * len(negatives)))
            rows.append(int(own.sum()))
    if not values:
        return Grouped(None, None, 0, 0)
    weighted = sum(v * r for v, r in zip(values, rows, strict=True)) / sum(rows)
    return Grouped(weighted, sum(values) / len(values), len(values), sum(rows))


def assert_close(found: Grouped, expected: Grouped) -> None:
    assert found.weighted == pytest.approx(expected.weighted, abs=1e-12)
    assert found.unweighted == pytest.approx(expected.unweighted, abs=1e-12)
    assert (found.num_groups, found.rows) == (expected.num_groups, expected.rows)


def test_gauc_of_a_table_by_hand() -> None:
    group = np.array([7, 7, 7, 3, 3, 5, 5])
    label = np.array([1, 0, 0, 1, 0, 1, 1])
    score = np.array([0.5, 0.1, 0.9, 0.4, 0.4, 0.1, 0.2], np.float32)
    # group 7: wins 1 of 2, three rows; group 3: a tie, two rows; group 5 has no negative
    assert gauc(score, label, group) == Grouped((0.5 * 3 + 0.5 * 2) / 5, 0.5, 2, 5)


def test_the_weights_are_the_rows_of_the_groups() -> None:
    group = np.array([0, 0, 0, 0, 1, 1])
    label = np.array([1, 0, 0, 0, 0, 1])
    score = np.array([9, 1, 2, 3, 8, 4], np.float32)
    # group 0: 1.0 with four rows; group 1: 0.0 with two
    assert gauc(score, label, group) == Grouped(4 / 6, 1 / 2, 2, 6)


@pytest.mark.parametrize(("label", "group"), [([], []), ([1], [4]), ([0, 1], [1, 2]), ([1, 1, 0, 0], [1, 1, 2, 2])])
@pytest.mark.promise("R-18", "GAUC of groups of one class")
def test_gauc_is_none_without_a_group_of_both_classes(label: list[int], group: list[int]) -> None:
    score = np.arange(len(label), dtype=np.float32)
    assert gauc(score, np.array(label, np.int64), np.array(group, np.int64)) == Grouped(None, None, 0, 0)


@given(tables())
def test_gauc_equals_a_naive_loop(table: Table) -> None:
    assert_close(gauc(*table), naive_gauc(*table))


@given(tables(), st.randoms(use_true_random=False))
def test_gauc_is_the_same_to_the_last_bit_in_any_row_order(table: Table, random: Random) -> None:
    order = list(range(len(table[0])))
    random.shuffle(order)
    assert gauc(*(column[order] for column in table)) == gauc(*table)


def test_gauc_of_many_groups_equals_a_naive_loop() -> None:
    draw = np.random.default_rng(3)
    group = draw.integers(-(2**62), 2**62, 700)[draw.integers(0, 700, 5000)]
    score, label = draw.integers(0, 9, 5000).astype(np.float32), draw.integers(0, 2, 5000)
    assert_close(gauc(score, label, group), naive_gauc(score, label, group))


def test_a_million_groups_of_two_rows_each() -> None:
    group = np.repeat(np.arange(1_000_000), 2)[::-1]
    label = np.tile([0, 1], 1_000_000)
    score = np.tile(np.array([0.25, 0.5], np.float32), 1_000_000)
    assert gauc(score, label, group) == Grouped(1.0, 1.0, 1_000_000, 2_000_000)


def test_float64_scores_equal_a_naive_loop() -> None:
    draw = np.random.default_rng(4)
    score = np.round(draw.standard_normal(300), 2)
    label, group = draw.integers(0, 2, 300), draw.integers(0, 20, 300)
    assert_close(gauc(score, label, group), naive_gauc(score, label, group))


def test_gauc_names_a_column_of_another_length() -> None:
    with pytest.raises(ValueError, match=r"^scores, labels and groups differ in length: \[2, 2, 3\]$"):
        gauc(np.zeros(2, np.float32), np.array([0, 1]), np.zeros(3, np.int64))

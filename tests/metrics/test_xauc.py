from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from peprank.metrics import Grouped, auc, gauc, grouped_xauc, xauc
from tests.metrics.drawn import Table, tables

ALL = 10**9


def test_xauc_of_a_table_by_hand() -> None:
    label = np.array([1.0, 2.0, 2.0, 5.0])
    prediction = np.array([1.0, 3.0, 0.0, 3.0])
    # 1-2: right, 1-2': wrong, 2-2': equal labels, left out; 5 above 1: right, 5-2: a tie, 5-2': right
    assert xauc(prediction, label, max_pairs=ALL) == (1 + 0 + 1 + 0.5 + 1) / 5


@pytest.mark.parametrize("label", [[], [3.0], [2.0, 2.0, 2.0]])
def test_xauc_is_none_when_no_two_labels_differ(label: list[float]) -> None:
    assert xauc(np.arange(len(label), dtype=np.float64), np.array(label), max_pairs=ALL) is None


@given(tables())
def test_xauc_of_two_labels_is_auc(table: Table) -> None:
    score, label, group = table
    assert xauc(score, label, max_pairs=ALL) == pytest.approx(auc(score, label), abs=1e-12)
    grouped, expected = grouped_xauc(score, label, group, max_pairs_per_group=ALL), gauc(score, label, group)
    assert grouped.weighted == pytest.approx(expected.weighted, abs=1e-12)
    assert grouped.unweighted == pytest.approx(expected.unweighted, abs=1e-12)
    assert (grouped.num_groups, grouped.rows) == (expected.num_groups, expected.rows)


def test_all_pairs_are_taken_once_when_they_are_few() -> None:
    draw = np.random.default_rng(0)
    prediction, label = draw.standard_normal(120), draw.integers(0, 9, 120).astype(np.float64)
    won = decided = 0.0
    for i in range(120):
        for j in range(i):
            if label[i] != label[j]:
                decided += 1
                won += (prediction[i] > prediction[j]) == (label[i] > label[j])
    assert xauc(prediction, label, max_pairs=ALL) == won / decided
    assert xauc(prediction, label, sample_ratio=1.0) == won / decided


def test_a_draw_of_pairs_is_close_repeats_with_its_seed_and_changes_with_another() -> None:
    draw = np.random.default_rng(1)
    label = draw.standard_normal(3000)
    prediction = label + draw.standard_normal(3000)
    exact = xauc(prediction, label, max_pairs=ALL)
    assert exact is not None
    assert xauc(prediction, label, max_pairs=100_000) == pytest.approx(exact, abs=0.006)
    assert xauc(prediction, label, sample_ratio=0.02) == pytest.approx(exact, abs=0.006)
    values = [xauc(prediction, label, max_pairs=1000, seed=seed) for seed in (1, 1, 2)]
    assert values[0] == values[1] != values[2]


def test_grouped_xauc_weighs_groups_by_rows() -> None:
    group = np.array([4, 4, 4, 9, 9, 2])
    label = np.array([1.0, 2.0, 3.0, 1.0, 2.0, 7.0])
    prediction = np.array([1.0, 2.0, 3.0, 5.0, 4.0, 1.0])
    # group 4: all three pairs right; group 9: its pair wrong; group 2 has no pair
    assert grouped_xauc(prediction, label, group) == Grouped(3 / 5, 1 / 2, 2, 5)


def test_groups_beyond_their_bound_are_sampled_and_the_others_exact() -> None:
    draw = np.random.default_rng(2)
    group = np.concatenate([np.zeros(2000, np.int64), np.ones(5, np.int64)])
    label = np.arange(2005.0)
    prediction = np.where(group == 1, label, draw.standard_normal(2005))
    sampled = grouped_xauc(prediction, label, group, max_pairs_per_group=4000)
    exact = grouped_xauc(prediction, label, group, max_pairs_per_group=ALL)
    assert exact.unweighted is not None
    assert sampled.unweighted == pytest.approx(exact.unweighted, abs=0.02)
    assert sampled != exact
    assert (sampled.num_groups, sampled.rows) == (2, 2005)


def test_many_groups_pass_in_blocks() -> None:
    num_groups, size = 90_000, 11  # 55 pairs each: about 5 million, more than one block holds
    group = np.repeat(np.arange(num_groups), size)
    label = np.tile(np.arange(float(size)), num_groups)
    prediction = np.where(group % 2 == 0, label, -label)
    assert grouped_xauc(prediction, label, group) == Grouped(0.5, 0.5, num_groups, num_groups * size)

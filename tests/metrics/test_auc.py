from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from peprank.metrics import auc, binned_auc, multiclass_auc
from tests.metrics.drawn import Table, tables


def test_auc_of_a_table_by_hand() -> None:
    score = np.array([0.1, 0.4, 0.4, 0.8], np.float32)
    label = np.array([0, 0, 1, 1])
    # 0.4 against 0.1 and 0.4: 1 + 1/2; 0.8 against both: 2; of 4 pairs
    assert auc(score, label) == 3.5 / 4


def test_auc_of_equal_scores_is_one_half() -> None:
    assert auc(np.zeros(7, np.float32), np.array([0, 1, 0, 1, 1, 0, 0])) == 0.5


def test_auc_is_one_when_all_positives_are_above_and_zero_when_all_are_below() -> None:
    score = np.array([-np.inf, -1.0, 1.0, np.inf], np.float32)
    assert auc(score, np.array([0, 0, 1, 1])) == 1.0
    assert auc(score, np.array([1, 1, 0, 0])) == 0.0


@pytest.mark.parametrize("label", [[], [0], [1], [0, 0, 0], [1, 1]])
def test_auc_is_none_when_a_class_is_missing(label: list[int]) -> None:
    assert auc(np.arange(len(label), dtype=np.float32), np.array(label, np.int64)) is None


def test_both_zeros_tie() -> None:
    assert auc(np.array([0.0, -0.0], np.float32), np.array([0, 1])) == 0.5
    assert auc(np.array([0.0, -0.0], np.float64), np.array([1, 0])) == 0.5


def test_neighbouring_floats_do_not_tie() -> None:
    for zero in (np.float32(0), np.float64(0)):
        score = np.array([-np.nextafter(zero, zero + 1), zero, np.nextafter(zero, zero + 1)])
        assert auc(score, np.array([0, 1, 1])) == 1.0
        assert auc(score[::-1], np.array([0, 0, 1])) == 0.0


def test_float64_scores_are_not_rounded_to_float32() -> None:
    assert auc(np.array([1.0, 1.0 + 1e-12]), np.array([0, 1])) == 1.0


@given(tables())
def test_auc_equals_scikit_learn(table: Table) -> None:
    score, label, _ = table
    value = auc(score, label)
    if label.sum() in (0, len(label)):
        assert value is None
    else:
        finite = np.unique(score, return_inverse=True)[1]  # scikit-learn takes no infinity
        assert value == pytest.approx(roc_auc_score(label, finite), abs=1e-9)


@given(tables(), st.randoms(use_true_random=False))
def test_auc_is_the_same_to_the_last_bit_in_any_row_order(table: Table, random: Random) -> None:
    score, label, _ = table
    order = list(range(len(score)))
    random.shuffle(order)
    assert auc(score[order], label[order]) == auc(score, label)


@given(tables())
def test_auc_takes_any_type_of_score_and_label(table: Table) -> None:
    score, label, _ = table
    value = auc(score, label)
    assert auc(score.astype(np.float64), label.astype(bool)) == value
    assert auc(score, label.astype(np.float32)) == value
    assert auc(score, label.astype(np.uint8)) == value


def test_auc_of_many_rows_equals_scikit_learn() -> None:
    draw = np.random.default_rng(0)
    for num_distinct in (3, 1000, 10**9):
        score = (draw.integers(-num_distinct, num_distinct, 200_000) / 7).astype(np.float32)
        label = draw.random(len(score)) < 0.1
        assert auc(score, label) == pytest.approx(roc_auc_score(label, score), abs=1e-9)


def test_auc_names_what_it_cannot_rank() -> None:
    with pytest.raises(ValueError, match=r"^2 of 3 scores are NaN; a NaN has no rank$"):
        auc(np.array([np.nan, 1, np.nan], np.float32), np.array([0, 1, 1]))
    with pytest.raises(ValueError, match=r"^labels must be 0 or 1; found 2$"):
        auc(np.zeros(3, np.float32), np.array([0, 1, 2]))
    with pytest.raises(ValueError, match=r"^scores, labels and groups differ in length: \[3, 2\]$"):
        auc(np.zeros(3, np.float32), np.array([0, 1]))


def test_binned_auc_of_a_table_by_hand() -> None:
    prob = np.array([0.10, 0.40, 0.45, 0.80])
    label = np.array([0, 1, 0, 1])
    # thresholds 0, 1/2, 1: the first three fall together; 0.40 ties with two negatives, 0.80 beats both
    assert binned_auc(prob, label, 3) == (1.0 + 2.0) / 4
    assert binned_auc(prob, label, 101) == auc(prob, label) == 3 / 4
    assert binned_auc(prob, np.zeros(4, np.int64), 3) is None


def test_binned_auc_comes_close_to_exact_with_many_bins() -> None:
    draw = np.random.default_rng(1)
    prob = draw.random(100_000)
    label = draw.random(100_000) < prob
    exact = auc(prob, label)
    assert exact is not None
    assert binned_auc(prob, label, 100_000) == pytest.approx(exact, abs=1e-6)
    assert binned_auc(prob, label, 200) == pytest.approx(exact, abs=1e-4)


@pytest.mark.parametrize("average", ["macro", "weighted"])
def test_multiclass_auc_equals_scikit_learn(average: str) -> None:
    draw = np.random.default_rng(2)
    label = draw.integers(0, 4, 500)
    prob = draw.dirichlet(np.ones(4), 500)
    expected = roc_auc_score(label, prob, multi_class="ovr", average=average)
    assert multiclass_auc(prob, label, average=average) == pytest.approx(expected, abs=1e-9)
    assert multiclass_auc(prob, label, average=average, thresholds=10_001) == pytest.approx(expected, abs=1e-3)


def test_multiclass_auc_leaves_out_a_class_without_rows() -> None:
    prob = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.6, 0.3, 0.1]])
    assert multiclass_auc(prob, np.array([0, 1, 0])) == 1.0
    assert multiclass_auc(prob, np.array([0, 0, 0])) is None
    assert multiclass_auc(prob[:0], np.zeros(0, np.int64)) is None

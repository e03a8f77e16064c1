from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import auc as area
from sklearn.metrics import roc_curve

from peprank.metrics import auc, reliability, roc, sigmoid, wilson_interval
from tests.metrics.drawn import Table, tables


def test_bins_of_a_table_by_hand() -> None:
    curve = reliability(np.array([0.9, 0.1, 0.2, 0.6]), np.array([1, 0, 1, 1]), bins=2)
    assert curve.rows.tolist() == [2, 2]
    assert curve.positives.tolist() == [1, 2]
    assert curve.mean_prob.tolist() == pytest.approx([0.15, 0.75])
    assert curve.rate.tolist() == [0.5, 1.0]


@given(tables(), st.integers(1, 12))
def test_bins_equal_scikit_learn(table: Table, bins: int) -> None:
    score, label, _ = table
    prob = sigmoid(score)
    curve = reliability(prob, label, bins=bins)
    assert (curve.rows.sum(), curve.positives.sum()) == (len(label), label.sum())
    if len(label):
        rate, mean_prob = calibration_curve(label, prob, n_bins=bins, strategy="quantile", pos_label=1)
        np.testing.assert_allclose(curve.rate, rate, atol=1e-12)
        np.testing.assert_allclose(curve.mean_prob, mean_prob, atol=1e-12)


def test_rows_that_tie_share_a_bin() -> None:
    curve = reliability(np.full(100, 0.25), np.arange(100) % 2, bins=10)
    assert curve.rows.tolist() == [100]


def test_an_empty_table_has_no_bins() -> None:
    assert len(reliability(np.zeros(0), np.zeros(0, np.int64)).rate) == 0


@pytest.mark.parametrize(("positives", "rows"), [(0, 1), (1, 1), (0, 40), (3, 40), (40, 40), (50, 100_000)])
def test_a_share_at_the_bound_would_give_what_was_seen_at_1_96_standard_errors(positives: int, rows: int) -> None:
    seen = positives / rows
    for bounds in wilson_interval(np.array([positives]), np.array([rows])):
        bound = float(bounds[0])
        assert abs(seen - bound) == pytest.approx(1.959964 * np.sqrt(bound * (1 - bound) / rows), abs=1e-6)


def test_an_interval_by_hand() -> None:
    low, high = wilson_interval(np.array([0]), np.array([10]))
    assert low.tolist() == [0.0]
    assert high.tolist() == pytest.approx([3.8415 / 13.8415], abs=1e-4)  # z^2 / (n + z^2)


@given(tables())
def test_roc_equals_scikit_learn(table: Table) -> None:
    score, label, _ = table
    curve = roc(score, label, max_points=10**6)
    if label.sum() in (0, len(label)):
        assert curve is None
        return
    assert curve is not None
    finite = np.unique(score, return_inverse=True)[1]  # scikit-learn takes no infinity
    false_rate, true_rate, _ = roc_curve(label, finite, drop_intermediate=False)
    np.testing.assert_allclose(curve.false_positive_rate, false_rate, atol=1e-12)
    np.testing.assert_allclose(curve.true_positive_rate, true_rate, atol=1e-12)
    assert area(curve.false_positive_rate, curve.true_positive_rate) == pytest.approx(auc(score, label), abs=1e-9)


@pytest.mark.parametrize("rate", [0.5, 0.001])
def test_few_points_follow_the_whole_curve(rate: float) -> None:
    draw = np.random.default_rng(0)
    label = draw.random(200_000) < rate
    score = (draw.normal(size=len(label)) + label).astype(np.float32)
    whole, few = roc(score, label, max_points=10**6), roc(score, label, max_points=200)
    assert whole is not None
    assert few is not None
    assert len(few.true_positive_rate) <= 200
    assert (few.true_positive_rate[0], few.true_positive_rate[-1]) == (0.0, 1.0)
    between = np.interp(whole.false_positive_rate, few.false_positive_rate, few.true_positive_rate)
    rises = np.flatnonzero(np.diff(whole.false_positive_rate)) + 1  # interpolation takes one point of a vertical part
    assert np.abs(between - whole.true_positive_rate)[rises].max() < 2 / 199
    assert area(few.false_positive_rate, few.true_positive_rate) == pytest.approx(auc(score, label), abs=1e-3)

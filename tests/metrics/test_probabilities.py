from __future__ import annotations

from math import exp, log

import numpy as np
import pytest
from hypothesis import given
from sklearn.metrics import accuracy_score, log_loss, top_k_accuracy_score

from peprank.metrics import (
    accuracy,
    calibration,
    label_entropy,
    logloss,
    mean_absolute_error,
    mean_squared_error,
    normalized_entropy,
    sigmoid,
    softmax,
    top_k_accuracy,
)
from tests.metrics.drawn import Table, tables

NO_FLOATS, NO_LABELS = np.zeros(0, np.float32), np.zeros(0, np.int64)


def logit(prob: float) -> float:
    return log(prob / (1 - prob))


def test_logloss_of_a_table_by_hand() -> None:
    x = np.array([logit(0.8), logit(0.25)])
    assert logloss(x, np.array([1, 0])) == pytest.approx(-(log(0.8) + log(0.75)) / 2, abs=1e-15)


def test_logloss_stays_exact_where_probabilities_saturate() -> None:
    x = np.array([-1000.0, 1000.0, 40.0])
    assert logloss(x[:2], np.array([1, 0])) == 1000.0
    assert logloss(x[:2], np.array([0, 1])) == 0.0
    assert logloss(x[2:], np.array([1])) == pytest.approx(exp(-40), rel=1e-12)


def test_logloss_equals_scikit_learn() -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(-1, 2, 10_000).astype(np.float32)
    label = draw.integers(0, 2, 10_000)
    assert logloss(x, label) == pytest.approx(log_loss(label, 1 / (1 + np.exp(-x.astype(np.float64)))), abs=1e-9)


def test_logloss_takes_soft_labels() -> None:
    x = np.array([logit(0.8)])
    assert logloss(x, np.array([0.3])) == pytest.approx(-0.3 * log(0.8) - 0.7 * log(0.2), abs=1e-15)


def test_the_best_constant_has_a_normalized_entropy_of_one() -> None:
    label = np.array([1, 0, 0, 0])
    assert normalized_entropy(np.full(4, logit(0.25)), label) == pytest.approx(1.0, abs=1e-15)
    assert label_entropy(label) == pytest.approx(-0.25 * log(0.25) - 0.75 * log(0.75), abs=1e-15)


def test_normalized_entropy_of_a_table_by_hand() -> None:
    # logloss log 2 over the entropy of one positive in four rows
    expected = log(2) / -(0.25 * log(0.25) + 0.75 * log(0.75))
    assert normalized_entropy(np.zeros(4), np.array([1, 0, 0, 0])) == pytest.approx(expected, abs=1e-15)


def test_eta_keeps_the_mean_label_inside() -> None:
    label = np.zeros(1000)
    label[0] = 1
    assert label_entropy(label, eta=0.25) == pytest.approx(-0.25 * log(0.25) - 0.75 * log(0.75), abs=1e-15)


@pytest.mark.parametrize("label", [[], [0, 0], [1]])
def test_normalized_entropy_is_none_when_a_class_is_missing(label: list[int]) -> None:
    assert normalized_entropy(np.zeros(len(label)), np.array(label, np.int64)) is None


def test_calibration_of_a_table_by_hand() -> None:
    assert calibration(np.array([0.5, 0.25, 0.75]), np.array([1, 0, 0])) == 1.5


def test_calibration_is_none_without_a_positive() -> None:
    assert calibration(np.array([0.5]), np.array([0])) is None
    assert calibration(NO_FLOATS, NO_LABELS) is None


@given(tables())
def test_a_sigmoid_lies_between_zero_and_one_and_mirrors(table: Table) -> None:
    prob = sigmoid(table[0])
    assert prob.dtype == np.float64
    assert ((prob >= 0) & (prob <= 1)).all()
    np.testing.assert_allclose(sigmoid(-table[0]), 1 - prob, atol=1e-15)


def test_sigmoid_and_softmax_of_values_by_hand() -> None:
    assert sigmoid(np.array([0.0, log(3)])).tolist() == pytest.approx([0.5, 0.75])
    assert sigmoid(np.array([-745.0], np.float32))[0] == pytest.approx(exp(-745), rel=1e-6)
    assert softmax(np.array([[0.0, log(3)], [1000.0, 0.0]])).tolist() == [pytest.approx([0.25, 0.75]), [1.0, 0.0]]


def test_accuracy_counts_a_probability_above_the_threshold_as_yes() -> None:
    prob, label = np.array([0.5, 0.6, 0.2, 0.9]), np.array([1, 1, 0, 0])
    assert accuracy(prob, label) == accuracy_score(label, prob > 0.5) == 0.5
    assert accuracy(prob, label, threshold=0.4) == 0.75
    assert accuracy(NO_FLOATS, NO_LABELS) is None


def test_top_k_accuracy_of_a_table_by_hand() -> None:
    logits = np.array([[3.0, 2.0, 1.0], [1.0, 3.0, 2.0], [1.0, 2.0, 3.0]])
    label = np.array([0, 2, 0])
    assert top_k_accuracy(logits, label) == pytest.approx(1 / 3)
    assert top_k_accuracy(logits, label, top_k=2) == pytest.approx(2 / 3)
    assert top_k_accuracy(logits, label, top_k=3) == 1.0
    assert top_k_accuracy(logits[:0], NO_LABELS) is None


def test_equal_logits_are_no_free_hit() -> None:
    assert top_k_accuracy(np.zeros((3, 3)), np.array([0, 1, 2])) == pytest.approx(1 / 3)


def test_top_k_accuracy_equals_scikit_learn() -> None:
    draw = np.random.default_rng(5)
    logits, label = draw.standard_normal((400, 5)), draw.integers(0, 5, 400)
    for k in (1, 2, 4):
        assert top_k_accuracy(logits, label, top_k=k) == pytest.approx(top_k_accuracy_score(label, logits, k=k))


def test_errors_of_numbers_by_hand() -> None:
    prediction, label = np.array([1.0, 4.0], np.float32), np.array([2.0, 1.0], np.float32)
    assert mean_absolute_error(prediction, label) == 2.0
    assert mean_squared_error(prediction, label) == 5.0
    assert mean_absolute_error(NO_FLOATS, NO_FLOATS) is None
    assert mean_squared_error(NO_FLOATS, NO_FLOATS) is None


def test_errors_subtract_in_float64() -> None:
    assert mean_absolute_error(np.array([1e8], np.float32), np.array([1.0], np.float32)) == 99_999_999.0

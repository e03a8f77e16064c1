from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from peprank.metrics import binary_focal_loss, cross_entropy, jrc_loss, logloss, smoothed

NO_LABELS = np.zeros(0, np.int64)


def test_smoothing_moves_labels_towards_one_half() -> None:
    assert smoothed(np.array([0, 1]), 0.2).tolist() == [pytest.approx(0.1), pytest.approx(0.9)]
    assert smoothed(np.array([False, True]), 0.0).tolist() == [0.0, 1.0]


def test_cross_entropy_equals_torch() -> None:
    draw = np.random.default_rng(0)
    logits, label = draw.standard_normal((50, 4)), draw.integers(0, 4, 50)
    for smoothing in (0.0, 0.3):
        expected = F.cross_entropy(torch.tensor(logits), torch.tensor(label), label_smoothing=smoothing).item()
        assert cross_entropy(logits, label, label_smoothing=smoothing) == pytest.approx(expected, abs=1e-12)


def test_cross_entropy_of_two_classes_is_the_logloss_of_their_difference() -> None:
    draw = np.random.default_rng(1)
    logits, label = draw.standard_normal((50, 2)), draw.integers(0, 2, 50)
    difference = logits[:, 1] - logits[:, 0]
    assert cross_entropy(logits, label) == pytest.approx(logloss(difference, label), abs=1e-12)


def test_focal_loss_without_focus_is_half_the_cross_entropy() -> None:
    draw = np.random.default_rng(2)
    logit, label = draw.standard_normal(50), draw.integers(0, 2, 50)
    expected = logloss(logit, label)
    assert expected is not None
    assert binary_focal_loss(logit, label, gamma=0.0, alpha=0.5) == pytest.approx(expected / 2, abs=1e-12)


def test_focal_loss_of_a_table_by_hand() -> None:
    # p = 0.75: a positive weighs 0.4 (1/4)^2, a negative 0.6 (3/4)^2
    logit = np.log([3.0, 3.0])
    expected = (0.4 / 16 * -np.log(0.75) + 0.6 * 9 / 16 * -np.log(0.25)) / 2
    assert binary_focal_loss(logit, np.array([1, 0]), gamma=2.0, alpha=0.4) == pytest.approx(expected, abs=1e-12)


@given(st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_jrc_loss_equals_its_definition_row_by_row(rows: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    logits, label = draw.standard_normal((rows, 2)), draw.integers(0, 2, rows)
    session = draw.integers(-3, 3, rows)
    contrast = []
    for i in range(rows):
        rivals = [j for j in range(rows) if session[j] == session[i] and label[j] != label[i]]
        odds = np.exp(logits[[i, *rivals], label[i]])
        contrast.append(-np.log(odds[0] / odds.sum()))
    expected = 0.3 * (cross_entropy(logits, label) or 0.0) + 0.7 * float(np.mean(contrast))
    assert jrc_loss(logits, label, session, alpha=0.3) == pytest.approx(expected, abs=1e-12)


@pytest.mark.promise("R-18", "losses of no rows")
def test_losses_of_no_rows_are_none() -> None:
    assert binary_focal_loss(np.zeros(0), NO_LABELS) is None
    assert cross_entropy(np.zeros((0, 3)), NO_LABELS) is None
    assert jrc_loss(np.zeros((0, 2)), NO_LABELS, NO_LABELS) is None

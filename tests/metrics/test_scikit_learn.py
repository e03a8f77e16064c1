"""Our measures are scikit-learn's; GAUC, which it lacks, is its AUC in a loop over groups."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from sklearn import metrics as sklearn

from peprank import metrics as ours
from tests.promises import Reached, Times

Array = npt.NDArray[Any]
BINS = 10_001  # thresholds 0, 0.0001, ... 1
WITHIN = {
    "AUC": 1e-9,
    "AUC of classes": 1e-9,
    "logloss": 1e-9,
    "accuracy": 1e-9,
    "squared error": 1e-9,
    "GAUC": 1e-12,
}


def looped_gauc(score: Array, label: Array, group: Array) -> float:
    """scikit-learn's AUC of each group of both classes, weighted by rows."""
    own = [group == key for key in np.unique(group)]
    both = [rows for rows in own if 0 < label[rows].sum() < rows.sum()]
    return float(np.average([sklearn.roc_auc_score(label[r], score[r]) for r in both], weights=[r.sum() for r in both]))


def differences(seed: int) -> dict[str, float]:
    """How far ours are from theirs on one drawn table."""
    draw = np.random.default_rng(seed)
    rows = 2 + int(10 ** draw.uniform(1, 3.5))
    logit = draw.normal(draw.uniform(-3, 1), draw.uniform(0.1, 3), rows)
    if seed % 2:
        logit = logit.round(1)  # many ties
    score = logit.astype(np.float32)
    prob = 1 / (1 + np.exp(-score.astype(np.float64)))
    label = (draw.random(rows) < prob).astype(np.int64)
    label[:2] = 0, 1
    group = draw.integers(0, 1 + rows // 7, rows)
    group[:2] = 0
    classes = draw.dirichlet(np.ones(4), rows)
    of_class = np.append(np.arange(4), draw.integers(0, 4, rows - 4))
    pairs: dict[str, tuple[float | None, float]] = {
        "AUC": (ours.auc(score, label), sklearn.roc_auc_score(label, score)),
        "AUC of classes": (
            ours.multiclass_auc(classes, of_class),
            sklearn.roc_auc_score(of_class, classes, multi_class="ovr"),
        ),
        "logloss": (ours.logloss(score, label), sklearn.log_loss(label, prob)),
        "accuracy": (ours.accuracy(prob, label), sklearn.accuracy_score(label, prob > 0.5)),
        "squared error": (ours.mean_squared_error(prob, score), sklearn.mean_squared_error(score, prob)),
        "GAUC": (ours.gauc(score, label, group).weighted, looped_gauc(score, label, group)),
    }
    return {name: np.inf if mine is None else abs(mine - theirs) for name, (mine, theirs) in pairs.items()}


@pytest.mark.promise("R-19", "drawn tables")
def test_our_measures_are_those_of_scikit_learn(times: Times, reached: Reached) -> None:
    num = times(30, 3000)
    found = [differences(seed) for seed in range(num)]
    furthest = {name: max(each[name] for each in found) for name in WITHIN}
    assert {name: far for name, far in furthest.items() if far > WITHIN[name]} == {}
    reached(f"{num:,} tables; furthest apart: " + ", ".join(f"{name} {far:.1g}" for name, far in furthest.items()))


@pytest.mark.promise("R-19", "tables judged by bins")
def test_the_auc_by_bins_is_close_to_that_of_scikit_learn(times: Times, reached: Reached) -> None:
    num, furthest = times(2, 50), 0.0
    for seed in range(num):
        draw = np.random.default_rng(seed)
        prob = 1 / (1 + np.exp(-draw.normal(draw.uniform(-3, 1), draw.uniform(0.1, 3), 100_000)))
        label = draw.random(len(prob)) < prob
        mine = ours.binned_auc(prob, label, BINS)
        assert mine is not None
        furthest = max(furthest, abs(mine - sklearn.roc_auc_score(label, prob)))
    assert furthest <= 1e-4
    reached(f"{num} tables of 100,000 rows: AUC by {BINS:,} thresholds at most {furthest:.1g} apart")

"""The best evaluation, and when to stop."""

from __future__ import annotations

import json
import re

import pytest

from peprank.errors import TrainingError
from peprank.spec.train import EarlyStopping, ExportSpec
from peprank.training.best import BestSoFar, Judge


def test_best_is_the_largest_or_the_smallest_as_asked() -> None:
    largest, smallest = BestSoFar(metric="auc"), BestSoFar(metric="logloss", larger_is_better=False)
    values = [0.6, 0.8, 0.8, None, 0.5, 0.7]
    assert [largest.update(step, value) for step, value in enumerate(values)] == [
        True,
        True,
        False,
        False,
        False,
        False,
    ]
    assert [smallest.update(step, value) for step, value in enumerate(values)] == [
        True,
        False,
        False,
        False,
        True,
        False,
    ]
    assert (largest.value, largest.step, largest.misses) == (0.8, 1, 4)
    assert (smallest.value, smallest.step, smallest.misses) == (0.5, 4, 1)


def test_a_gain_within_min_delta_does_not_count() -> None:
    best = BestSoFar(metric="auc", min_delta=0.125)
    assert [best.update(step, value) for step, value in enumerate((0.5, 0.625, 0.75))] == [True, False, True]


def test_patience_ends_the_run_and_says_why() -> None:
    judge = Judge(ExportSpec(best_metric="auc_ctr"), EarlyStopping(metric="auc_cvr", patience=2))
    for step, value in ((10, 0.5), (20, 0.7), (30, 0.6)):
        judge.take(step, {"auc_ctr": value, "auc_cvr": value})
        assert judge.why_stop() is None
    assert not judge.take(40, {"auc_ctr": None, "auc_cvr": 0.7})
    assert judge.why_stop() == (
        "stopped early: auc_cvr was best at step 20 (0.7), and no better in 2 evaluations since"
    )


def test_a_metric_that_stays_undefined_ends_the_run_too() -> None:
    judge = Judge(ExportSpec(), EarlyStopping(metric="auc", patience=1))
    judge.take(10, {"auc": None})
    assert judge.why_stop() == "stopped early: auc was undefined in all evaluations, which are 1"


def test_without_a_metric_the_mean_auc_picks_the_best_and_may_be_absent() -> None:
    judge = Judge(ExportSpec(), None)
    assert not judge.take(1, {"mean_squared_error_time": 3.0})
    assert judge.take(2, {"auc": 0.6})
    assert judge.why_stop() is None


def test_an_unknown_metric_is_refused_with_those_there_are() -> None:
    message = "metric 'auc_crt' is not among the results; there are auc_ctr, auc_cvr"
    for judge in (
        Judge(ExportSpec(best_metric="auc_crt"), None),
        Judge(ExportSpec(), EarlyStopping(metric="auc_crt", patience=1)),
    ):
        with pytest.raises(TrainingError, match=f"^{re.escape(message)}$"):
            judge.take(1, {"auc_cvr": 0.5, "auc_ctr": 0.5})


def test_state_survives_json_bit_for_bit_and_another_metric_starts_afresh() -> None:
    stopping = EarlyStopping(metric="auc", patience=3)
    judge = Judge(ExportSpec(best_metric="auc"), stopping)
    judge.take(1, {"auc": 0.1 + 0.2})
    judge.take(2, {"auc": 0.3})
    kept = json.loads(json.dumps(judge.state()))
    same, other = Judge(ExportSpec(best_metric="auc"), stopping), Judge(ExportSpec(best_metric="logloss"), None)
    same.load_state(kept)
    other.load_state(kept)
    assert same.state() == judge.state()
    assert other.best.value is None

from __future__ import annotations

import pytest

from peprank.evaluation import Results, seesaw
from tests.evaluation.plan import BUY, CLICK, column_of, judged, plan

LABELS = [1, 0, 1, 0]


def two_domains(*logits: float) -> Results:
    return judged(plan(), column_of(list(logits)), column_of(LABELS), tab=[1, 1, 2, 2], users=[1, 1, 2, 2])


def test_a_domain_that_gains_and_one_that_loses_are_told_apart() -> None:
    changes = seesaw(two_domains(1, 0, 0, 1), two_domains(0, 1, 0, 0))
    assert [(c.column, c.segment, c.baseline, c.value) for c in changes.better("auc")] == [
        (None, "", 0.25, 0.5),
        ("tab", "1", 0.0, 1.0),
    ]
    assert [(c.segment, c.gain) for c in changes.worse("auc")] == [("2", -0.5)]


def test_a_smaller_loss_is_a_gain() -> None:
    changes = seesaw(two_domains(3, -3, 3, -3), two_domains(0, 0, 0, 0))
    assert len(changes.better("logloss")) == 3
    assert all(change.gain == pytest.approx(change.baseline - change.value) for change in changes.better("logloss"))
    assert not changes.worse("logloss")


def test_equal_results_move_nothing() -> None:
    results = two_domains(1, 0, 0, 1)
    changes = seesaw(results, results)
    assert {change.measure for change in changes.changes} == {
        "auc",
        "gauc",
        "gauc_unweighted",
        "logloss",
        "normalized_entropy",
    }
    assert {change.gain for change in changes.changes} == {0.0}


def test_what_only_one_side_has_is_not_compared() -> None:
    single = judged(plan(), column_of([1, 0]), column_of([1, 0]), tab=[1, 9])
    joint = judged(plan(CLICK, BUY), [[1, 1], [0, 0]], [[0, 1], [0, 0]], tab=[1, 8], spaces={"cvr": [True, False]})
    places = {(c.task, c.segment, c.measure) for c in seesaw(joint, single).changes}
    assert places == {("ctr", "", "logloss"), ("ctr", "1", "logloss")}  # the rest is undefined or not in both

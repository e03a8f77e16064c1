"""The judging benchmark judges what it says: tasks, domains, users, and the same rows the same way."""

from __future__ import annotations

from benchmarks import judging
from benchmarks.made_up import DOMAIN


def test_every_task_is_judged_over_all_rows_and_in_each_domain() -> None:
    results = judging.judged(5000).results
    assert results.rows == 5000
    assert results.group_feature == judging.USER
    assert len(list(results.select())) == judging.TASKS
    assert len(list(results.select(column=DOMAIN))) == judging.TASKS * judging.DOMAINS
    for cell in results.cells:
        assert cell.measures["gauc"].value is not None, "the users are too few or too many for GAUC"
        auc = cell.measures["auc"].value
        assert auc is not None
        assert 0.6 < auc < 0.95  # the logits know a little


def test_the_same_rows_are_judged_alike() -> None:
    assert judging.judged(2000).results == judging.judged(2000).results


def test_the_quick_form_reports_time_and_memory() -> None:
    (section,) = judging.run(quick=True)
    assert section.rows[0][0] == f"{judging.QUICK_ROWS:,}"
    assert [(aim.target, aim.at_most) for aim in section.aims] == [(20, True), (1.5, True)]

"""Sentences about results made by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from peprank.evaluation import Cell, Measure, Results, TaskKind
from peprank.report.verdict import verdict
from tests.evaluation.plan import BUY, CLICK, judged, plan


def cell(task: str, auc: float | None, *, tab: str | None = None, rows: int = 1000, **others: float) -> Cell:
    """A binary cell with as many positives as `positives` says, by default half of the rows."""
    positives = int(others.pop("positives", rows // 2))
    numbers = {"auc": auc, "normalized_entropy": 0.8, "calibration": 1.0, **others}
    measures = {name: Measure(value, None if value is not None else "no rows") for name, value in numbers.items()}
    place = {} if tab is None else {"column": "tab", "segment": tab}
    return Cell(task=task, kind=TaskKind.BINARY, rows=rows, positives=positives, measures=measures, **place)  # type: ignore[arg-type]


def said(cells: Sequence[Cell]) -> list[str]:
    """The sentences after the first."""
    domain = "tab" if any(cell.column for cell in cells) else None
    results = Results(rows=2000, group_feature=None, domain_column=domain, spaces={}, cells=tuple(cells), asked={})
    return [line.text for line in verdict(results, 7)[1:]]


def test_the_first_sentence_says_what_was_judged() -> None:
    results = judged(plan(CLICK, BUY), [[0, 0]] * 4, [[0, 0]] * 4, tab=[1, 1, 2, 3], spaces={"cvr": [False] * 4})
    assert (
        verdict(results, 1200)[0].text
        == "Judged on 4 rows in 3 domains (tab), 2 tasks, with the weights of step 1,200."
    )
    one = judged(plan(CLICK, domain=None), [[0]], [[1]])
    assert verdict(one, 1)[0].text == "Judged on 1 row, 1 task, with the weights of step 1."


def test_the_best_and_the_worst_task_are_named() -> None:
    assert said([cell("click", 0.7), cell("like", 0.9), cell("buy", 0.8)]) == [
        "Best ranked is like, AUC 0.900; worst is click, AUC 0.700."
    ]
    assert said([cell("click", 0.7)]) == ["click is ranked with AUC 0.700, where 0.5 is a guess."]


def test_a_task_of_few_positives_is_neither_best_nor_worst() -> None:
    assert said([cell("click", 0.7), cell("like", 0.9), cell("hate", 0.99, positives=99)]) == [
        "Best ranked is like, AUC 0.900; worst is click, AUC 0.700.",
        "Too few rows of a class to say much, fewer than 100: hate (99 positives).",
    ]


def test_the_best_and_the_worst_domain_are_those_with_enough_rows() -> None:
    tabs = [cell("click", auc, tab=tab) for tab, auc in (("a", 0.6), ("b", 0.8), ("c", 0.7))]
    few = cell("click", 1.0, tab="d", positives=3)
    assert said([cell("click", 0.7), *tabs, few])[1:] == [
        "click is ranked best in tab b (AUC 0.800) and worst in tab a (0.600), of the 3 domains with at least 100 rows "
        "of each class."
    ]


def test_probabilities_no_better_than_a_guess_are_warned_of() -> None:
    assert said([cell("click", 0.7, normalized_entropy=1.05)])[1:] == [
        "click: its probabilities are no better than its mean rate; logloss is 1.050 times that of this guess."
    ]


def test_calibration_is_warned_of_where_it_is_off_by_more_than_chance() -> None:
    assert said([cell("click", 0.7, calibration=1.5)])[1:] == [
        "click is predicted 1.50 times as often as it happens (500 positives)."
    ]
    assert len(said([cell("click", 0.7, calibration=1.09)])) == 1  # within a tenth
    # 130 expected, 100 seen: off by 30 / sqrt(130) = 2.6 standard errors
    assert len(said([cell("click", 0.7, calibration=1.3, positives=100)])) == 1
    # 150 expected, 100 seen: off by 50 / sqrt(150) = 4.1
    assert len(said([cell("click", 0.7, calibration=1.5, positives=100)])) == 2


def test_domains_whose_calibration_is_off_are_counted_and_the_worst_is_named() -> None:
    tabs = [cell("click", 0.7, tab="a", calibration=0.5), cell("click", 0.7, tab="b", calibration=1.4)]
    assert said([cell("click", 0.7), *tabs])[-1] == (
        "Calibration is off in 2 pairs of task and domain, most in tab a: click is predicted 0.50 times as often as it "
        "happens (500 positives)."
    )


def test_one_class_only_and_other_kinds_of_tasks_say_little() -> None:
    number = Cell(task="price", kind=TaskKind.REGRESSION, rows=10, measures={"xauc": Measure(0.6)})
    assert said([number]) == []
    assert said([cell("click", None, positives=0)]) == [
        "Too few rows of a class to say much, fewer than 100: click (0 positives)."
    ]


def test_results_of_random_scores_are_told_without_a_hitch() -> None:
    draw = np.random.default_rng(0)
    logits, labels = draw.normal(size=(500, 1)).tolist(), draw.integers(0, 2, (500, 1)).tolist()
    results = judged(
        plan(CLICK), logits, labels, users=draw.integers(0, 9, 500).tolist(), tab=[k % 3 for k in range(500)]
    )
    assert any("worst in tab" in line.text for line in verdict(results, 3)) is False  # 83 rows of a class a tab
    assert verdict(results, 3)[1].text.startswith("ctr is ranked with AUC 0.")

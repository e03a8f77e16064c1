"""What `peprank compare` says while it runs."""

from __future__ import annotations

import io
from itertools import count
from pathlib import Path

import pytest
from rich.console import Console

from peprank.cli import compare
from peprank.compare.runs import Outcome, Run


def run(seed: int) -> Run:
    return Run(
        contender="mmoe",
        is_trees=False,
        seed=seed,
        tasks=("click", "like"),
        part=None,
        config=Path("mmoe.config"),
        folder=Path(),
        train_inputs=(),
        eval_inputs=(),
        cost=1.0,
        rows="",
    )


def test_the_time_left_is_that_of_the_runs_at_hand_and_not_of_a_search_before(monkeypatch: pytest.MonkeyPatch) -> None:
    minutes = count()
    monkeypatch.setattr(compare, "perf_counter", lambda: 60.0 * next(minutes))
    said = io.StringIO()
    runs = [run(seed) for seed in range(1, 5)]
    with compare.Reporter(Console(file=said, width=200)) as reporter:
        for _ in ("search", "comparison"):
            reporter.planned(runs, {})
            for one in runs[:2]:
                reporter.ended(one, Outcome(train_s=7.0))
    lines = said.getvalue().splitlines()
    assert (
        lines
        == ["run 1 of 4: mmoe, seed 1: 7 s, about 3 min left", "run 2 of 4: mmoe, seed 2: 7 s, about 2 min left"] * 2
    )


def test_judging_has_a_bar_of_its_own() -> None:
    said = io.StringIO()
    with compare.Reporter(Console(file=said, width=200, force_terminal=True, highlight=False)) as reporter:
        reporter.planned([run(1)], {run(1): Outcome()})
        reporter.judged(0, 2)
        reporter.judged(1, 2)
        (bar,) = reporter._bar.tasks
    assert "judging 2 sets of scores" in said.getvalue()
    assert (bar.description, bar.percentage) == ("judged 1 of 2", 50)

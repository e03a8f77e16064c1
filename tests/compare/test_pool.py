"""Runs in processes that break."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from peprank.compare import pool
from peprank.compare.runs import Outcome, Run


class Ends:
    """A Watcher that keeps the order in which runs end."""

    def __init__(self) -> None:
        self.ended_runs: list[str] = []

    def planned(self, runs: Sequence[Run], done: Mapping[Run, Outcome]) -> None: ...

    def advanced(self, run: Run, share: float) -> None: ...

    def ended(self, run: Run, outcome: Outcome) -> None:  # noqa: ARG002
        self.ended_runs.append(run.contender)

    def judged(self, num_done: int, num_scores: int) -> None: ...


def make_run(name: str, folder: Path) -> Run:
    return Run(
        contender=name,
        is_trees=False,
        seed=1,
        tasks=("ctr",),
        part=None,
        config=folder / "no.config",
        folder=folder / name,
        train_inputs=(),
        eval_inputs=(),
        cost=1.0,
        rows="",
    )


def die_where_told() -> None:
    """Prepares a worker process: one that finds the file dies."""
    bomb = Path(os.environ["PEPRANK_TEST_BOMB"])
    if bomb.exists():
        left = int(bomb.read_text()) - 1
        bomb.write_text(str(left)) if left else bomb.unlink()
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(("deaths", "reason"), [(1, "no.config"), (9, "its process was killed")])
def test_a_killed_process_costs_a_run_its_chance_and_not_the_comparison(
    deaths: int, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run gets a second process; what it says of itself there, or that it died again, is its outcome."""
    bomb = tmp_path / "bomb"
    bomb.write_text(str(deaths))
    monkeypatch.setenv("PEPRANK_TEST_BOMB", str(bomb))
    runs, ends = [make_run(name, tmp_path) for name in ("first", "second")], Ends()
    outcomes = pool.run_all(runs, ends, jobs=1, prepare=die_where_told)
    assert list(outcomes) == runs
    assert ends.ended_runs == ["first", "second"]
    assert all(reason in (outcome.failure or "") for outcome in outcomes.values())

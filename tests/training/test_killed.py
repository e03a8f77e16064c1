"""Runs that are killed or asked to stop at any moment go on as if nothing had happened."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import tiny
from tests.promises import Reached, Times
from tests.training.killed import EVERY
from tests.training.world import make_files

ROOT = Path(__file__).resolve().parents[2]


def happened(what: str, *arguments: object) -> list[dict[str, Any]]:
    """What became of each run of `tests.training.killed`."""
    command = [sys.executable, "-m", "tests.training.killed", what, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


@pytest.mark.promise("R-01", "kills at random moments")
@pytest.mark.promise("R-02", "killed and resumed runs")
def test_kill_9_loses_no_more_than_the_steps_since_the_last_checkpoint(
    tmp_path: Path, times: Times, reached: Reached
) -> None:
    num, num_in_save = times(5, 100), times(2, 20)
    make_files(tmp_path)
    runs = happened("kills", tmp_path, tmp_path / "runs", num, num_in_save, times(1, 3))
    assert len(runs) == num
    assert sum(run["in_save"] for run in runs) >= num_in_save
    assert max(run["lost"] for run in runs) <= EVERY
    assert [run for run in runs if run["other_files"] or not run["same_rows"]] == []
    reached(
        f"{num} kills, {sum(run['in_save'] for run in runs)} of them within a save: at most "
        f"{max(run['lost'] for run in runs)} steps lost of the {EVERY} between checkpoints, "
        "all files of the resumed run and the order of its rows bit for bit those of one left alone"
    )


@pytest.mark.promise("R-03", "runs that were asked to stop")
def test_runs_of_the_command_line_that_are_asked_to_stop_save_and_leave(
    tmp_path: Path, times: Times, reached: Reached
) -> None:
    num = times(2, 20)
    rows, seconds = times(30, 6_250_000), times(1, 4)  # 100 MB of rows of 4 numbers
    text = tiny.CONFIG.replace("hash_bucket_size: 30", f"hash_bucket_size: {rows}")
    config = tiny.write(tmp_path, config=text.replace("num_epochs: 2", "num_epochs: 10000"))
    runs = happened("signals", config, tmp_path / "runs", num, seconds)
    assert [run["code"] for run in runs] == [130, 143] * (num // 2)
    assert all(run["saved"] == run["steps"] > 0 for run in runs)
    slowest = max(run["seconds"] for run in runs)
    assert slowest <= 10 * times(10, 1)
    reached(
        f"{num} of {num} left with 130 and 143 after a checkpoint of their last step; "
        f"the slowest in {slowest:.1f} s, with weights of {runs[0]['bytes'] / 1e6:.0f} MB"
    )

from __future__ import annotations

import sys
import time
from functools import partial

import numpy as np
import pytest

from benchmarks.timing import in_turn, measured_process, rates, ratios, timed_method


def test_calls_take_turns_and_the_first_round_does_not_count() -> None:
    called: list[str] = []
    seconds = in_turn({"a": partial(called.append, "a"), "b": partial(called.append, "b")}, rounds=2)
    assert called == ["a", "b"] * 3
    assert {name: len(of_rounds) for name, of_rounds in seconds.items()} == {"a": 2, "b": 2}


def test_ratios_and_rates_go_round_by_round() -> None:
    assert ratios([6.0, 9.0], [2.0, 3.0]) == [3.0, 3.0]
    assert rates(12, [2.0, 3.0]) == [6.0, 4.0]


def test_a_timed_method_still_does_its_work_and_is_put_back() -> None:
    class Counter:
        def add(self, one: int, *, other: int) -> int:
            return one + other

    original = Counter.add
    with timed_method(Counter, "add") as seconds:
        assert Counter().add(1, other=2) == 3
    assert len(seconds) == 1
    assert Counter.add is original


def test_a_childs_peak_is_its_own_and_not_that_of_who_started_it() -> None:
    ballast = np.ones(2**28, np.uint8)  # 256 MiB in this process
    run = measured_process([sys.executable, "-S", "-c", "held = bytearray(2**26)"])
    assert 2**26 < run.peak_bytes < ballast.nbytes


def test_a_childs_lines_are_stamped_as_they_come() -> None:
    code = "import sys, time; print('one', file=sys.stderr, flush=True); time.sleep(0.2); print('two', file=sys.stderr)"
    run = measured_process([sys.executable, "-S", "-c", f"{code}; print('out')"], environment={"PYTHONHASHSEED": "1"})
    assert [line.text for line in run.lines] == ["one", "two"]
    assert 0 < run.lines[0].seconds <= run.lines[1].seconds - 0.2 <= run.seconds
    assert run.stdout == "out\n"


def test_a_child_that_fails_is_an_error_with_what_it_said() -> None:
    with pytest.raises(RuntimeError, match="exit code 3\nout of luck"):
        measured_process([sys.executable, "-S", "-c", "import sys; print('out of luck', file=sys.stderr); sys.exit(3)"])


def test_a_childs_time_starts_with_the_child() -> None:
    start = time.monotonic()
    run = measured_process([sys.executable, "-S", "-c", "pass"])
    assert 0 < run.seconds < time.monotonic() - start

"""The summary of promises: one line each, whatever proved them."""

from __future__ import annotations

from typing import Literal

import pytest

from tests.promises import Times, outcomes


def report(
    *promises: str, outcome: Literal["passed", "failed"] = "passed", said: tuple[str, ...] = ()
) -> pytest.TestReport:
    properties: list[tuple[str, object]] = [("promise", [id_, "cases"]) for id_ in promises]  # as a worker sends it
    properties += [("reached", text) for text in said]
    place = ("test.py", 1, "test")
    return pytest.TestReport("test", place, {}, outcome, None, "call", user_properties=properties, duration=2.0)


def test_a_promise_is_one_line_over_all_its_tests() -> None:
    reports = [report("R-02"), report("R-01", "R-02", said=("5 kills", "0 lost")), report("R-01", said=("5 kills",))]
    assert [str(outcome) for outcome in outcomes(iter(reports))] == [
        "R-01 kept: 5 kills; 0 lost (2 tests, 4 s)",
        "R-02 kept: cases; 5 kills; 0 lost (2 tests, 4 s)",
    ]


def test_one_failure_breaks_a_promise() -> None:
    (outcome,) = outcomes(iter([report("R-01", outcome="failed"), report("R-01")]))
    assert str(outcome).startswith("R-01 BROKEN: ")


def test_the_count_follows_the_form_that_is_asked_for(times: Times, pytestconfig: pytest.Config) -> None:
    assert times(1, 2) == (2 if pytestconfig.getoption("--soak") else 1)

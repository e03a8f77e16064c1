"""How a test proves a promise of docs/reliability.md, in a short form (`make test`) and in full (`scripts/soak`).

A test is marked with the promise and what it counts, takes its count from `times` and says what it `reached`:

    @pytest.mark.promise("R-07", "random sequences of saves")
    def test_the_best_is_never_removed(times: Times, reached: Reached) -> None:
        count = times(100, 10_000)  # short, full
        ...
        reached(f"{count:,} sequences, 0 best checkpoints removed")

Hypothesis allows no `reached` beside `@given`: put the property into a function within the test, and call that.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path

import pytest

Times = Callable[[int, int], int]
Reached = Callable[[str], None]

_PROMISE, _REACHED = "promise", "reached"  # what a report carries, from a worker process too
_MARKER = "promise(id, counted): proves promise `id` of docs/reliability.md; `counted` says what it counts"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the full form."""
    group = parser.getgroup("promises")
    group.addoption("--soak", action="store_true", help="run the full form of tests that prove promises")
    group.addoption("--promise", action="append", metavar="R-NN", help="only tests that prove this one; may repeat")
    group.addoption("--promises-to", type=Path, metavar="FILE", help="write what was reached as JSON")


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", _MARKER)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Note each test's promises on it; leave out those that `--promise` does not name."""
    wanted = set(config.getoption("--promise") or ())
    for item in items:
        item.user_properties += [(_PROMISE, tuple(mark.args)) for mark in item.iter_markers(_PROMISE)]
    if wanted:
        left_out = [item for item in items if not wanted & {id_ for id_, _ in _promises(item.user_properties)}]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def times(pytestconfig: pytest.Config) -> Times:
    """How often: `times(short, full)` is the second number under `--soak`."""
    return lambda short, full: full if pytestconfig.getoption("--soak") else short


@pytest.fixture
def reached(record_property: Callable[[str, object], None]) -> Reached:
    """Say what the test reached, for the summary: `reached("100 kills, 0 steps lost")`."""
    return lambda text: record_property(_REACHED, text)


@dataclass
class Outcome:
    """What the tests of one promise found."""

    promise: str
    is_kept: bool = True
    num_tests: int = 0
    seconds: float = 0.0
    reached: list[str] = field(default_factory=list)  # what the tests said, or what they counted

    def add(self, report: pytest.TestReport, counted: str) -> None:
        """Take in one test's report."""
        said = [str(text) for name, text in report.user_properties if name == _REACHED]
        self.num_tests += 1
        self.is_kept = self.is_kept and report.passed
        self.seconds = round(self.seconds + report.duration, 1)
        self.reached += [text for text in said or [counted] if text not in self.reached]

    def __str__(self) -> str:
        verdict = "kept" if self.is_kept else "BROKEN"
        return f"{self.promise} {verdict}: {'; '.join(self.reached)} ({self.num_tests} tests, {self.seconds:.0f} s)"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """One line per promise, and the JSON file if one is asked for."""
    found = outcomes(_ran(terminalreporter))
    if found:
        terminalreporter.section(f"promises, {'full' if config.getoption('--soak') else 'short'} form")
        terminalreporter.write_line("\n".join(map(str, found)))
    if path := config.getoption("--promises-to"):
        path.write_text(json.dumps([asdict(outcome) for outcome in found], indent=1) + "\n", "utf-8")


def outcomes(reports: Iterator[pytest.TestReport]) -> list[Outcome]:
    """What each promise came to, in their order."""
    found: dict[str, Outcome] = {}
    for report in reports:
        for id_, counted in _promises(report.user_properties):
            found.setdefault(id_, Outcome(id_)).add(report, counted)
    return sorted(found.values(), key=lambda outcome: outcome.promise)


def _ran(reporter: pytest.TerminalReporter) -> Iterator[pytest.TestReport]:
    """Reports of tests that ran to an end, and of those that did not come so far."""
    for report in chain(*(reporter.stats.get(key, ()) for key in ("passed", "failed", "error"))):
        if isinstance(report, pytest.TestReport):
            yield report


def _promises(properties: list[tuple[str, object]]) -> list[tuple[str, str]]:
    """(id, counted) of each promise that a test proves; a worker process sends lists for tuples."""
    return [(str(value[0]), str(value[1])) for name, value in properties if name == _PROMISE]  # type: ignore[index]

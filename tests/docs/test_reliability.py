"""docs/reliability.md: a row for each promise, and tests behind each figure."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROMISES = [f"R-{k:02}" for k in range(1, 37)]


def rows() -> list[list[str]]:
    """Cells of the table: promise, statement, figure, command, date."""
    lines = (ROOT / "docs" / "reliability.md").read_text("utf-8").splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| R-")]


def marked() -> Iterator[str]:
    """The id in every `@pytest.mark.promise(id, counted)` of our tests."""
    for path in (ROOT / "tests").rglob("test_*.py"):
        if "mark.promise(" in (text := path.read_text("utf-8")):
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.promise":
                    id_, _counted = node.args
                    yield str(ast.literal_eval(id_))


def test_every_promise_has_its_row() -> None:
    assert [row[0] for row in rows()] == PROMISES
    assert all(len(row) == 5 for row in rows())


def test_a_figure_has_a_date_and_a_command_that_runs_marked_tests() -> None:
    with_tests, makefile = set(marked()), (ROOT / "Makefile").read_text("utf-8")
    assert with_tests <= set(PROMISES)
    for promise, _, figure, command, date in rows():
        if figure.startswith(("not measured", "does not apply")):
            assert (command, date) == ("", ""), promise
            continue
        if target := re.fullmatch(r"`make ([\w-]+)`", command):
            assert f"\n{target[1]}:" in makefile, f"{promise}: {command}"
        else:
            assert command == f"`scripts/soak {promise}`", f"{promise}: {command}"
            assert promise in with_tests, f"{promise}: no test is marked with it"
        assert re.fullmatch(r"2\d{3}-\d\d-\d\d", date), promise

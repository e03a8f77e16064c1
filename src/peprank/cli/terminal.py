"""What verbs print: tables on standard output, progress on standard error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from peprank.data import Repairs

if TYPE_CHECKING:
    from peprank.drift import Drift  # which imports torch, and not every verb needs that

_PAGE_COLUMNS = 100  # width of tables where there is no terminal to fit


def output() -> Console:
    """Standard output; as wide as the terminal, or a page where there is none."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _PAGE_COLUMNS
    return console


def say_precision(asked: str, *, bf16: bool) -> None:
    """Say on the error stream what `auto` has come to."""
    if asked == "auto":
        Console(stderr=True, highlight=False).print(f"precision auto: {'bf16' if bf16 else 'float32'}")


def say_repairs(repairs: Repairs, of: str = "") -> None:
    """Say on the error stream what was left out of some files."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    for sentence in repairs.sentences:
        console.print(f"{of}: {sentence}" if of else sentence, markup=False)


def say_drift(drift: Drift | None) -> None:
    """Say on the error stream what has moved since training by more than its limit."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    for sentence in drift.sentences if drift is not None else ():
        console.print(sentence, markup=False)


@contextmanager
def row_progress(what: str) -> Iterator[Callable[[int, int | None], None]]:
    """Give a function to tell (rows of a batch, rows in all if known); draws on the error stream of a terminal only."""
    console = Console(stderr=True, highlight=False)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} rows, {task.fields[rate]:,.0f}/s"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
    with bar:
        task = bar.add_task(what, total=None, rate=0.0)

        def on_rows(rows: int, total: int | None) -> None:
            bar.update(task, advance=rows, total=total, rate=bar.tasks[0].speed or 0.0)

        yield on_rows

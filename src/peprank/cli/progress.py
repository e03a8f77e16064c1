"""Progress on long work: a bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


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

"""Results for the terminal: one table per kind of task, a section per task, a line per segment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from peprank.evaluation.results import Cell, Results, TaskKind

_SHOWN = 6  # segments per task and reasons in all, before the rest is folded
_UNDEFINED = "–"
_WIDE = 100  # characters that all columns of a binary task need


def render(results: Results, *, everything: bool = False, width: int = _WIDE) -> list[RenderableType]:
    """Tables and notes to print one after the other.

    Args:
        everything: show every segment and every reason; otherwise the largest, and how many more there are.
        width: of the terminal, in characters; a narrow one is spared the lesser columns.
    """
    kinds = [kind for kind in TaskKind if any(cell.kind is kind for cell in results.cells)]
    lines = {kind: list(_lines(results, kind, everything)) for kind in kinds}
    columns = {kind: _columns(kind, results.group_feature) for kind in kinds}
    tables = [_table(lines[kind], [c for c in columns[kind] if width >= _WIDE or not c.is_minor]) for kind in kinds]
    shown = [line.cell for kind in kinds for line in lines[kind] if line.cell]
    return [*tables, *_notes(results, shown, everything)]


@dataclass(frozen=True, slots=True)
class _Column:
    """One column of numbers: its heading, and the text of a cell."""

    heading: str
    text: Callable[[Cell], str]
    is_minor: bool = False


@dataclass(frozen=True, slots=True)
class _Line:
    """One row of a table: a heading, or a cell with its name."""

    name: str
    cell: Cell | None = None
    style: str = ""


def _count(heading: str, count: Callable[[Cell], int | None], *, is_minor: bool = False) -> _Column:
    def text(cell: Cell) -> str:
        number = count(cell)
        return _UNDEFINED if number is None else f"{number:,}"

    return _Column(heading, text, is_minor)


def _number(heading: str, measure: str, decimals: int = 4, *, is_minor: bool = False) -> _Column:
    def text(cell: Cell) -> str:
        value = cell.measures[measure].value
        return _UNDEFINED if value is None else f"{value:.{decimals}f}"

    return _Column(heading, text, is_minor)


def _columns(kind: TaskKind, group_feature: str | None) -> list[_Column]:
    rows = _count("rows", lambda cell: cell.rows)
    if kind is TaskKind.REGRESSION:
        errors = [_number("MAE", "mean_absolute_error"), _number("MSE", "mean_squared_error")]
        return [rows, *errors, _number("XAUC", "xauc")]
    if kind is TaskKind.MULTICLASS:
        accuracy, entropy = _number("accuracy", "accuracy"), _number("cross-entropy", "cross_entropy")
        return [rows, _number("AUC", "multiclass_auc"), accuracy, entropy]
    grouped = [
        _number("GAUC", "gauc"),
        _number("plain", "gauc_unweighted", is_minor=True),
        _count("groups", lambda cell: cell.groups, is_minor=True),
    ]
    return [
        rows,
        _count("positives", lambda cell: cell.positives),
        _number("AUC", "auc"),
        *(grouped if group_feature else []),
        _number("logloss", "logloss"),
        _number("NE", "normalized_entropy", 3, is_minor=True),
        _number("calib.", "calibration", 3),
    ]


def _table(lines: Iterable[_Line], columns: Sequence[_Column]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("", no_wrap=True, max_width=26)
    for column in columns:
        table.add_column(column.heading, justify="right", no_wrap=True)
    for line in lines:
        numbers = [column.text(line.cell) for column in columns] if line.cell else []
        table.add_row(Text(line.name), *numbers, style=line.style)
    table.add_row()
    return table


def _lines(results: Results, kind: TaskKind, everything: bool) -> Iterator[_Line]:
    """All tasks over all rows, then each task over each split; splits inside a task's space only with everything."""
    tasks = dict.fromkeys(cell.task for cell in results.cells if cell.kind is kind)
    for task in tasks:
        yield from (_Line(task, cell, "bold") for cell in results.select(task=task))
        inside = results.select(task=task, in_space=True)
        yield from (_Line(f"  where {_space(results, task)}", cell) for cell in inside)
    for column, task in product(results.columns, tasks):
        yield from _split(f"{task} by {column}", list(results.select(task=task, column=column)), everything)
        inside = results.select(task=task, column=column, in_space=True)
        if everything and task in results.spaces:
            yield from _split(f"{task} by {column} where {_space(results, task)}", list(inside), everything)


def _split(title: str, cells: Sequence[Cell], everything: bool) -> Iterator[_Line]:
    num_shown = len(cells) if everything or len(cells) <= _SHOWN else _SHOWN - 1
    yield _Line("")
    yield _Line(title, style="dim")
    for cell in cells[:num_shown]:
        yield _Line(f"  {cell.segment}", cell)
    if num_shown < len(cells):
        yield _Line(f"  ... {len(cells) - num_shown} smaller", style="dim")


def _space(results: Results, task: str) -> str:
    return f"{results.spaces[task]} > 0"


def _notes(results: Results, shown: Sequence[Cell], everything: bool) -> list[RenderableType]:
    notes = []
    if any(cell.kind is TaskKind.BINARY for cell in shown):
        notes.append(_group_note(results.group_feature))
        notes.append("logloss in nats; NE: logloss / that of the mean label; calib.: mean prediction / mean label.")
    reasons = [reason for cell in shown for reason in _reasons(results, cell)]
    num_shown = len(reasons) if everything or len(reasons) <= _SHOWN else _SHOWN - 1
    notes += [f"{_UNDEFINED} {reason}" for reason in reasons[:num_shown]]
    if num_shown < len(reasons):
        notes.append(f"{_UNDEFINED} and so on, {len(reasons) - num_shown} more")
    return [Text(note, style="dim") for note in notes]


def _group_note(group_feature: str | None) -> str:
    if group_feature is None:
        return "No GAUC: eval_config.gauc_feature does not say whose rows form a group."
    return f"GAUC: AUC within each {group_feature} that has both classes, weighted by rows; plain: each counts alike."


def _reasons(results: Results, cell: Cell) -> list[str]:
    """Why numbers of a cell are undefined, each reason once."""
    place = ", ".join(
        part
        for part in (
            cell.task,
            f"{cell.column} = {cell.segment}" if cell.column else "",
            _space(results, cell.task) if cell.in_space else "",
        )
        if part
    )
    measures = cell.measures.items()
    found = dict.fromkeys(
        m.reason for name, m in measures if m.reason and (results.group_feature or "gauc" not in name)
    )
    return [f"{place}: {reason}" for reason in found]

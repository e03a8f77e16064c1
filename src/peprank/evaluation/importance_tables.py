"""Importance for the terminal: fields by task, and the fields that each domain needs most."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from peprank.evaluation.importance import Drop, FieldImportance, Importance

_SHOWN = 20  # fields, before the rest is folded
_DOMAINS = 8  # domains, before the rest is folded
_NEEDED = 3  # fields in the line of a domain
_NAME, _NUMBER, _HEADING, _GAP = 26, 7, 9, 2  # characters of a name, a number, a heading at most, and between them
_UNDEFINED = "–"


def render_importance(
    importance: Importance, *, measure: str = "auc", everything: bool = False, width: int = 100
) -> list[RenderableType]:
    """Tables and notes to print one after the other.

    Args:
        measure: whose drops to show; the field that is needed most comes first.
        everything: show every field and domain; otherwise those that matter most, and how many more there are.
        width: of the terminal, in characters; it decides how many tasks stand side by side.
    """
    ranked = importance.ranked(measure)
    if not ranked:
        return [_note(f"{measure} is undefined for every task on these rows; choose another measure")]
    shown = len(ranked) if everything else _SHOWN
    tables = [_by_task(importance, measure, [field for field, _ in ranked[:shown]], width)]
    _fold(tables[0], len(ranked) - shown, "fields matter less")
    if importance.baseline.domain_column is not None:
        tables.append(_by_domain(importance, measure, None if everything else _DOMAINS))
    return [*tables, *_notes(importance, measure)]


def _by_task(importance: Importance, measure: str, fields: Sequence[str], width: int) -> Table:
    """What it costs each task to shuffle a field, below the model as it is."""
    cells = {(cell.task, cell.field): cell for cell in importance.select()}
    whole = {cell.task: cell.measures[measure] for cell in importance.baseline.select() if measure in cell.measures}
    tasks = _fitting(list(whole), width - _NAME - _NUMBER - _GAP)
    moves = {field: _furthest(importance.select(field=field)) for field in fields}
    has_gates = any(move is not None for move in moves.values())
    table = _table(f"{measure} lost by task", [*tasks, *(["moved"] if has_gates else [])])
    table.add_row("as it is", *(_number(whole[task].value) for task in tasks), style="bold")
    for field in fields:
        drops = [_drop(cells[task, field].drops.get(measure)) for task in tasks]
        table.add_row(field, *drops, *([_number(moves[field], 2)] if has_gates else []))
    return table


def _fitting(tasks: Sequence[str], width: int) -> Sequence[str]:
    """The first tasks, as many as fit side by side; one at least."""
    ends = accumulate(max(_NUMBER, min(len(task), _HEADING)) + _GAP for task in tasks)
    return tasks[: max(1, sum(end <= width for end in ends))]


def _furthest(cells: Iterable[FieldImportance]) -> float | None:
    """How far the gates move a field for the task for which they move it most."""
    return max((cell.moved for cell in cells if cell.moved is not None), default=None)


def _by_domain(importance: Importance, measure: str, shown: int | None) -> Table:
    """The fields that a domain needs most, over all tasks."""
    rows = {cell.domain: cell.rows for cell in importance.cells if cell.domain is not None}
    table = _table(f"{measure} lost by {importance.baseline.domain_column}", ["rows"])
    table.add_column("needed most", no_wrap=True)
    for domain, num_rows in list(rows.items())[:shown]:
        needed = importance.ranked(measure, domain=domain)[:_NEEDED]
        text = ", ".join(f"{field} {drop:.4f}" for field, drop in needed)
        table.add_row(domain, f"{num_rows:,}", text or f"{_UNDEFINED} undefined here")
    _fold(table, 0 if shown is None else len(rows) - shown, "smaller domains")
    return table


def _notes(importance: Importance, measure: str) -> Iterator[Text]:
    text = f"What {measure} loses when the values of a field are shuffled among {importance.baseline.rows:,} rows"
    if importance.repeats > 1:
        text += f": mean of {importance.repeats} shuffles, dim where two standard deviations reach zero"
    yield _note(f"{text}.")
    if any(cell.moved is not None for cell in importance.cells):
        yield _note("moved: |δ - 1| of the gates on the field's way, for the task that they move it most for.")


def _note(text: str) -> Text:
    return Text(text, style="dim")


def _table(title: str, headings: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column(title, no_wrap=True, min_width=_NAME, max_width=_NAME)
    for heading in headings:
        short = heading if len(heading) <= _HEADING else f"{heading[: _HEADING - 1]}…"
        table.add_column(short, justify="right", no_wrap=True, min_width=len(short))
    return table


def _fold(table: Table, num_rest: int, what: str) -> None:
    """End a table with a line for what it leaves out and an empty one."""
    if num_rest > 0:
        table.add_row(Text(f"... {num_rest} {what}", style="dim"))
    table.add_row()


def _drop(drop: Drop | None) -> Text:
    """Dim where the repeats do not agree that it is more than nothing."""
    if drop is None:
        return Text(_UNDEFINED)
    return Text(f"{drop.mean:.4f}", style="dim" if abs(drop.mean) < 2 * drop.std else "")


def _number(value: float | None, decimals: int = 4) -> str:
    return _UNDEFINED if value is None else f"{value:.{decimals}f}"

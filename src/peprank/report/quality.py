"""How good a model is: by task over all rows, by domain as maps, and every number in a table."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from peprank.evaluation import Cell as Judged
from peprank.evaluation import Measure, Results, TaskKind
from peprank.report import blocks
from peprank.report.blocks import Column, Fold, Grid, Section, Text, table_of
from peprank.report.figures import Map, heat_map

FEW = 10  # rows of a class, or groups of GAUC, below which a cell of a map stays empty
_MOST_LINES = 40  # domains in a map, the largest; tables have all


@dataclass(frozen=True, slots=True)
class Shown:
    """A measure as tables and maps show it."""

    name: str  # in `Cell.measures`
    title: str
    hint: str
    decimals: int = 4


_BINARY = (
    Shown("auc", "AUC", "Chance that a positive outranks a negative; 0.5 is a guess"),
    Shown("gauc", "GAUC", "AUC within each user that has both classes, weighted by rows"),
    Shown("logloss", "Logloss", "In nats per row; smaller is better"),
    Shown("normalized_entropy", "NE", "Logloss over that of the task's mean rate; 1 is a guess, smaller is better", 3),
    Shown("calibration", "Calibration", "Mean prediction over mean label; 1 is right on average", 3),
)
_CLASSES = (
    Shown("multiclass_auc", "AUC", "Mean AUC of each class against the rest"),
    Shown("accuracy", "Accuracy", "Share of rows whose most probable class is right"),
    Shown("cross_entropy", "Cross-entropy", "In nats per row; smaller is better"),
)
_NUMBERS = (
    Shown("mean_absolute_error", "MAE", "Mean absolute error, in the label's unit"),
    Shown("mean_squared_error", "MSE", "Mean squared error, in the label's unit squared"),
    Shown("xauc", "XAUC", "Chance that the larger label has the larger prediction"),
)
SHOWN = {TaskKind.BINARY: _BINARY, TaskKind.MULTICLASS: _CLASSES, TaskKind.REGRESSION: _NUMBERS}
_TITLES = {TaskKind.BINARY: "Tasks", TaskKind.MULTICLASS: "Tasks of several classes", TaskKind.REGRESSION: "Numbers"}


def task_section(results: Results) -> Section:
    """Each task over all rows, and inside its space."""
    tables = []
    for kind in _kinds(results):
        cells = [cell for cell in results.cells if cell.kind is kind and cell.column is None]
        tables.append(table_of(f"{_TITLES[kind]}, over all judged rows", cells, _columns(results, kind, _task_name)))
    return Section("tasks", "By task", (*tables, *legend(results)))


def domain_section(results: Results) -> Section | None:
    """Each task in each domain; None where the plan has no domain."""
    column = results.domain_column
    if column is None:
        return None
    told = {cell.segment for cell in results.select(column=column) if not has_few(cell)}
    by_rows = [cell.segment for cell in results.select(task=results.tasks[0], column=column)]
    domains = [domain for domain in by_rows if domain in told]
    maps = [figure for kind in _kinds(results) for figure in _maps(results, kind, column, domains[:_MOST_LINES])]
    folds = [_fold(results, task, column) for task in results.tasks]
    intro = Text(
        f"Domains are values of {column}, those with the most rows first. Cells with fewer than {FEW} rows of a class, "
        "or groups of GAUC, stay empty: their numbers, mostly chance, are under the pointer and in the tables."
    )
    return Section("domains", "By domain", (intro, *_left_out(by_rows, domains), Grid(tuple(maps)), *folds))


def _left_out(domains: Sequence[str], shown: Sequence[str]) -> Iterator[Text]:
    """Say how many domains the maps do not show."""
    left_out = len(domains) - min(len(shown), _MOST_LINES)
    if left_out:
        yield Text(f"The maps leave out {left_out:,} of {len(domains):,} domains, those with too few rows to be shown.")


def legend(results: Results) -> Iterator[Text]:
    """What the measures are."""
    if results.group_feature is None:
        yield Text("There is no GAUC: eval_config.gauc_feature does not say whose rows form a group.")
    else:
        yield Text(
            f"GAUC is the AUC within each {results.group_feature} that has both classes, weighted by rows. Logloss is "
            "in nats. NE, normalised entropy, is logloss over that of the mean rate: 1 is no better than a guess. "
            "Calibration is mean prediction over mean label."
        )


def _kinds(results: Results) -> list[TaskKind]:
    return [kind for kind in TaskKind if any(cell.kind is kind for cell in results.cells)]


def _task_name(results: Results, cell: Judged) -> str:
    return f"{cell.task} where {results.spaces[cell.task]} > 0" if cell.in_space else cell.task


def _domain_name(results: Results, cell: Judged) -> str:
    return f"{cell.segment} where {results.spaces[cell.task]} > 0" if cell.in_space else cell.segment


def _columns(
    results: Results, kind: TaskKind, name: Callable[[Results, Judged], str]
) -> list[tuple[Column, Callable[[Judged], blocks.Cell]]]:
    """What a table says of a cell: its name, what it stands on, its measures."""
    heading = "Task" if name is _task_name else "Domain"
    measures = [shown for shown in SHOWN[kind] if shown.name != "gauc" or results.group_feature]
    return [
        (Column(heading, is_text=True), lambda cell: blocks.words(name(results, cell))),
        *((Column(shown.title, shown.hint), _show(shown)) for shown in measures),
        (Column("Rows"), lambda cell: blocks.count(cell.rows)),
        *(_ground(results) if kind is TaskKind.BINARY else ()),
    ]


def _ground(results: Results) -> Iterator[tuple[Column, Callable[[Judged], blocks.Cell]]]:
    """What the measures of a binary task stand on."""
    yield Column("Positives"), lambda cell: blocks.count(cell.positives)
    yield Column("Rate", "Positives over rows"), lambda cell: blocks.share(_rate(cell), "no rows", 2)
    if results.group_feature:
        hint = f"Groups of {results.group_feature} that GAUC counts: those with both classes"
        yield Column("Groups", hint), lambda cell: blocks.count(cell.groups)


def _show(shown: Shown) -> Callable[[Judged], blocks.Cell]:
    return lambda cell: measured(cell.measures[shown.name], shown.decimals)


def measured(measure: Measure, decimals: int) -> blocks.Cell:
    """The number, or why there is none; without the count of rows, which has a column of its own."""
    return blocks.number(measure.value, decimals, re.sub(r" among [\d,]+ rows?$", "", measure.reason or ""))


def _rate(cell: Judged) -> float | None:
    return None if cell.positives is None or not cell.rows else cell.positives / cell.rows


def _fold(results: Results, task: str, column: str) -> Fold:
    cells = [*results.select(task=task, column=column), *results.select(task=task, column=column, in_space=True)]
    table = table_of(f"{task} by {column}", cells, _columns(results, cells[0].kind, _domain_name))
    return Fold(f"{task}: every number by {column}", (table,))


def _maps(results: Results, kind: TaskKind, column: str, domains: Sequence[str]) -> Iterator[blocks.Figure]:
    by_place = {(cell.segment, cell.task): cell for cell in results.select(column=column) if cell.kind is kind}
    tasks = list(dict.fromkeys(task for _, task in by_place))
    cells = [[by_place[domain, task] for task in tasks] for domain in domains]
    for shown in SHOWN[kind]:
        if shown.name != "normalized_entropy" and (shown.name != "gauc" or results.group_feature):
            yield _map(shown, cells, domains, tasks)


def _map(shown: Shown, cells: list[list[Judged]], domains: Sequence[str], tasks: Sequence[str]) -> blocks.Figure:
    colours = _COLOURS.get(shown.name)
    item = Map(
        lines=domains,
        columns=tasks,
        values=[[_colour(cell, shown) for cell in line] for line in cells],
        texts=[[_text(cell, shown) for cell in line] for line in cells],
        notes=[[f"{shown.title} {_note(cell, shown)}" for cell in line] for line in cells],
        bounds=(min(colours.ticks), max(colours.ticks)) if colours else None,
        is_signed=colours is not None,
        ticks=colours.ticks if colours else {},
    )
    return heat_map(f"{shown.title}: {colours.meaning}" if colours else shown.title, item)


@dataclass(frozen=True, slots=True)
class _Colours:
    """What colours say of a measure: blue is better, orange is worse, or above and below."""

    measure: str  # the one that is coloured
    scale: Callable[[float], float]
    ticks: dict[float, str]  # of the colour bar; the outer ones bound it
    meaning: str


def _ranked(name: str) -> _Colours:
    return _Colours(
        name, lambda auc: auc, {0.2: "0.2", 0.5: "0.5", 0.8: "0.8"}, "blue is better than a guess, orange worse"
    )


_COLOURS = {
    **{name: _ranked(name) for name in ("auc", "gauc", "multiclass_auc", "xauc")},
    "logloss": _Colours(
        "normalized_entropy",
        lambda entropy: 1 - entropy,
        {-0.3: "1.3", 0.0: "NE 1", 0.3: "0.7"},
        "coloured by NE, blue is better than a guess, orange worse",
    ),
    "calibration": _Colours(
        "calibration",
        lambda ratio: -math.log2(max(ratio, 1e-9)),
        {-1.0: "2", 0.0: "1", 1.0: "0.5"},
        "orange predicts too much, blue too little",
    ),
}


def _colour(cell: Judged, shown: Shown) -> float | None:
    """The number that decides a cell's colour; None for a cell that is left empty."""
    colours = _COLOURS.get(shown.name)
    value = cell.measures[colours.measure if colours else shown.name].value
    if value is None or _is_chance(cell, shown):
        return None
    return colours.scale(value) if colours else value


def has_few(cell: Judged, least: int = FEW) -> bool:
    """Whether a binary cell has so few rows of a class that its numbers are mostly chance."""
    return cell.positives is not None and min(cell.positives, cell.rows - cell.positives) < least


def _is_chance(cell: Judged, shown: Shown) -> bool:
    return has_few(cell) or (shown.name == "gauc" and (cell.groups or 0) < FEW)


def _text(cell: Judged, shown: Shown) -> str:
    measure = cell.measures[shown.name]
    if measure.value is None or _is_chance(cell, shown):
        return ""
    return f"{measure.value:.{min(shown.decimals, 2 if measure.value >= 10 else 3)}f}"


def _note(cell: Judged, shown: Shown) -> str:
    measure = cell.measures[shown.name]
    value = f"is undefined: {measure.reason}" if measure.value is None else f"{measure.value:.{shown.decimals}f}"
    positives = "" if cell.positives is None else f", {cell.positives:,} positives"
    groups = f", {cell.groups:,} groups" if shown.name == "gauc" and cell.groups is not None else ""
    return f"{value}\n{cell.rows:,} rows{positives}{groups}"

"""The numbers of several runs side by side: by task, by domain, and against the first run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeAlias

from peprank.compare import MEAN, Place
from peprank.compare.judge import ENOUGH
from peprank.evaluation import TaskKind
from peprank.evaluation.seesaw import LARGER_IS_BETTER, SMALLER_IS_BETTER
from peprank.report import blocks
from peprank.report.blocks import Cell, Column, Fold, Grid, Section, Text, table_of
from peprank.report.differences import place_name, reach_of
from peprank.report.figures import Axis, Line, Map, dots, heat_map
from peprank.report.lineup import Lineup
from peprank.report.quality import Shown, legend, measured
from peprank.report.run import Run

_MOST_DOMAINS = 12  # of a map; tables have all

_At: TypeAlias = tuple[Run, str | None]  # a run in a domain, None: over all rows


def beside_section(lineup: Lineup) -> Section:
    """A dot per run and task, each measure by run and task, every number by domain."""
    kinds = list(dict.fromkeys(lineup.kinds.values()))
    dotted = (Grid(figures),) if (figures := tuple(_figures(lineup))) else ()
    tables = [_table(lineup, kind, shown) for kind in kinds for shown in lineup.shown(kind)]
    folds = [_by_domain(lineup, task) for task in lineup.kinds if lineup.domains]
    return Section("tasks", "By task", (*dotted, *tables, *legend(lineup.first.results), *folds))


def gain_section(lineup: Lineup) -> Section | None:
    """Maps of each measure against the first run; None where nothing can be compared."""
    measures = {shown.name: shown for kind in dict.fromkeys(lineup.kinds.values()) for shown in lineup.shown(kind)}
    maps = {name: figure for name, shown in measures.items() if (figure := _map(lineup, shown)) is not None}
    if not maps:
        return None
    first = lineup.first.name
    left_out = max(0, len(lineup.domains) - _MOST_DOMAINS)
    few = f" Of the domains, the {_MOST_DOMAINS} largest are shown." if left_out else ""
    explained = (
        f"The gain on {first}: blue is better, orange worse. The colour says how large a difference is, not that it is "
        f"more than noise. Cells with fewer than {ENOUGH} rows of a class stay empty; mean is that over the tasks with "
        f"enough in the domain.{few}"
    )
    (_, shown), *others = maps.items()
    folds = [Fold(f"{measures[name].title} against {first}", (figure,)) for name, figure in others]
    return Section("differences", f"Against {first}", (Text(explained), shown, *folds))


def _figures(lineup: Lineup) -> Iterator[blocks.Figure]:
    """The main measure of each task that can be compared, and of their mean, with a mark per run."""
    if len(lineup.averaged(None)) > 1:
        yield from _dots(lineup, MEAN, TaskKind.BINARY)
    for task in lineup.shared_tasks:
        yield from _dots(lineup, task, lineup.kinds[task])


def _dots(lineup: Lineup, task: str, kind: TaskKind) -> Iterator[blocks.Figure]:
    shown = lineup.shown(kind)[0]
    title = "mean over tasks" if task == MEAN else task
    if values := lineup.comparable(Place(task, None, shown.name)):
        notes = [f"{value:.{shown.decimals}f}" for value in values.values()]
        line = Line(name=title, x=list(values.values()), y=(), notes=notes)
        yield dots(f"{title}: {shown.title}", Axis(title=shown.title), list(values), [line])


def _table(lineup: Lineup, kind: TaskKind, shown: Shown) -> blocks.Table:
    """One measure by run and task."""

    def column(task: str, name: str, hint: str = "") -> tuple[Column, Callable[[Run], Cell]]:
        return Column(name, hint), lambda run: _number(lineup, run, Place(task, None, shown.name), shown)

    averaged = lineup.averaged(None)
    has_mean = kind is TaskKind.BINARY and len(averaged) > 1
    columns = [
        (Column("Run", is_text=True), lambda run: blocks.words(run.name)),
        *([column(MEAN, "mean", f"Over {', '.join(averaged)}")] if has_mean else []),
        *(column(task, task) for task, other in lineup.kinds.items() if other is kind),
    ]
    against = "" if lineup.problem else f", and the difference to {lineup.first.name}"
    return table_of(f"{shown.title} over all rows{against}", lineup.runs, columns)


def _by_domain(lineup: Lineup, task: str) -> Fold:
    """Every measure of a task, per domain and run, beside what it stands on."""

    def column(shown: Shown) -> tuple[Column, Callable[[_At], Cell]]:
        place = Place(task, None, shown.name)
        return (
            Column(shown.title, shown.hint),
            lambda at: _number(lineup, at[0], replace(place, domain=at[1]), shown),
        )

    def counted(name: str) -> tuple[Column, Callable[[_At], Cell]]:
        return Column(name.capitalize()), lambda at: _count(lineup, at[0], Place(task, at[1], name))

    places = [(run, domain) for domain in (None, *lineup.domains) for run in lineup.runs]
    columns = [
        (Column("Run", is_text=True), lambda at: blocks.words(at[0].name)),
        (Column("Domain", is_text=True), lambda at: blocks.words("all" if at[1] is None else at[1])),
        *map(column, lineup.shown(lineup.kinds[task])),
        counted("rows"),
        *([counted("positives")] if lineup.kinds[task] is TaskKind.BINARY else []),
    ]
    return Fold(f"{task}: every number by domain", (table_of(f"{task} by domain and run", places, columns),))


def _number(lineup: Lineup, run: Run, place: Place, shown: Shown) -> Cell:
    """A run's number and its difference to the first's, or why there is none."""
    value = lineup.value(run, place)
    if value is None:
        return _missing(lineup, run, place)
    difference = None if run is lineup.first else lineup.difference(run, place)
    detail = "" if difference is None else f"{difference:+.{shown.decimals}f}"
    return Cell(f"{value:.{shown.decimals}f}", value, detail=detail)


def _count(lineup: Lineup, run: Run, place: Place) -> Cell:
    """What a number stands on: `place.measure` names a count of the cell."""
    cell = lineup.cell(run, place.task, place.domain)
    return _missing(lineup, run, place) if cell is None else blocks.count(getattr(cell, place.measure))


def _missing(lineup: Lineup, run: Run, place: Place) -> Cell:
    """Why a run has no number there."""
    if place.task == MEAN:
        return blocks.missing("undefined for a task")
    if (cell := lineup.cell(run, place.task, place.domain)) is not None:
        return measured(cell.measures[place.measure], 0)
    is_task = lineup.cell(run, place.task, None) is not None
    return blocks.missing("this run does not tell the domain apart" if is_task else "not a task of this run")


def _places(lineup: Lineup, measure: str) -> list[Place]:
    """Where some run can be told against the first: the mean, then each task; all rows first, then the domains."""
    tasks = [*([MEAN] if len(lineup.averaged(None)) > 1 else []), *lineup.shared_tasks]
    domains = [None, *lineup.domains[:_MOST_DOMAINS]]
    places = [Place(task, domain, measure) for task in tasks for domain in domains]
    return [place for place in places if any(lineup.gain(run, place) is not None for run in lineup.others)]


def _map(lineup: Lineup, shown: Shown) -> blocks.Figure | None:
    """The gain of each run by task and domain; None where none is known."""
    places = _places(lineup, shown.name) if shown.name in LARGER_IS_BETTER | SMALLER_IS_BETTER else []
    if not places:
        return None
    gains = [[lineup.gain(run, place) for run in lineup.others] for place in places]
    reach = reach_of([gain for line in gains for gain in line if gain is not None])
    item = Map(
        lines=[place_name(lineup.domain_column, place) for place in places],
        columns=[run.name for run in lineup.others],
        values=gains,
        texts=[["" if gain is None else f"{gain:+.4f}" for gain in line] for line in gains],
        notes=[[_note(lineup, run, place, shown) for run in lineup.others] for place in places],
        bounds=(-reach, reach),
        is_signed=True,
    )
    return heat_map(f"Gain in {shown.title} on {lineup.first.name}", item)


def _note(lineup: Lineup, run: Run, place: Place, shown: Shown) -> str:
    gain = lineup.gain(run, place)
    if gain is None:
        return "not comparable: too few rows of a class, or other rows"
    value, first = (lineup.value(each, place) for each in (run, lineup.first))
    cell = lineup.cell(run, place.task, place.domain)
    rows = "" if cell is None else f"\n{cell.rows:,} rows"
    positives = "" if cell is None or cell.positives is None else f", {cell.positives:,} positives"
    return f"{shown.title} {value:.4f}, {lineup.first.name} {first:.4f}: gain {gain:+.4f}{rows}{positives}"

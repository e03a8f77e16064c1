"""A comparison in tables, for the terminal and for a Markdown page."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from peprank.compare.results import MEAN, Comparison, Place, Spread, Standing, State
from peprank.compare.verdict import verdict
from peprank.datasets import gap_closed

_UNDEFINED = "–"
_SIGNS = {State.BETTER: "▲", State.SAME: "=", State.WORSE: "▼"}
_STYLES = {"▲": "green", "=": "dim", "▼": "red"}
_STAR = 0.05
_TEXTS = ("network", "changes to the config")  # headings of columns that hold no numbers


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table: the first column says what a row is about."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]


def render(comparison: Comparison) -> list[RenderableType]:
    """Numbers, the seesaw, costs, failures and the verdict, to print one after the other."""
    said = "\n".join([*_failures(comparison), *verdict(comparison)])
    return [*(Group(Text(sheet.title, "bold"), _rich(sheet)) for sheet in sheets(comparison)), said]


def markdown(comparison: Comparison) -> str:
    """The same as a section of a page."""
    said = [f"- {line}" for line in (*verdict(comparison), *_failures(comparison))]
    return "\n\n".join(["\n".join(said), *map(_markdown, sheets(comparison))]) + "\n"


def sheets(comparison: Comparison) -> list[Sheet]:
    """The tables of a comparison."""
    measures = dict.fromkeys([comparison.measure, "auc", "logloss"])
    numbers = [_numbers(comparison, measure) for measure in measures]
    seesaw = [_seesaw(comparison)] if len(comparison.standings) > 1 else []
    gaps = [_gaps(comparison)] if comparison.bounds else []
    changes = [_changes(comparison)] if any(standing.changes for standing in comparison.standings) else []
    return [*numbers, *seesaw, *gaps, _costs(comparison), *changes]


def _numbers(comparison: Comparison, measure: str) -> Sheet:
    tasks = [MEAN, *(task.name for task in comparison.tasks if task.is_tested)]
    seeds = f"mean ± deviation of {len(comparison.seeds)} seeds" if len(comparison.seeds) > 1 else "one seed"
    return Sheet(
        f"{measure.upper()} of all {comparison.eval_rows:,} rows, {seeds}; *: p < {_STAR} against the first",
        ["model", *tasks],
        [
            [standing.name, *(_cell(standing, Place(task, None, measure), is_first=k == 0) for task in tasks)]
            for k, standing in enumerate(comparison.standings)
        ],
    )


def _cell(standing: Standing, place: Place, *, is_first: bool) -> str:
    """`0.6157 ± 0.0019*`; a star where it differs from the first beyond noise."""
    if place not in standing.numbers:
        return _UNDEFINED
    test = standing.against_leader.get(place)
    star = "*" if test is not None and not is_first and test.difference.p < _STAR else ""
    return _spread(standing.numbers[place]) + star


def _spread(spread: Spread) -> str:
    if spread.mean is None:
        return _UNDEFINED
    return f"{spread.mean:.4f}" + ("" if spread.deviation is None else f" ± {spread.deviation:.4f}")


def _seesaw(comparison: Comparison) -> Sheet:
    """Each domain (mean over tasks) and task (all rows) against the reference."""
    seesaws = {
        standing.name: standing.seesaw(comparison.measure)
        for standing in comparison.standings
        if standing.name != comparison.reference
    }
    columns = [
        (kind, name)
        for kind in ("domains", "tasks")
        for name in dict.fromkeys(name for seesaw in seesaws.values() for name in seesaw[kind])
    ]
    return Sheet(
        f"{comparison.measure.upper()} against {comparison.reference}: ▲ better, = same, ▼ worse beyond noise",
        ["model", *(f"{comparison.domain_column} {name}" if kind == "domains" else name for kind, name in columns)],
        [[name, *(_sign(seesaw[kind].get(column)) for kind, column in columns)] for name, seesaw in seesaws.items()],
    )


def _sign(state: State | None) -> str:
    return _UNDEFINED if state is None else _SIGNS[state]


def _gaps(comparison: Comparison) -> Sheet:
    """How far each model came from a guess to the truth, per task and per domain; sparser ones to the right."""
    tasks = sorted(
        (task for task in comparison.tasks if Place(task.name, None, "auc") in comparison.bounds),
        key=lambda task: -(task.positives or 0),
    )
    mean_over = [task.name for task in tasks if task.counts]
    columns = {f"{task.name} ({task.positives or 0:,})": [Place(task.name, None, "auc")] for task in tasks}
    for domain, rows in comparison.domains.items():
        places = [Place(task, domain, "auc") for task in mean_over]
        if {*places} <= comparison.bounds.keys():
            columns[f"{comparison.domain_column} {domain} ({rows:,})"] = places
    return Sheet(
        "AUC between a guess per domain (0 %) and the truth (100 %): tasks by falling positives, over all rows; domains"
        f" by falling rows, mean over {', '.join(mean_over)}",
        ["model", *columns],
        [[one.name, *(_gap(one, places, comparison) for places in columns.values())] for one in comparison.standings],
    )


def _gap(standing: Standing, places: Sequence[Place], comparison: Comparison) -> str:
    """`61.3% ± 0.4%`: mean over places, and its deviation over the seeds."""
    if not all(place in standing.numbers for place in places):
        return _UNDEFINED
    closed = [_closed(standing, place, comparison) for place in places]
    known = [[share for share in seed if share is not None] for seed in zip(*closed, strict=True)]
    if not places or any(len(shares) < len(places) for shares in known):
        return _UNDEFINED
    shares = Spread(tuple(statistics.fmean(shares) for shares in known))
    return f"{shares.mean:.1%}" + ("" if shares.deviation is None else f" ± {shares.deviation:.1%}")


def _closed(standing: Standing, place: Place, comparison: Comparison) -> list[float | None]:
    """Share of the gap, seed by seed."""
    bounds = comparison.bounds[place]
    return [gap_closed(auc, bounds.guess, bounds.truth) for auc in standing.numbers[place].values]


def _costs(comparison: Comparison) -> Sheet:
    return Sheet(
        "What it costs: a net's parameters and multiply-adds per row; training of one seed, all nets",
        ["model", "network", "nets", "dense", "embeddings", "multiply-adds", "training"],
        [list(_cost(standing)) for standing in comparison.standings],
    )


def _cost(standing: Standing) -> Iterator[str]:
    yield standing.name
    yield standing.model
    sizes = (standing.dense_parameters, standing.embedding_parameters, standing.multiply_adds)
    yield from (f"{count:,}" for count in (standing.num_nets, *sizes))
    yield f"{sum(standing.train_s) / len(standing.train_s):,.0f} s" if standing.train_s else _UNDEFINED


def _changes(comparison: Comparison) -> Sheet:
    rows = [[standing.name, " ".join(standing.changes)] for standing in comparison.standings if standing.changes]
    return Sheet("Own settings", ["model", "changes to the config"], rows)


def _failures(comparison: Comparison) -> Iterator[str]:
    for standing in comparison.standings:
        yield from (f"failed: {failure.run}: {failure.reason}" for failure in standing.failures)


def _rich(sheet: Sheet) -> Table:
    table = Table(box=None)
    for k, heading in enumerate(sheet.headings):
        table.add_column(heading, justify="left" if k == 0 or heading in _TEXTS else "right")
    for row in sheet.rows:
        table.add_row(*(Text(cell, _STYLES.get(cell, "")) for cell in row))
    return table


def _markdown(sheet: Sheet) -> str:
    lines = [sheet.headings, ["---"] * len(sheet.headings), *sheet.rows]
    return "\n".join([f"{sheet.title}:", "", *(f"| {' | '.join(_escaped(cell) for cell in line)} |" for line in lines)])


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|")

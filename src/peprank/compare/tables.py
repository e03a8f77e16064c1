"""A comparison for the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from peprank.compare.results import MEAN, Comparison, Place, Spread, Standing, State
from peprank.compare.verdict import verdict

_UNDEFINED = "–"
_SIGNS = {State.BETTER: ("▲", "green"), State.SAME: ("=", "dim"), State.WORSE: ("▼", "red")}


def render(comparison: Comparison) -> list[RenderableType]:
    """Numbers, costs, the seesaw and the verdict, to print one after the other."""
    measures = dict.fromkeys([comparison.measure, "auc"])
    tables = [_numbers(comparison, measure) for measure in measures]
    return [*tables, _costs(comparison), _seesaw(comparison), *_failures(comparison), *verdict(comparison)]


def _numbers(comparison: Comparison, measure: str) -> Table:
    tasks = [MEAN, *(task.name for task in comparison.tasks if task.counts)]
    seeds = f"mean ± deviation of {len(comparison.seeds)} seeds" if len(comparison.seeds) > 1 else "one seed"
    table = _table(
        f"{measure.upper()}, all {comparison.eval_rows:,} rows, {seeds}; * p < 0.05 against the first", "model"
    )
    for task in tasks:
        table.add_column(task, justify="right")
    for standing in comparison.standings:
        cells = [
            _cell(standing, Place(task, None, measure), is_first=standing is comparison.standings[0]) for task in tasks
        ]
        table.add_row(standing.name, *cells)
    return table


def _cell(standing: Standing, place: Place, *, is_first: bool) -> str:
    """`0.6157 ± 0.0019*`; a star where it is worse than the first beyond noise."""
    if place not in standing.numbers:
        return _UNDEFINED
    test = standing.against_leader.get(place)
    star = "*" if test is not None and not is_first and test.difference.p < 0.05 else " "
    return _spread(standing.numbers[place]) + star


def _spread(spread: Spread) -> str:
    if spread.mean is None:
        return _UNDEFINED
    return f"{spread.mean:.4f}" + ("" if spread.deviation is None else f" ± {spread.deviation:.4f}")


def _costs(comparison: Comparison) -> Table:
    table = _table("What it costs: a net's parameters and multiply-adds per row; training of a seed", "model")
    for heading in ("network", "nets", "dense", "embeddings", "multiply-adds", "training"):
        table.add_column(heading, justify="left" if heading == "network" else "right")
    for standing in comparison.standings:
        seconds = f"{sum(standing.train_s) / len(standing.train_s):,.0f} s" if standing.train_s else _UNDEFINED
        counts = (standing.num_nets, standing.dense_parameters, standing.embedding_parameters, standing.multiply_adds)
        table.add_row(standing.name, standing.model, *(f"{count:,}" for count in counts), seconds)
    return table


def _seesaw(comparison: Comparison) -> Table:
    """Each domain (mean over tasks) and task (all rows) against the reference."""
    what = f"{comparison.measure.upper()} against {comparison.reference}: ▲ better, = same, ▼ worse beyond noise"
    table = _table(what, "model")
    seesaws = {standing.name: standing.seesaw(comparison.measure) for standing in comparison.standings}
    columns = {
        kind: list(dict.fromkeys(name for seesaw in seesaws.values() for name in seesaw[kind]))
        for kind in ("domains", "tasks")
    }
    for kind, names in columns.items():
        for name in names:
            table.add_column(f"{comparison.domain_column} {name}" if kind == "domains" else name, justify="center")
    for name, seesaw in seesaws.items():
        if name != comparison.reference:
            states = (seesaw[kind].get(column) for kind, each in columns.items() for column in each)
            table.add_row(name, *(Text(*_SIGNS[state]) if state else _UNDEFINED for state in states))
    return table


def _failures(comparison: Comparison) -> Iterator[str]:
    for standing in comparison.standings:
        yield from (f"failed: {failure.run}: {failure.reason}" for failure in standing.failures)


def _table(title: str, first: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None)
    table.add_column(first)
    return table

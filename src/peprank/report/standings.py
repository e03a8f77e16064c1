"""Where each contender stands: its means and their spread over the seeds, by task and domain, and what it costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from peprank.compare import MEAN, Comparison, PairedTest, Place, Spread, Standing, State
from peprank.report import blocks
from peprank.report.blocks import Block, Cell, Column, Fold, Grid, Section, Text, table_of
from peprank.report.figures import Axis, Line, dots

TITLES = {
    "gauc": "GAUC",
    "auc": "AUC",
    "logloss": "Logloss",
    "normalized_entropy": "NE",
    "calibration": "Calibration",
}
_NO_SCORES = "a run of each seed has failed"
_UNDEFINED = "undefined with at least one seed"
_NO_MEAN = "not part of the mean"
_NOT_TESTED = "not tested"

Columns = list[tuple[Column, Callable[[Standing], Cell]]]


def ranking_section(comparison: Comparison) -> Section:
    """Contenders, best first: the mean over tasks, the lead on the best other one, seesaws, costs."""
    table = table_of("Contenders, best first", comparison.standings, [*_ranking(comparison), *_costs()])
    return Section("ranking", "Ranking", (table, Text(_explained(comparison)), *_failures(comparison)))


def measure_section(comparison: Comparison) -> Section:
    """GAUC by task with its spread, then each measure by task as numbers."""
    tasks = [MEAN, *(task.name for task in comparison.tasks if task.is_tested)]
    figures = tuple(_dots(comparison, task) for task in tasks)
    tables = [_by_task(comparison, measure) for measure in _measures(comparison)]
    folds = [_by_domain(comparison, task.name) for task in comparison.tasks]
    return Section("tasks", "By task", (Grid(figures), *_left_out(comparison), *tables, *folds))


def _left_out(comparison: Comparison) -> Iterator[Text]:
    left_out = [f"{task.name} ({_positives(task.positives)})" for task in comparison.tasks if not task.counts]
    if left_out:
        yield Text(
            "The mean is over the tasks with enough rows of each class, or over those asked for. Not part of it: "
            f"{', '.join(left_out)}."
        )


def spread_cell(spread: Spread | None, decimals: int = 4, *, star: bool = False) -> Cell:
    """A mean and its deviation over the seeds; a star where a test says that it differs."""
    if spread is None:
        return blocks.missing(_NO_SCORES)
    if spread.mean is None:
        return blocks.missing(_UNDEFINED)
    deviation = "" if spread.deviation is None else f"± {spread.deviation:.{decimals}f}"
    return Cell(f"{spread.mean:.{decimals}f}{'*' if star else ''}", spread.mean, detail=deviation)


def _explained(comparison: Comparison) -> str:
    seeds = len(comparison.seeds)
    spread = f"Means of {seeds} seeds ± their standard deviation" if seeds > 1 else "One seed, so no spread is known"
    matched = " Nets have the dense parameters of the config's own, within a tenth." if comparison.is_matched else ""
    return (
        f"{spread}. Lead is the difference to the best other one (to the first, for all but the first) with its 95 % "
        "interval over other users and seeds. Worse counts domains and tasks that are worse than "
        f"{comparison.reference} beyond noise. Parameters and multiply-adds are those of one net, training is "
        f"that of all its nets.{matched}"
    )


def _ranking(comparison: Comparison) -> Columns:
    place = Place(MEAN, None, comparison.measure)
    name = TITLES[comparison.measure]
    return [
        (Column("Model", is_text=True), lambda standing: blocks.words(standing.name)),
        (
            Column(f"Mean {name}", "Over the tasks that count"),
            lambda standing: spread_cell(standing.numbers.get(place)),
        ),
        (Column("Lead", "With its 95 % interval"), lambda standing: lead_cell(standing.against_leader.get(place))),
        (
            Column("p", "Chance of such a lead without a difference"),
            lambda standing: _p(standing.against_leader.get(place)),
        ),
        (Column("Worse domains"), lambda standing: _worse(standing, comparison, "domains")),
        (Column("Worse tasks"), lambda standing: _worse(standing, comparison, "tasks")),
    ]


def lead_cell(test: PairedTest | None) -> Cell:
    """A gain with its interval, coloured where it is beyond noise."""
    if test is None:
        return blocks.missing(_NOT_TESTED)
    low, high = sorted((test.difference.low, test.difference.high))
    if test.gain != test.difference.value:
        low, high = -high, -low
    tone = {State.BETTER: "good", State.SAME: "", State.WORSE: "bad"}[test.state]
    return Cell(f"{test.gain:+.4f}", test.gain, tone=tone, detail=f"[{low:+.4f}, {high:+.4f}]")


def _p(test: PairedTest | None) -> Cell:
    return blocks.number(test.difference.p if test else None, 3, _NOT_TESTED)


def _worse(standing: Standing, comparison: Comparison, kind: str) -> Cell:
    if standing.name == comparison.reference:
        return blocks.missing("it is the reference")
    states = standing.seesaw(comparison.measure)[kind]
    if not states:
        return blocks.missing(_NOT_TESTED)
    num = sum(state is State.WORSE for state in states.values())
    return Cell(f"{num} of {len(states)}", float(num), tone="bad" if num else "")


def _costs() -> Columns:
    return [
        (Column("Training", "Seconds of a seed, all nets"), lambda standing: _seconds(standing.train_s)),
        (Column("Multiply-adds", "Per row and net"), lambda standing: blocks.count(standing.multiply_adds)),
        (
            Column("Dense", "Parameters of a net outside the tables"),
            lambda standing: blocks.count(standing.dense_parameters),
        ),
        (Column("Embedding", "Parameters in the tables"), lambda standing: blocks.count(standing.embedding_parameters)),
        (Column("Nets"), lambda standing: blocks.count(standing.num_nets)),
        (Column("Network", is_text=True), lambda standing: blocks.words(standing.model)),
    ]


def _seconds(seconds: Sequence[float]) -> Cell:
    return Cell(f"{(mean := sum(seconds) / len(seconds)):,.0f} s", mean) if seconds else blocks.missing(_NO_SCORES)


def _failures(comparison: Comparison) -> Iterator[Block]:
    failures = [failure for standing in comparison.standings for failure in standing.failures]
    if failures:
        columns = [
            (Column("Failed run", is_text=True), lambda failure: blocks.words(failure.run, "bad")),
            (Column("Why", is_text=True), lambda failure: blocks.words(failure.reason)),
        ]
        yield table_of("Failed runs; their seeds are left out of the numbers", failures, columns)


def _dots(comparison: Comparison, task: str) -> blocks.Figure:
    """One line per contender: its mean over the seeds with one deviation to both sides."""
    title = TITLES[comparison.measure]
    place = Place(task, None, comparison.measure)
    spreads = [standing.numbers.get(place, Spread(())) for standing in comparison.standings]
    ends = [(s.mean, s.deviation) for s in spreads]
    line = Line(
        name=_task_title(task),
        x=[mean for mean, _ in ends],
        y=(),
        low=[None if mean is None or dev is None else mean - dev for mean, dev in ends],
        high=[None if mean is None or dev is None else mean + dev for mean, dev in ends],
        notes=[_note(spread) for spread in spreads],
    )
    return dots(f"{_task_title(task)}: {title}", Axis(title=title), [s.name for s in comparison.standings], [line])


def _task_title(task: str) -> str:
    return "mean over tasks" if task == MEAN else task


def _note(spread: Spread) -> str:
    if spread.mean is None:
        return _UNDEFINED if spread.values else _NO_SCORES
    deviation = "" if spread.deviation is None else f" ± {spread.deviation:.4f}"
    return f"{spread.mean:.4f}{deviation}\nseeds {', '.join(f'{value:.4f}' for value in spread.values)}"


def _measures(comparison: Comparison) -> list[str]:
    known = {place.measure for standing in comparison.standings for place in standing.numbers}
    return [measure for measure in TITLES if measure in known]


def _by_task(comparison: Comparison, measure: str) -> blocks.Table:
    tasks = [MEAN, *(task.name for task in comparison.tasks)]
    first = comparison.standings[0].name

    def column(task: str) -> tuple[Column, Callable[[Standing], Cell]]:
        place = Place(task, None, measure)
        return Column("mean" if task == MEAN else task), lambda standing: _starred(standing, place, first)

    known = [task for task in tasks if any(Place(task, None, measure) in s.numbers for s in comparison.standings)]
    columns = [(Column("Model", is_text=True), lambda standing: blocks.words(standing.name)), *map(column, known)]
    return table_of(f"{TITLES[measure]} over all rows; * differs from {first}, p < 0.05", comparison.standings, columns)


def _starred(standing: Standing, place: Place, first: str) -> Cell:
    test = standing.against_leader.get(place)
    star = test is not None and test.against == first and test.difference.p < 0.05
    missing = _NO_MEAN if standing.numbers else _NO_SCORES
    return spread_cell(standing.numbers[place], star=star) if place in standing.numbers else blocks.missing(missing)


def _by_domain(comparison: Comparison, task: str) -> Fold:
    """Every measure of a task, per domain and contender."""
    domains = [None, *comparison.domains]
    places = [(domain, standing) for domain in domains for standing in comparison.standings]

    def column(measure: str) -> tuple[Column, Callable[[tuple[str | None, Standing]], Cell]]:
        return Column(TITLES[measure]), lambda at: spread_cell(at[1].numbers.get(Place(task, at[0], measure)))

    columns = [
        (Column("Model", is_text=True), lambda at: blocks.words(at[1].name)),
        (Column("Domain", is_text=True), lambda at: blocks.words("all" if at[0] is None else at[0])),
        *map(column, _measures(comparison)),
    ]
    return Fold(f"{task}: every number by domain", (table_of(f"{task} by domain and model", places, columns),))


def _positives(number: int | None) -> str:
    return "not binary" if number is None else f"{number:,} positives"

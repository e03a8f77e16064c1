"""Who wins where: differences to the reference by task and domain, the tests behind them, and the seesaw."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product

import numpy as np

from peprank.compare import MEAN, Comparison, PairedTest, Place, Standing, State
from peprank.compare.judge import ENOUGH
from peprank.report import blocks
from peprank.report.blocks import Block, Cell, Column, Fold, Section, Text, table_of
from peprank.report.figures import Map, heat_map
from peprank.report.standings import TITLES, lead_cell

_SIGNS = {State.BETTER: ("▲ better", "good"), State.SAME: ("= same", ""), State.WORSE: ("▼ worse", "bad")}
_TYPICAL = 90  # percentile of the differences that has the full colour; a few large ones must not pale the rest
_LEAST_REACH = 1e-4  # where no number differs at all
_FEW = "too few rows of a class to be tested"


def difference_section(comparison: Comparison) -> Section:
    """Maps of each tested measure against the reference, that of the ranking first."""
    rivals = [s for s in comparison.standings if s.name != comparison.reference and s.against_reference]
    if not rivals:
        return Section(
            "differences", "Against the reference", (Text("There is nothing to compare with the reference."),)
        )
    explained = (
        f"The gain on {comparison.reference}. Colours and stars mark what is beyond noise, p < 0.05 after correction "
        "for the cells read beside it: blue is better, orange worse. The other numbers are within noise, large ones "
        f"too. Cells with fewer than {ENOUGH} rows of a class are not tested; mean is that over the tasks tested in "
        "the domain."
    )
    tested = {place.measure for standing in rivals for place in standing.against_reference}
    first, *others = [measure for measure in dict.fromkeys([comparison.measure, *TITLES]) if measure in tested]
    folds = [
        Fold(f"{TITLES[measure]} against {comparison.reference}", (_map(comparison, rivals, measure),))
        for measure in others
    ]
    tests = [_tests(comparison, rivals, measure) for measure in (first, *others)]
    return Section(
        "differences",
        f"Against {comparison.reference}",
        (Text(explained), _map(comparison, rivals, first), *folds, *tests),
    )


def seesaw_section(comparison: Comparison) -> Section:
    """Each domain and task of each contender as better, same or worse."""
    rivals = [s for s in comparison.standings if s.name != comparison.reference and s.against_reference]
    seesaws = {standing.name: standing.seesaw(comparison.measure) for standing in rivals}
    columns: list[tuple[Column, Callable[[Standing], Cell]]] = [
        (Column("Model", is_text=True), lambda standing: blocks.words(standing.name))
    ]
    for kind in ("domains", "tasks"):
        names = dict.fromkeys(name for seesaw in seesaws.values() for name in seesaw[kind])
        columns += [_state_column(comparison, seesaws, kind, name) for name in names]
    explained = Text(
        f"{TITLES[comparison.measure]} against {comparison.reference}, beyond noise: domains by the mean over their "
        "tasks, tasks over all rows. A model has a domain seesaw if a domain is worse, a task seesaw if a task is."
    )
    parts: tuple[Block, ...] = (explained, table_of("The seesaw", rivals, columns)) if rivals else (explained,)
    return Section("seesaw", "Seesaw", parts)


def _state_column(
    comparison: Comparison, seesaws: Mapping[str, Mapping[str, Mapping[str, State]]], kind: str, name: str
) -> tuple[Column, Callable[[Standing], Cell]]:
    place = Place(MEAN, name, comparison.measure) if kind == "domains" else Place(name, None, comparison.measure)
    title = f"{comparison.domain_column} {name}" if kind == "domains" else name

    def show(standing: Standing) -> Cell:
        state = seesaws[standing.name][kind].get(name)
        if state is None:
            return blocks.missing(_FEW)
        text, tone = _SIGNS[state]
        gain = standing.against_reference[place].gain
        return Cell(text, gain, tone=tone, detail=f"{gain:+.4f}")

    return Column(title), show


def _places(comparison: Comparison, rivals: Sequence[Standing], measure: str) -> list[Place]:
    """Tested places: the mean, then each task; all rows first, then the domains, the largest first."""
    tested = {place for standing in rivals for place in standing.against_reference}
    tasks = [MEAN, *(task.name for task in comparison.tasks)]
    wanted = product(tasks, [None, *comparison.domains])
    return [place for task, domain in wanted if (place := Place(task, domain, measure)) in tested]


def place_name(domain_column: str | None, place: Place) -> str:
    """Such as "click · tab 1"."""
    return f"{place.task} · {'all' if place.domain is None else f'{domain_column} {place.domain}'}"


def reach_of(gains: Sequence[float]) -> float:
    """How far the colours of a map of gains go to both sides."""
    return float(np.percentile(np.abs(gains), _TYPICAL)) or _LEAST_REACH


def _map(comparison: Comparison, rivals: Sequence[Standing], measure: str) -> blocks.Figure:
    places = _places(comparison, rivals, measure)
    tests = [[standing.against_reference.get(place) for standing in rivals] for place in places]
    found = [test for line in tests for test in line if test is not None]
    beyond = [test for test in found if test.state is not State.SAME]
    reach = reach_of([test.gain for test in beyond or found])
    item = Map(
        lines=[place_name(comparison.domain_column, place) for place in places],
        columns=[standing.name for standing in rivals],
        values=[[_colour(test) for test in line] for line in tests],
        texts=[["" if test is None else _text(test) for test in line] for line in tests],
        notes=[[_note(test, measure) for test in line] for line in tests],
        bounds=(-reach, reach),
        is_signed=True,
    )
    return heat_map(f"Gain in {TITLES[measure]} on {comparison.reference}", item)


def _colour(test: PairedTest | None) -> float | None:
    """The gain beyond noise; what is within noise has the colour of no gain."""
    if test is None:
        return None
    return 0.0 if test.state is State.SAME else test.gain


def _text(test: PairedTest) -> str:
    return f"{test.gain:+.3f}{'' if test.state is State.SAME else '*'}"


def _note(test: PairedTest | None, measure: str) -> str:
    if test is None:
        return _FEW
    low, high = sorted((test.difference.low, test.difference.high))
    return (
        f"{TITLES[measure]} {test.difference.value:+.4f} against {test.against}\n95 % [{low:+.4f}, {high:+.4f}]\n"
        f"p = {test.difference.p:.3f}, corrected {test.p_holm:.3f}: {test.state.value}"
    )


def _tests(comparison: Comparison, rivals: Sequence[Standing], measure: str) -> Fold:
    """Every test of a measure as numbers."""
    found = [
        (standing, place, standing.against_reference[place])
        for place in _places(comparison, rivals, measure)
        for standing in rivals
        if place in standing.against_reference
    ]
    table = table_of(
        f"{TITLES[measure]}: gain on {comparison.reference}, its 95 % interval and p values",
        found,
        [
            (Column("Model", is_text=True), lambda row: blocks.words(row[0].name)),
            (Column("Where", is_text=True), lambda row: blocks.words(place_name(comparison.domain_column, row[1]))),
            (Column("Gain"), lambda row: lead_cell(row[2])),
            (Column("p"), lambda row: blocks.number(row[2].difference.p, 3)),
            (Column("Corrected p", "Holm, over the cells read beside it"), lambda row: blocks.number(row[2].p_holm, 3)),
            (Column("State", is_text=True), lambda row: blocks.words(row[2].state.value)),
        ],
    )
    return Fold(f"{TITLES[measure]}: every test as numbers", (table,))

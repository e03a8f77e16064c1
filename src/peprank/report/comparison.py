"""The page of a comparison: who wins where, then a look into the best contender."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from peprank.compare import Comparison, Curve, verdict
from peprank.metrics import Reliability, Roc
from peprank.report.about import config_section, model_section
from peprank.report.blocks import Page, Section, Text, in_words, made_by
from peprank.report.curves import Named, model_curve_section
from peprank.report.differences import difference_section, seesaw_section
from peprank.report.gates import gate_section
from peprank.report.origin import origin
from peprank.report.rows import data_section
from peprank.report.run import Run
from peprank.report.standings import measure_section, ranking_section
from peprank.report.training import training_section


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """One contender that the page looks into."""

    name: str
    seed: int
    run: Run | None
    problem: str = ""  # why it cannot be looked into


def comparison_page(
    comparison: Comparison, inside: Inside | None, *, name: str, made_at: datetime, version: str
) -> Page:
    """The page, verdict first.

    Args:
        inside: the best contender that has one net for all rows and tasks; None: there is none.
        name: what the page is called.
        made_at: when the page was made.
        version: of peprank.
    """
    sections = (
        ranking_section(comparison),
        seesaw_section(comparison),
        difference_section(comparison),
        measure_section(comparison),
        model_curve_section(_curves(comparison), _drawn_from(comparison)),
        *(_look(inside) if inside else ()),
    )
    return Page(
        title=f"Comparison {name}",
        subtitle=f"{_extent(comparison)} {made_by(version, made_at)}",
        verdict=tuple(_verdict(comparison)),
        sections=tuple(section for section in sections if section is not None),
    )


def _extent(comparison: Comparison) -> str:
    seeds = f"{len(comparison.seeds)} seeds" if len(comparison.seeds) > 1 else "one seed"
    done = in_words(datetime.fromisoformat(comparison.made))
    models = f"{len(comparison.standings)} models, {seeds}, from {comparison.config}"
    return f"{models}, judged on {comparison.eval_rows:,} rows, {done}."


def _verdict(comparison: Comparison) -> Iterator[Text]:
    """The comparison's own sentences, then how many runs have failed."""
    first, *others = verdict(comparison)
    yield Text(first, "lead")
    yield from map(Text, others)
    failed = sum(len(standing.failures) for standing in comparison.standings)
    if failed:
        yield Text(f"{failed} run{'s' * (failed > 1)} failed; they are listed below the ranking.", "warning")


def _curves(comparison: Comparison) -> dict[str, list[Named]]:
    """Task -> a line per contender, best first."""
    by_task: dict[str, list[Named]] = {}
    for standing in comparison.standings:
        for curve in standing.curves:
            by_task.setdefault(curve.task, []).append(_named(standing.name, curve))
    return by_task


def _drawn_from(comparison: Comparison) -> str:
    if len(comparison.seeds) == 1:
        return "Over all rows."
    return (
        f"Over all rows, of the first seed of each model only ({comparison.seeds[0]}, or the next one that has not "
        "failed): they show no spread."
    )


def _named(name: str, curve: Curve) -> Named:
    bins = Reliability(np.array(curve.rows), np.array(curve.positives), np.array(curve.mean_prob))
    points = np.array(curve.false_positive_rate), np.array(curve.true_positive_rate)
    return Named(name, bins, Roc(*points) if curve.false_positive_rate else None)


def _look(inside: Inside) -> Sequence[Section]:
    """Gates, training, data, network and config of one contender."""
    title = f"Inside {inside.name}"
    if inside.run is None:
        return [Section("inside", title, (Text(f"It cannot be looked into. {inside.problem}", "warning"),))]
    run = inside.run
    said = (
        f"What follows is told of {inside.name} with seed {inside.seed}, the best contender with one net for all rows."
    )
    gates = gate_section(run.gates)
    return [
        Section("inside", title, (Text(said),)),
        *([gates] if gates else []),
        training_section(run.training),
        data_section(run.data),
        model_section(run.model),
        config_section(run.config, origin(run.record, run.environment)),
    ]

"""The page of several runs: which is ahead and where, then what differs between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from peprank.report.about import configs_section, models_section
from peprank.report.beside import beside_section, gain_section
from peprank.report.blocks import Block, Page, Section, Text, made_by, once_or_folded
from peprank.report.curves import Named, model_curve_section
from peprank.report.gates import gate_section
from peprank.report.leads import leads
from peprank.report.lineup import Lineup
from peprank.report.origin import origin
from peprank.report.rows import data_section
from peprank.report.run import Run, run_page
from peprank.report.training import trainings_section


def page_of(runs: Sequence[Run]) -> Page:
    """The page of one run, or of several side by side.

    Args:
        runs: at least one, with names that differ; differences are told against the first.
    """
    return run_page(runs[0]) if len(runs) == 1 else _page(Lineup(runs))


def _page(lineup: Lineup) -> Page:
    runs, first = lineup.runs, lineup.first
    sections = (
        beside_section(lineup),
        gain_section(lineup),
        model_curve_section(_curves(runs), "Over all rows; lines of single domains are on the page of each run alone."),
        _gates(runs),
        trainings_section({run.name: run.training for run in runs}),
        _data(lineup),
        models_section({run.name: run.model for run in runs}),
        configs_section(
            {run.name: run.config for run in runs}, {run.name: origin(run.record, run.environment) for run in runs}
        ),
    )
    judged = f"Judged on {first.results.rows:,} rows, differences told against {first.name}. "
    return Page(
        title=f"{len(runs)} runs: {', '.join(run.name for run in runs)}",
        subtitle=f"{'' if lineup.problem else judged}{made_by(first.environment['peprank'], first.made_at)}",
        verdict=tuple(leads(lineup)),
        sections=tuple(section for section in sections if section is not None),
    )


def _curves(runs: Sequence[Run]) -> dict[str, list[Named]]:
    """Task -> a line per run."""
    by_task: dict[str, list[Named]] = {}
    for run in runs:
        for curve in run.curves:
            if curve.column is None:
                by_task.setdefault(curve.task, []).append(Named(run.name, curve.reliability, curve.roc))
    return by_task


def _gates(runs: Sequence[Run]) -> Section | None:
    """A fold for each run whose model has gates; None where none has."""
    sections = {run.name: section for run in runs if (section := gate_section(run.gates)) is not None}
    if not sections:
        return None
    without = [run.name for run in runs if run.name not in sections]
    said = (Text(f"Without gates: {', '.join(without)}."),) if without else ()
    return Section("gates", "Gates", (*said, *once_or_folded({name: s.blocks for name, s in sections.items()})))


def _data(lineup: Lineup) -> Section:
    """The rows, once where all runs have the same."""
    each = {run.name: data_section(run.data).blocks for run in lineup.runs}
    return Section("data", "Data", (*_warning(lineup), *once_or_folded(each)))


def _warning(lineup: Lineup) -> Iterator[Block]:
    if lineup.problem:
        yield Text(f"The runs cannot be compared: {lineup.problem}.", "warning")

"""The page of one run: facts in, page out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from peprank.evaluation import Curves, Gates, Results
from peprank.models import Description
from peprank.record import RunRecord
from peprank.report.about import Config, config_section, model_section
from peprank.report.blocks import Page, made_by
from peprank.report.curves import curve_section
from peprank.report.gates import gate_section, gate_warnings
from peprank.report.origin import origin
from peprank.report.quality import domain_section, task_section
from peprank.report.rows import Data, data_section
from peprank.report.training import Training, training_section
from peprank.report.verdict import verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """All that the page of a run tells."""

    name: str  # what the page calls it
    made_at: datetime  # when the page was made
    model: Description
    results: Results
    curves: tuple[Curves, ...]
    gates: Gates | None  # None: the model has none
    training: Training
    data: Data
    config: Config
    record: RunRecord | None  # None: it was trained by an older peprank, or the record is damaged
    environment: dict[str, str]  # where the page is made


def run_page(run: Run) -> Page:
    """The page, verdict first."""
    sections = (
        task_section(run.results),
        domain_section(run.results),
        curve_section(run.curves),
        gate_section(run.gates),
        training_section(run.training),
        data_section(run.data),
        model_section(run.model),
        config_section(run.config, origin(run.record, run.environment)),
    )
    return Page(
        title=run.name,
        subtitle=f"{run.model.model}, step {run.training.step:,}. {made_by(run.environment['peprank'], run.made_at)}",
        verdict=(*verdict(run.results, run.training.step), *gate_warnings(run.gates)),
        sections=tuple(section for section in sections if section is not None),
    )

"""The runs of a comparison: which net on which rows with which seed, and where each of them stands on disk."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

import numpy as np

from peprank.compare.contenders import Contender, Net
from peprank.compare.rows import DomainPart, Truth, split
from peprank.compare.runs import MODEL, Run
from peprank.data import columns_of, open_rows
from peprank.sealed import write_whole
from peprank.spec.pipeline import PipelineSpec

_PLAIN: Final = " @"  # characters that stay as they are in file names
_ROW_COST: Final = 100_000  # what reading a row and its share of a step cost, in multiply-adds


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a user chooses beside the contenders."""

    config: str  # name of the base, for readers
    out: Path
    seeds: tuple[int, ...]
    reference: str
    jobs: int = 1
    pool_below: int = 1000  # training rows; smaller domains share one net
    num_replicates: int = 1000  # draws of users
    is_matched: bool = False
    truth: Path | None = None  # truth.json of made-up rows
    mean_over: tuple[str, ...] = ()  # tasks whose mean ranks; (): all with enough positives


def parts_of(
    spec: PipelineSpec, contenders: Sequence[Contender], settings: Settings, truth: Truth
) -> dict[str | None, DomainPart]:
    """What nets are trained on: all rows, and the rows of each domain where a contender has a net for each."""
    num_rows = open_rows(spec.train_inputs, spec.data, columns_of(spec, with_targets=True)).num_rows
    whole = DomainPart(train_rows=num_rows or 0, positions=np.arange(len(truth.labels)))
    parts: dict[str | None, DomainPart] = {None: whole}
    if any(contender.per_domain for contender in contenders):
        parts |= split(spec, truth, settings.out / "rows", pool_below=settings.pool_below)
    return parts


def runs_of(
    spec: PipelineSpec,
    contenders: Sequence[Contender],
    settings: Settings,
    parts: Mapping[str | None, DomainPart],
    *,
    num_eval_rows: int,
) -> list[Run]:
    """All runs, one seed after the other."""
    rows = json.dumps([spec.train_inputs, parts[None].train_rows, spec.eval_inputs, num_eval_rows, settings.pool_below])
    return [
        Run(
            contender=contender.name,
            is_trees=contender.is_trees,
            seed=seed,
            tasks=net.tasks,
            part=name,
            config=_config(contender, net, settings.out),
            folder=_folder(settings.out, _file_name(contender, net), part.folder, seed),
            train_inputs=part.train_inputs or spec.train_inputs,
            eval_inputs=part.eval_inputs or spec.eval_inputs,
            cost=float(part.train_rows) * (net.multiply_adds + _ROW_COST),
            rows=rows,
        )
        for seed in settings.seeds
        for contender in contenders
        for net in contender.nets
        for name, part in parts.items()
        if contender.per_domain == (name is not None)
    ]


def _config(contender: Contender, net: Net, out: Path) -> Path:
    """Where the config of a net stands; it is written if it is not there."""
    path = out / "configs" / f"{_file_name(contender, net)}.config"
    if not path.is_file() or path.read_text("utf-8") != net.text:
        write_whole(path, net.text)
    return path


def joint_model(out: Path, name: str, seed: int) -> Path | None:
    """The model_dir of a contender that has one net for all rows and tasks; None for any other, and for trees."""
    model_dir = _folder(out, quote(name, safe=_PLAIN), "", seed) / MODEL
    return model_dir if (model_dir / "checkpoints").is_dir() else None


def _folder(out: Path, file_name: str, part: str, seed: int) -> Path:
    return out / "runs" / file_name / (part or "all") / f"seed-{seed}"


def _file_name(contender: Contender, net: Net) -> str:
    task = f" {net.tasks[0]}" if len(contender.nets) > 1 else ""
    return quote(contender.name + task, safe=_PLAIN)

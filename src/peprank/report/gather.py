"""Gather what the page of a run tells: score, judge, count."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from peprank.bundle import ConfigSource
from peprank.data import columns_of, open_rows
from peprank.errors import ArtifactError, DataError
from peprank.evaluation import Evaluation, Gates, collect, gates_on
from peprank.models import describe
from peprank.predict import Scorer
from peprank.record import RunRecord, environment
from peprank.report.about import Config
from peprank.report.census import item_column, user_column
from peprank.report.counts import Counts
from peprank.report.rows import Data
from peprank.report.run import Run
from peprank.report.training import Training

_BATCH_ROWS = 8192  # of the judged rows; a row's score does not depend on it


def names_of(model_dirs: Sequence[Path]) -> list[str]:
    """Names that tell model_dirs apart: what is left of their paths without the ends that all share.

    Example:
        >>> names_of([Path("runs/base/model"), Path("runs/wide/model")])
        ['base', 'wide']
    """
    paths = [model_dir.absolute().parts for model_dir in model_dirs]
    start = _common(paths)
    ends = [path[start:] for path in paths]
    tail = _common([end[::-1] for end in ends])
    return ["/".join(end[: len(end) - tail]) for end in ends]


def _common(paths: Sequence[Sequence[str]]) -> int:
    """With how many parts all paths begin; at least one part of each is left."""
    most = min(map(len, paths)) - 1
    return next((k for k in range(most) if len({path[k] for path in paths}) > 1), most)


def gather_run(
    name: str,
    model_dir: Path,
    scorer: Scorer,
    *,
    made_at: datetime,
    counts: Counts,
    train_inputs: Sequence[str] | None = None,
    eval_inputs: Sequence[str] | None = None,
    user: str | None = None,
    item: str | None = None,
    on_rows: Callable[[int, int | None], None] | None = None,
) -> Run:
    """Judge a model on labelled rows and collect what else its page tells.

    Args:
        name: what the page calls the run.
        model_dir: what `train` filled.
        scorer: the model, of one of its checkpoints.
        made_at: the time of the page.
        counts: rows that were counted for other runs of the page.
        train_inputs: rows to count; None: the config's train_input_path.
        eval_inputs: rows to judge on; None: the config's eval_input_path.
        user: column whose values are users; None: that of `gauc_feature`, or the first id on the user side.
        item: column whose values are items; None: the first id on the item side.
        on_rows: told after each judged batch how many rows it had, and how many there are in all if known.

    Raises:
        ArtifactError: the model_dir is damaged.
        DataError: the judged rows are not there or do not fit.
    """
    spec = scorer.spec
    trained, judged = train_inputs or spec.train_inputs, eval_inputs or spec.eval_inputs
    if not judged:
        raise DataError(f"{model_dir}: its config has no eval_input_path; name rows to judge on with --eval-input")
    source = ConfigSource.read(model_dir)
    model = describe(spec.model)
    columns = {"users": user or user_column(spec), "items": item or item_column(spec)}
    counted = counts.of("Judged rows", judged, spec, columns)  # first, for it is quick to say that a column is missing
    evaluation = _judged(scorer, judged, on_rows)
    results = evaluation.result()
    return Run(
        name=name,
        made_at=made_at,
        model=model,
        results=results,
        curves=tuple(evaluation.curves()),
        gates=_gates(scorer, judged) if model.gates else None,
        training=Training(_history(model_dir), results.tasks, scorer.step),
        data=Data(
            trained=counts.if_there("Training rows", trained, spec, columns),
            judged=counted,
            columns=columns,
        ),
        config=Config(text=source.text, changes=source.overrides, settings=source.settings()),
        record=_record(model_dir),
        environment=environment(),
    )


def _judged(scorer: Scorer, inputs: Sequence[str], on_rows: Callable[[int, int | None], None] | None) -> Evaluation:
    spec = scorer.spec
    reader = open_rows(inputs, spec.data, columns_of(spec, with_targets=True), batch_rows=_BATCH_ROWS)
    tell = (lambda rows: on_rows(rows, reader.num_rows)) if on_rows else None
    return collect(scorer.ranker, scorer.encoder, reader.batches(), spec, bf16=scorer.bf16, on_rows=tell)


def _gates(scorer: Scorer, inputs: Sequence[str]) -> Gates:
    """What the model's gates do, told by the users that GAUC tells apart."""
    spec = scorer.spec
    columns = columns_of(spec, with_targets=True)
    batches = open_rows(inputs, spec.data, columns, batch_rows=_BATCH_ROWS).batches()
    user = spec.evaluation.gauc_feature
    return gates_on(scorer.ranker, scorer.encoder, batches, spec, user_feature=user, bf16=scorer.bf16)


def _record(model_dir: Path) -> RunRecord | None:
    """None where there is none that can be read: a run that was copied may have left it behind."""
    try:
        return RunRecord.read(model_dir)
    except ArtifactError:
        return None


def _history(model_dir: Path) -> tuple[dict[str, Any], ...]:
    """Lines of metrics.jsonl, none where there is no such file: a run that was copied may have left it behind."""
    path = model_dir / "metrics.jsonl"
    try:
        return tuple(json.loads(line) for line in path.read_text("utf-8").splitlines()) if path.is_file() else ()
    except ValueError as error:
        raise ArtifactError(f"{path}: a line is no JSON ({error}); remove it to get a page without curves") from error

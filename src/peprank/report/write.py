"""Write pages to files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from peprank import api
from peprank.report.gather import gather_run
from peprank.report.html import render
from peprank.report.run import run_page
from peprank.sealed import write_whole


def write_run(
    model_dir: str | Path,
    out: str | Path,
    *,
    made_at: datetime,
    checkpoint: str | None = None,
    train_inputs: Sequence[str] | None = None,
    eval_inputs: Sequence[str] | None = None,
    user: str | None = None,
    item: str | None = None,
    on_rows: Callable[[int, int | None], None] | None = None,
) -> None:
    """Judge a trained model on its config's evaluation rows and write one HTML page about it, whole or not at all.

    Args:
        model_dir: what `train` filled.
        out: the page; it holds all it needs.
        made_at: the time that the page says it was made at.
        checkpoint: "best", "latest" or a step number; by default the best.
        train_inputs: rows to count in place of the config's train_input_path.
        eval_inputs: rows to judge on in place of the config's eval_input_path.
        user: column whose values are users; by default that of gauc_feature, or the first id on the user side.
        item: column whose values are items; by default the first id on the item side.
        on_rows: told after each judged batch how many rows it had, and how many there are in all if known.

    Raises:
        ArtifactError: the model_dir is damaged, or has no such checkpoint.
        DataError: the evaluation rows are not there or do not fit.
    """
    run = gather_run(
        Path(model_dir),
        api.load(model_dir, checkpoint=checkpoint),
        made_at=made_at,
        train_inputs=train_inputs,
        eval_inputs=eval_inputs,
        user=user,
        item=item,
        on_rows=on_rows,
    )
    write_whole(Path(out), render(run_page(run)))

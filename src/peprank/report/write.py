"""Write pages to files: of a run, of a comparison."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from peprank import api
from peprank.compare import RESULTS, Comparison, joint_model
from peprank.errors import ArtifactError, PeprankError
from peprank.report.comparison import Inside, comparison_page
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


def is_comparison(directory: str | Path) -> bool:
    """Whether `compare` has written its results there."""
    return (Path(directory) / RESULTS).is_file()


def write_comparison(
    directory: str | Path,
    out: str | Path,
    *,
    made_at: datetime,
    user: str | None = None,
    item: str | None = None,
    on_rows: Callable[[int, int | None], None] | None = None,
) -> None:
    """Write one HTML page about what `compare` found, with a look into its best contender, whole or not at all.

    Args:
        directory: where `compare` has put its results and runs; without the runs the page goes without that look.
        out, made_at, user, item, on_rows: as for `write_run`.

    Raises:
        ArtifactError: there are no results of a comparison, or they are damaged.
    """
    directory = Path(directory)
    comparison = _read(directory / RESULTS)
    inside = _inside(directory, comparison, made_at=made_at, user=user, item=item, on_rows=on_rows)
    page = comparison_page(
        comparison, inside, name=directory.name or str(directory), made_at=made_at, version=version("peprank")
    )
    write_whole(Path(out), render(page))


def _read(path: Path) -> Comparison:
    try:
        return Comparison.from_json(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{path}: holds no comparison of this peprank ({error}); run `peprank compare`") from error


def _inside(
    directory: Path,
    comparison: Comparison,
    *,
    made_at: datetime,
    user: str | None,
    item: str | None,
    on_rows: Callable[[int, int | None], None] | None,
) -> Inside | None:
    """Look into the best contender with one net for all rows, with its first seed."""
    for standing in comparison.standings:
        for seed in standing.seeds[:1]:
            if (model_dir := joint_model(directory, standing.name, seed)) is None:
                continue
            try:
                ranker = api.load(model_dir, checkpoint="latest")
                run = gather_run(model_dir, ranker, made_at=made_at, user=user, item=item, on_rows=on_rows)
            except PeprankError as error:  # runs that were moved or tidied away: the comparison stands without them
                return Inside(name=standing.name, seed=seed, run=None, problem=str(error))
            return Inside(name=standing.name, seed=seed, run=run)
    return None

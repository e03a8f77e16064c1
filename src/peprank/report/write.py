"""Write pages to files: of one run or several, of a comparison."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from peprank import api
from peprank.bundle import ConfigSource
from peprank.compare import RESULTS, Comparison, joint_model
from peprank.errors import ArtifactError, PeprankError
from peprank.report.comparison import Inside, comparison_page
from peprank.report.counts import Counts
from peprank.report.gather import gather_run, names_of
from peprank.report.html import render
from peprank.report.runs import page_of
from peprank.sealed import write_whole


def write_runs(
    model_dirs: Sequence[str | Path],
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
    """Judge trained models on their configs' evaluation rows and write one HTML page about them, whole or not at all.

    Args:
        model_dirs: what `train` filled; several are told side by side, and their differences against the first.
        out: the page; it holds all it needs.
        made_at: the time that the page says it was made at.
        checkpoint: of each, "best", "latest" or a step number; by default the best.
        train_inputs: rows to count in place of the configs' train_input_path.
        eval_inputs: rows to judge on in place of the configs' eval_input_path.
        user: column whose values are users; by default that of gauc_feature, or the first id on the user side.
        item: column whose values are items; by default the first id on the item side.
        on_rows: told after each judged batch how many rows it had, and how many there are in all if known: as many
            for each model as for the one that is being judged.

    Raises:
        ArtifactError: a model_dir is damaged, named twice, or has no such checkpoint.
        DataError: the evaluation rows are not there or do not fit.
    """
    named = _named([Path(model_dir) for model_dir in model_dirs])
    counts = Counts()
    runs = [
        gather_run(
            name,
            model_dir,
            api.load(model_dir, checkpoint=checkpoint),
            made_at=made_at,
            counts=counts,
            train_inputs=train_inputs,
            eval_inputs=eval_inputs,
            user=user,
            item=item,
            on_rows=on_rows and _times(len(named), on_rows),
        )
        for name, model_dir in named.items()
    ]
    write_whole(Path(out), render(page_of(runs)))


def _named(model_dirs: Sequence[Path]) -> dict[str, Path]:
    """Names -> model_dirs; what is no run is refused before the first one is judged."""
    for model_dir, times in Counter(model_dir.resolve() for model_dir in model_dirs).items():
        if times > 1:
            raise ArtifactError(f"{model_dir}: is named {times} times; name each run once")
        ConfigSource.read(model_dir)
    return dict(zip(names_of(model_dirs), model_dirs, strict=True))


def _times(num_runs: int, on_rows: Callable[[int, int | None], None]) -> Callable[[int, int | None], None]:
    return lambda rows, total: on_rows(rows, total and num_runs * total)


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
        out, made_at, user, item, on_rows: as for `write_runs`.

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
                run = gather_run(
                    standing.name,
                    model_dir,
                    ranker,
                    made_at=made_at,
                    counts=Counts(),
                    user=user,
                    item=item,
                    on_rows=on_rows,
                )
            except PeprankError as error:  # runs that were moved or tidied away: the comparison stands without them
                return Inside(name=standing.name, seed=seed, run=None, problem=str(error))
            return Inside(name=standing.name, seed=seed, run=run)
    return None

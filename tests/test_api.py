"""The front door: the names it has, and that what is trained, exported, loaded, judged and scored is one model."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import peprank
from peprank.predict import predict_files
from tests import tiny


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained and exported tiny model."""
    folder = tmp_path_factory.mktemp("api")
    peprank.train(tiny.write(folder))
    peprank.export(folder / "model", folder / "bundle")
    return folder


@pytest.fixture(scope="module")
def ranker(folder: Path) -> peprank.Scorer:
    return peprank.load(folder / "bundle")


def test_the_front_door_has_these_names_and_no_others() -> None:
    assert peprank.__all__ == [
        "ArtifactError",
        "ConfigError",
        "DataError",
        "Gates",
        "Importance",
        "PeprankError",
        "Results",
        "Scorer",
        "SpecError",
        "TrainResult",
        "TrainingError",
        "evaluate",
        "export",
        "gates",
        "importance",
        "load",
        "train",
    ]
    for name in peprank.__all__:
        assert callable(getattr(peprank, name)), name


def test_the_front_door_stays_what_it_is_when_rooms_are_imported_first() -> None:
    code = "import peprank.evaluation, peprank.training; print(callable(peprank.evaluate), peprank.train.__name__)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "True train\n"


def test_importing_the_package_does_not_import_torch() -> None:
    code = "import peprank, peprank.config, sys; print('torch' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"


def test_two_runs_with_one_seed_end_in_the_same_bits(folder: Path, tmp_path: Path) -> None:
    again = peprank.train(folder / "tiny.config", overrides=[f'model_dir="{tmp_path / "again"}"'])
    first = folder / "model" / "checkpoints" / again.latest.name
    assert (again.latest / "weights.safetensors").read_bytes() == (first / "weights.safetensors").read_bytes()
    assert (tmp_path / "again" / "metrics.jsonl").read_bytes() == (folder / "model" / "metrics.jsonl").read_bytes()


def test_pyarrow_pandas_and_polars_tables_score_alike(ranker: peprank.Scorer) -> None:
    table = tiny.rows(50, seed=3)
    scores = ranker.predict(table)
    assert scores.column_names == ["probs_ctr", "logits_ctr", "probs_cvr", "logits_cvr"]
    assert scores.num_rows == 50
    assert ranker.predict(pl.from_arrow(table)).equals(scores)
    frame = pd.DataFrame(table.to_pydict())
    assert ranker.predict(frame).equals(scores)


def test_a_row_scores_the_same_alone_in_a_batch_and_in_a_file(
    ranker: peprank.Scorer, folder: Path, tmp_path: Path
) -> None:
    table = pq.read_table(folder / "val.parquet")
    together = ranker.predict(table)
    alone = pa.concat_tables(ranker.predict(table.slice(k, 1)) for k in range(table.num_rows))
    scored = predict_files(ranker, [str(folder / "val.parquet")], tmp_path / "scores.parquet", keep=["note"])
    from_file = pq.read_table(tmp_path / "scores.parquet")
    assert scored.rows == table.num_rows
    assert from_file["note"].to_pylist() == table["note"].to_pylist()
    for name in together.column_names:
        np.testing.assert_allclose(alone[name], together[name], atol=1e-6)
        np.testing.assert_allclose(from_file[name], together[name], atol=1e-6)


def test_evaluating_files_and_tables_agrees_with_the_scores(ranker: peprank.Scorer, folder: Path) -> None:
    table = pq.read_table(folder / "val.parquet")
    results = peprank.evaluate(ranker, table)
    assert peprank.evaluate(ranker, folder / "val.parquet") == results
    mean_prob = np.mean(ranker.predict(table)["probs_ctr"])
    cell = next(results.select(task="ctr"))
    assert cell.measures["mean_prob"].value == pytest.approx(mean_prob, abs=1e-6)
    assert cell.rows == table.num_rows


def test_the_model_has_learnt_what_the_rows_hold(ranker: peprank.Scorer) -> None:
    auc = peprank.evaluate(ranker, tiny.rows(2000, seed=9)).named()["auc_ctr"]
    assert auc is not None
    assert auc > 0.75  # knowing the user's true rate gives 0.81


def test_rows_can_be_split_by_any_column(ranker: peprank.Scorer) -> None:
    results = peprank.evaluate(ranker, tiny.rows(100).append_column("day", pa.array([1, 2] * 50)), by="day")
    assert [(cell.segment, cell.rows) for cell in results.select(task="ctr", column="day")] == [("1", 50), ("2", 50)]


def test_an_empty_table_gives_an_empty_table_with_the_same_columns(ranker: peprank.Scorer) -> None:
    scores = ranker.predict(tiny.rows(0))
    assert scores.schema == ranker.predict(tiny.rows(1)).schema
    assert scores.num_rows == 0


def test_a_model_dir_loads_like_its_bundle(folder: Path, ranker: peprank.Scorer) -> None:
    table = tiny.rows(20, seed=4)
    best = json.loads((folder / "model" / "best.json").read_text())["step"]
    from_dir = peprank.load(folder / "model", checkpoint=str(best))
    assert from_dir.step == best
    latest = peprank.load(folder / "model", checkpoint="latest")
    assert latest.step == ranker.step  # exporter_type is "latest" unless the config says "best"
    assert latest.predict(table).equals(ranker.predict(table))


def test_a_bundle_moves_and_needs_nothing_it_came_from(folder: Path, tmp_path: Path, ranker: peprank.Scorer) -> None:
    moved = Path(shutil.copytree(folder / "bundle", tmp_path / "elsewhere"))
    table = tiny.rows(20, seed=5)
    assert peprank.load(moved).predict(table).equals(ranker.predict(table))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop_columns(["item"]), "the given table: column 'item' is missing; found "),
        (lambda t: t.set_column(0, "user", pa.array([None] * len(t), pa.date32())), "the given table: column 'user' "),
    ],
    ids=["missing", "a date"],
)
def test_rows_that_do_not_fit_are_named(ranker: peprank.Scorer, change: object, message: str) -> None:
    assert callable(change)
    with pytest.raises(peprank.DataError) as refused:
        ranker.predict(change(tiny.rows(3)))
    assert str(refused.value).startswith(message)


def test_nothing_loadable_is_named(tmp_path: Path) -> None:
    with pytest.raises(peprank.ArtifactError) as refused:
        peprank.load(tmp_path / "nowhere")
    assert str(refused.value) == (
        f"{tmp_path / 'nowhere'}: no such folder; give a bundle, or the model_dir of a training run"
    )
    with pytest.raises(peprank.ArtifactError, match="holds no model of peprank"):
        peprank.load(tmp_path)


def test_scores_replace_no_input_and_no_kept_column(ranker: peprank.Scorer, tmp_path: Path) -> None:
    rows = tmp_path / "rows.parquet"
    table = tiny.rows(5)
    pq.write_table(table.rename_columns(["probs_ctr" if n == "note" else n for n in table.column_names]), rows)
    with pytest.raises(peprank.DataError) as refused:
        predict_files(ranker, [str(rows)], tmp_path / "." / "rows.parquet")
    assert str(refused.value) == (
        f"{rows}: is one of the inputs, which it would replace; write the scores to another file"
    )
    with pytest.raises(peprank.DataError) as refused:
        predict_files(ranker, [str(rows)], tmp_path / "scores.parquet", keep=["probs_ctr"])
    assert str(refused.value) == "column 'probs_ctr' cannot be kept: a score has that name; rename it in the inputs"
    predict_files(ranker, [str(rows)], tmp_path / "scores.parquet", keep=["user", "item", "user"])
    assert pq.read_schema(tmp_path / "scores.parquet").names[:3] == ["user", "item", "probs_ctr"]


def test_a_checkpoint_is_not_asked_of_a_bundle(folder: Path) -> None:
    with pytest.raises(peprank.ArtifactError) as refused:
        peprank.load(folder / "bundle", checkpoint="999")
    assert str(refused.value) == (
        f"{folder / 'bundle'}: is a bundle, which holds one model; choose checkpoint '999' at export"
    )


def test_a_model_dir_with_moving_averages_scores_like_its_bundle(tmp_path: Path) -> None:
    config = tiny.write(
        tmp_path, config=tiny.CONFIG.replace("dense_optimizer {", "dense_optimizer { ema { decay: 0.5 }")
    )
    peprank.train(config)
    bundle = peprank.export(tmp_path / "model", tmp_path / "bundle")
    table = tiny.rows(20, seed=4)
    assert peprank.load(tmp_path / "model", checkpoint="latest").predict(table).equals(bundle.predict(table))

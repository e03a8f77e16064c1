"""What has moved since training is told, above stated limits and with enough rows; what has not moved is not."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import peprank
from peprank.cli.main import main
from peprank.drift import Profile
from peprank.drift.bins import Bins, psi
from peprank.drift.watch import Drift
from peprank.errors import ArtifactError
from tests import tiny


def test_psi_equals_the_equation() -> None:
    # (0.75 - 0.5) ln(0.75 / 0.5) + (0.25 - 0.5) ln(0.25 / 0.5) = 0.25 ln 3
    assert psi(np.array([10, 10]), np.array([3, 1])) == pytest.approx(0.25 * math.log(3))
    assert psi(np.array([10, 10]), np.array([7, 7])) == 0
    assert math.isfinite(psi(np.array([10, 0]), np.array([0, 10])))


def test_numbers_lie_between_deciles_and_a_frequent_number_has_a_bin_of_its_own() -> None:
    whole = Bins.of_numbers(np.arange(1000, dtype=np.float32))
    assert len(whole.counts) == 10
    assert all(99 <= count <= 101 for count in whole.counts)
    zeros = Bins.of_numbers(np.array([0.0] * 80 + [1.0, 2.0, 3.0, 4.0, 5.0] * 4, np.float32))
    assert zeros.edges is not None
    moved = zeros.count(np.array([0.0] * 20 + [3.0] * 80, np.float32))
    assert psi(np.array(zeros.counts), moved) > 1


def test_ids_beyond_the_most_frequent_share_a_bin() -> None:
    bins = Bins.of_ids(np.repeat(np.arange(100), np.arange(100, 0, -1)))
    assert len(bins.ids) == 32
    assert bins.counts[-1] == sum(range(1, 69))
    assert bins.count(np.array([0, 31, 32, -1, 2**40])).tolist()[-1] == 3
    assert Bins.of_ids(np.zeros(0, np.int64)).count(np.array([3])).tolist() == [1]


def test_little_is_told_of_few_rows_and_the_furthest_comes_first() -> None:
    far = {"feature a": 0.3, "score b": 0.9, "domains": 0.2}
    unknown = {"a": (0.001, 0.02), "b": (0.10, 0.11), "c": (0.2, 0.3)}
    assert Drift(rows=999, psi=far, unknown=unknown).sentences == ()
    drift = Drift(rows=1000, psi=far, unknown=unknown)
    assert drift.sentences == (
        "drift: score b: PSI 0.90 against the training rows, limit 0.2",
        "drift: feature a: PSI 0.30 against the training rows, limit 0.2",
        "drift: feature a: 2.0% of its values are unknown, 0.1% in the training rows",
    )
    assert Drift.from_json(json.loads(json.dumps(drift.to_json()))) == drift


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model trained on 600 rows, exported."""
    folder = tmp_path_factory.mktemp("drift")
    peprank.train(tiny.write(folder), overrides=["train_config.num_epochs=1"])
    peprank.export(folder / "model", folder / "bundle")
    return folder


def moved(rows: pa.Table) -> pa.Table:
    """Rows of other users, dearer items and one domain."""
    num = rows.num_rows
    columns = {"user": rows["user"].to_numpy() + 40, "price": rows["price"].to_numpy() * 4, "tab": ["search"] * num}
    for name, values in columns.items():
        rows = rows.set_column(rows.column_names.index(name), name, pa.array(values))
    return rows


def test_rows_like_those_of_training_are_not_told_of_and_others_are(folder: Path) -> None:
    ranker = peprank.load(folder / "bundle")
    same = peprank.evaluate(ranker, tiny.rows(2000, seed=5)).drift
    assert same is not None
    assert same.sentences == ()
    assert {"domains", "score ctr", "score cvr", "feature user", "feature price", "feature age"} <= same.psi.keys()
    told = peprank.evaluate(ranker, moved(tiny.rows(2000, seed=5))).drift
    assert told is not None
    named = [sentence.split(":")[1].strip() for sentence in told.sentences]
    assert {"feature user", "feature price", "feature tab", "domains"} <= set(named)
    assert "feature age" not in named
    assert any("% of its values are unknown, 0.0% in" in sentence for sentence in told.sentences)


def test_the_command_line_warns_and_keeps_the_figures(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pq.write_table(moved(tiny.rows(1200, seed=6)), tmp_path / "rows.parquet")
    bundle, rows = str(folder / "bundle"), str(tmp_path / "rows.parquet")
    assert main(["predict", bundle, rows, "--out", str(tmp_path / "scores.parquet")]) == 0
    assert "drift: domains: PSI " in capsys.readouterr().err
    assert main(["evaluate", bundle, rows, "--out", str(tmp_path / "results.json")]) == 0
    assert "drift: domains: PSI " in capsys.readouterr().err
    kept = json.loads((tmp_path / "results.json").read_text())["drift"]
    assert kept["rows"] == 1200
    assert kept["psi"]["domains"] > 0.2


def test_a_bundle_without_training_rows_at_hand_has_no_profile_and_loads(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "train.parquet").rename(tmp_path / "away.parquet")
    try:
        assert main(["export", str(folder / "model"), "--out", str(tmp_path / "bundle")]) == 0
    finally:
        (tmp_path / "away.parquet").rename(folder / "train.parquet")
    assert "no profile, so nobody will tell of drift" in capsys.readouterr().err
    ranker = peprank.load(tmp_path / "bundle")
    assert ranker.profile is None
    assert peprank.evaluate(ranker, tiny.rows(20)).drift is None


def test_a_profile_is_covered_by_the_bundles_hashes_and_comes_back_as_it_was(folder: Path) -> None:
    path = folder / "bundle" / "profile.json"
    profile = Profile.from_json(json.loads(path.read_text()))
    assert peprank.load(folder / "bundle").profile == profile
    assert profile.rows == 600
    whole = path.read_text()
    try:
        path.write_text(whole.replace("600", "601", 1))
        with pytest.raises(ArtifactError, match=r"profile\.json"):
            peprank.load(folder / "bundle")
    finally:
        path.write_text(whole)

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import roc_auc_score

from peprank.datasets import DayRange, SyntheticReport, convert, gap_closed, make
from peprank.datasets.features import ACTIONS
from peprank.datasets.synthetic import BASE_RATES, TRUE_PROB
from peprank.errors import DataError
from tests.datasets.archive import Impression, write_archive

ROWS, DOMAINS, TASKS = 60_000, 3, 6


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> SyntheticReport:
    return make(tmp_path_factory.mktemp("made-up"), rows=ROWS, domains=DOMAINS, tasks=TASKS, seed=3)


@pytest.fixture(scope="module")
def val(made: SyntheticReport) -> pa.Table:
    return pq.read_table(made.val)


def test_columns_are_those_of_the_real_archive_and_only_validation_knows_the_truth(
    made: SyntheticReport, val: pa.Table, tmp_path: Path
) -> None:
    log = [Impression(0, 0, 20220425), Impression(0, 0, 20220426)]
    days = [DayRange(row.date, row.date) for row in log]
    real = convert(write_archive(tmp_path, log), tmp_path, train=days[0], val=days[1])
    schema = pq.read_schema(real.paths[0])
    assert pq.read_schema(made.train).equals(schema)
    assert val.schema.names == [*schema.names, *(TRUE_PROB + task for task in list(BASE_RATES)[:TASKS])]


def test_rows_are_split_as_asked_and_stand_in_time_order(made: SyntheticReport, val: pa.Table) -> None:
    assert made.rows == {"train": 48_000, "val": 12_000}
    train = pq.read_table(made.train)
    times = np.append(np.asarray(train["time_ms"]), np.asarray(val["time_ms"]))
    assert np.all(np.diff(times) >= 0)
    assert set(val["tab"].to_pylist()) == set(train["tab"].to_pylist()) == set(range(DOMAINS))


def test_labels_follow_the_true_probabilities(val: pa.Table) -> None:
    for task in list(BASE_RATES)[:TASKS]:
        prob, label = np.asarray(val[TRUE_PROB + task]), np.asarray(val[ACTIONS[task]])
        assert np.all((prob > 0) & (prob < 1))
        spread = np.sqrt((prob * (1 - prob)).sum())  # of the number of positives
        assert abs(label.sum() - prob.sum()) < 4 * spread


def test_bounds_are_the_auc_of_the_truth_and_of_each_domains_training_rate(
    made: SyntheticReport, val: pa.Table
) -> None:
    train, domain = pq.read_table(made.train), np.asarray(val["tab"])
    rate = np.array([np.asarray(train["is_click"])[np.asarray(train["tab"]) == d].mean() for d in range(DOMAINS)])
    label = np.asarray(val["is_click"])
    bounds = made.bounds["click"]
    assert bounds["all"].constant_auc == pytest.approx(roc_auc_score(label, rate[domain]), abs=1e-12)
    for part, rows in {"all": domain >= 0, "1": domain == 1}.items():
        oracle = roc_auc_score(label[rows], np.asarray(val[TRUE_PROB + "click"])[rows])
        assert bounds[part].oracle_auc == pytest.approx(oracle, abs=1e-12)
        assert (bounds[part].rows, bounds[part].positives) == (rows.sum(), label[rows].sum())
    assert [bounds[str(d)].constant_auc for d in range(DOMAINS)] == [0.5] * DOMAINS
    assert json.loads(made.truth.read_text("utf-8"))["tasks"]["click"]["all"]["oracle_auc"] == bounds["all"].oracle_auc


def test_the_truth_is_worth_learning_in_every_domain_of_every_dense_task(made: SyntheticReport) -> None:
    for task in ("click", "long_view", "like"):
        for domain in range(DOMAINS):
            oracle = made.bounds[task][str(domain)].oracle_auc
            assert oracle is not None
            assert 0.75 < oracle < 0.95


def test_domains_agree_on_half_of_the_taste_and_conflict_in_the_rest(val: pa.Table) -> None:
    # Long videos are clicked more in even tabs and less in odd ones.
    click, long, tab = np.asarray(val["is_click"]), np.asarray(val["duration"]) > 11, np.asarray(val["tab"])
    lift = [click[(tab == d) & long].mean() - click[(tab == d) & ~long].mean() for d in range(DOMAINS)]
    assert lift[0] > 0.05
    assert lift[1] < -0.05


def test_some_users_and_videos_of_validation_are_new(made: SyntheticReport, val: pa.Table) -> None:
    train = pq.read_table(made.train)
    for key in ("user_id", "video_id"):
        unseen = ~np.isin(np.asarray(val[key]), np.asarray(train[key]))
        assert 0.01 < unseen.mean() < 0.3


def test_ids_are_skewed(made: SyntheticReport) -> None:
    _, rows = np.unique(np.asarray(pq.read_table(made.train)["video_id"]), return_counts=True)
    rows.sort()
    assert rows[-len(rows) // 10 :].sum() > 0.25 * rows.sum()  # a tenth of the videos, a quarter of the rows


def test_the_seed_fixes_every_byte(tmp_path: Path) -> None:
    one, other, third = (make(tmp_path / str(k), rows=2_000, seed=seed) for k, seed in enumerate((5, 5, 6)))
    assert one.train.read_bytes() == other.train.read_bytes()
    assert one.truth.read_bytes() == other.truth.read_bytes()
    assert one.train.read_bytes() != third.train.read_bytes()


def test_tasks_beyond_those_asked_for_never_happen(tmp_path: Path) -> None:
    report = make(tmp_path, rows=2_000, domains=15, tasks=2, seed=1)
    train = pq.read_table(report.train)
    assert [label for label in ACTIONS.values() if any(train[label].to_pylist())] == ["is_click", "long_view"]
    assert list(report.bounds) == ["click", "long_view"]


def test_a_class_that_is_missing_leaves_both_bounds_undefined(tmp_path: Path) -> None:
    bounds = make(tmp_path, rows=100, domains=1, tasks=6, seed=0).bounds["hate"]["all"]
    assert (bounds.positives, bounds.constant_auc, bounds.oracle_auc) == (0, None, None)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"rows": 99}, "rows = 99: make at least 100"),
        ({"domains": 16}, "domains = 16: must lie in 1..15"),
        (
            {"tasks": 0},
            "tasks = 0: must lie in 1..7; they are ['click', 'long_view', 'like', 'follow', 'forward', "
            "'hate', 'comment']",
        ),
        ({"seed": -1}, "seed = -1: must be at least 0"),
        ({"val_fraction": 1.0}, "val_fraction = 1.0: must lie in (0, 1)"),
    ],
)
def test_arguments_out_of_range_are_refused(tmp_path: Path, change: dict[str, int], rule: str) -> None:
    with pytest.raises(DataError, match=f"^{re.escape(rule)}$"):
        make(tmp_path, **({"rows": 1_000} | change))


def test_the_gap_closed_is_undefined_where_the_truth_knows_no_more_than_a_guess() -> None:
    assert gap_closed(0.7, 0.6, 0.8) == pytest.approx(0.5)
    assert gap_closed(0.5, 0.6, 0.8) == pytest.approx(-0.5)
    assert gap_closed(0.7, 0.6, 0.6) is None
    assert gap_closed(None, 0.6, 0.8) is None

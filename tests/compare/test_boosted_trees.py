from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from peprank import config
from peprank.compare.boosted_trees import PARAMETERS, Logits, boosted_trees
from peprank.errors import DataError, TrainingError
from peprank.metrics import auc
from peprank.spec.model import L2, SoftmaxCrossEntropy, TaskSpace, TaskSpec
from peprank.spec.pipeline import PipelineSpec
from tests import tiny

Inputs: TypeAlias = tuple[str, ...] | None

SMALL = {"num_iterations": 20, "min_data_in_leaf": 10}  # a tiny table has no leaf of 100 rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write(tmp_path_factory.mktemp("tiny"), train_rows=1500, val_rows=300).parent


@pytest.fixture(scope="module")
def spec(folder: Path) -> PipelineSpec:
    return config.lower(config.read(folder / "tiny.config")).spec


def with_tasks(spec: PipelineSpec, *tasks: TaskSpec) -> PipelineSpec:
    return replace(spec, model=replace(spec.model, tasks=tasks))


def scores(
    spec: PipelineSpec, train: Inputs = None, judged: Inputs = None, *, seed: int = 1, **parameters: float
) -> Logits:
    """Of the plan's own rows where no others are named."""
    small = {**SMALL, **parameters}
    return boosted_trees(
        spec, train or spec.train_inputs, judged or spec.eval_inputs, seed=seed, threads=1, parameters=small
    )


def write(folder: Path, name: str, table: pa.Table) -> tuple[str, ...]:
    pq.write_table(table, folder / name)
    return (str(folder / name),)


def test_a_planted_signal_is_learned(spec: PipelineSpec) -> None:
    told: list[str] = []
    logits = boosted_trees(
        spec, spec.train_inputs, spec.eval_inputs, seed=1, threads=1, parameters=SMALL, on_task=told.append
    )
    assert told == ["ctr", "cvr"]
    assert logits.shape == (300, 2)
    assert logits.dtype == np.float32
    truth = tiny.rows(300, seed=2)
    click = truth["click"].to_numpy()
    # users of every third id click with probability 0.8, others with 0.2: the best AUC is about 0.78
    assert (auc(logits[:, 0], click) or 0) > 0.74
    assert np.isfinite(logits).all()
    prob = 1 / (1 + np.exp(-logits[:, 0]))
    assert prob.mean() == pytest.approx(click.mean(), abs=0.05)  # margins are logits


def test_scores_stand_in_the_order_of_the_rows(spec: PipelineSpec, tmp_path: Path) -> None:
    table = tiny.rows(300, seed=2)
    order = np.random.default_rng(0).permutation(300)
    shuffled = write(tmp_path, "shuffled.parquet", table.take(pa.array(order)))
    np.testing.assert_array_equal(scores(spec, judged=shuffled), scores(spec)[order])


def test_a_row_scores_the_same_in_any_batch(spec: PipelineSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    together = scores(spec)
    monkeypatch.setattr("peprank.compare.boosted_trees._BATCH_ROWS", 7)
    np.testing.assert_array_equal(scores(spec), together)


def test_a_seed_decides_the_scores(spec: PipelineSpec) -> None:
    first = scores(spec, seed=1)
    np.testing.assert_array_equal(scores(spec, seed=1), first)
    assert not np.array_equal(scores(spec, seed=2), first)


def test_no_label_of_the_judged_rows_is_read(spec: PipelineSpec, tmp_path: Path) -> None:
    table = tiny.rows(300, seed=2).drop_columns(["click", "buy"])
    np.testing.assert_array_equal(scores(spec, judged=write(tmp_path, "no.parquet", table)), scores(spec))


def test_missing_cells_are_scored(spec: PipelineSpec, tmp_path: Path) -> None:
    table = tiny.rows(5)
    for name in ("user", "item", "tags", "price", "age", "tab"):
        column = pa.nulls(5, table[name].type)
        table = table.set_column(table.column_names.index(name), name, column)
    logits = scores(spec, judged=write(tmp_path, "nulls.parquet", table))
    assert np.isfinite(logits).all()
    assert (logits == logits[0]).all()


def test_no_rows_to_score_have_no_scores(spec: PipelineSpec, tmp_path: Path) -> None:
    none = write(tmp_path, "none.parquet", tiny.rows(3).slice(0, 0))
    assert scores(spec, judged=none).shape == (0, 2)


def test_no_rows_to_train_on_are_refused(spec: PipelineSpec, tmp_path: Path) -> None:
    none = write(tmp_path, "none.parquet", tiny.rows(3).slice(0, 0))
    with pytest.raises(DataError, match=r"none\.parquet: has no rows to train on$"):
        scores(spec, train=none)


def test_a_task_of_one_class_scores_all_rows_alike(spec: PipelineSpec, tmp_path: Path) -> None:
    table = tiny.rows(200)
    never = table.set_column(table.column_names.index("buy"), "buy", pa.array(np.zeros(200, np.int64)))
    logits = scores(spec, train=write(tmp_path, "never.parquet", never))
    assert np.isfinite(logits).all()
    assert len(np.unique(logits[:, 1])) == 1
    assert logits[0, 1] < -5


def test_rows_of_weight_zero_teach_nothing(spec: PipelineSpec, tmp_path: Path) -> None:
    table = tiny.rows(1500, seed=1)
    is_odd = np.arange(1500) % 2 == 1
    lie = np.where(is_odd, 1 - table["click"].to_numpy(), table["click"].to_numpy())  # half of the labels turned round
    table = table.set_column(table.column_names.index("click"), "click", pa.array(lie))
    table = table.append_column("trust", pa.array(np.where(is_odd, 0.0, 1.0)))
    inputs = write(tmp_path, "lies.parquet", table)
    click = tiny.rows(300, seed=2)["click"].to_numpy()
    weighted = with_tasks(spec, replace(spec.model.tasks[0], sample_weight="trust"))
    for plan, low, high in ((weighted, 0.72, 1.0), (with_tasks(spec, spec.model.tasks[0]), 0.0, 0.65)):
        logits = scores(plan, train=inputs)
        assert low < (auc(logits[:, 0], click) or 0) < high


def test_a_task_space_weighs_rows(spec: PipelineSpec) -> None:
    space = TaskSpace(label="click", in_weight=1.0, out_weight=0.0)
    inside = scores(with_tasks(spec, replace(spec.model.tasks[1], space=space)))
    everywhere = scores(spec)[:, 1:]
    # of clicked rows 30 % are bought, of all rows some 12 %
    assert inside.mean() > everywhere.mean() + 0.5


def test_a_task_scores_the_same_alone_and_in_company(spec: PipelineSpec) -> None:
    click, buy = spec.model.tasks
    weighted = replace(buy, space=TaskSpace(label="click", in_weight=1.0, out_weight=0.1))
    together = scores(with_tasks(spec, weighted, click, buy))
    for column, task in enumerate((weighted, click, buy)):
        np.testing.assert_array_equal(together[:, column], scores(with_tasks(spec, task))[:, 0])


def test_classes_and_numbers_have_likelihoods_of_their_own(spec: PipelineSpec, tmp_path: Path) -> None:
    def labelled(table: pa.Table) -> pa.Table:
        user = table["user"].to_numpy()
        return table.append_column("kind", pa.array(user % 3)).append_column("size", pa.array(5.0 + user % 3))

    kind = TaskSpec(name="kind", label="kind", num_class=3, losses=(SoftmaxCrossEntropy(),))
    size = TaskSpec(name="size", label="size", losses=(L2(),))
    plan = with_tasks(spec, kind, spec.model.tasks[0], size)
    train = write(tmp_path, "train.parquet", labelled(tiny.rows(1500, seed=1)))
    logits = boosted_trees(
        plan,
        train,
        spec.eval_inputs,
        seed=1,
        threads=1,
        parameters={**SMALL, "num_iterations": 60, "learning_rate": 0.2},
    )
    assert logits.shape == (300, 5)
    user = tiny.rows(300, seed=2)["user"].to_numpy()
    assert (logits[:, :3].argmax(axis=1) == user % 3).mean() > 0.95
    assert np.abs(logits[:, 4] - 5 - user % 3).mean() < 0.2


def test_the_defaults_hold_where_nothing_else_is_said(spec: PipelineSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    lightgbm = pytest.importorskip("lightgbm")
    seen = []
    train = lightgbm.train

    def spy(settings: dict[str, object], *rest: object, num_boost_round: int) -> object:
        seen.append((settings, num_boost_round))
        return train(settings, *rest, num_boost_round=num_boost_round)

    monkeypatch.setattr(lightgbm, "train", spy)
    boosted_trees(spec, spec.train_inputs, spec.eval_inputs, seed=5, threads=2, parameters={"num_iterations": 3})
    assert [rounds for _, rounds in seen] == [3, 3]
    for settings, _ in seen:
        expected = {**PARAMETERS, "seed": 5, "num_threads": 2, "objective": "binary"}
        del expected["num_iterations"]
        assert expected.items() <= settings.items()


def test_without_lightgbm_the_error_says_what_to_install(spec: PipelineSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(
        TrainingError, match=r"need LightGBM, which .*: pip install 'peprank\[trees\]', or compare with"
    ):
        scores(spec)

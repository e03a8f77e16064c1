"""Whole runs: what they learn, when they save and judge, what they refuse, and what they tell."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import torch

from peprank.errors import ArtifactError, DataError, TrainingError
from peprank.spec.embedding import TableSpec
from peprank.spec.model import L2, TaskSpec
from peprank.spec.pipeline import PipelineSpec
from peprank.spec.train import Adam, DenseOptimizer, EarlyStopping, PartOptimizer, Precision
from peprank.training import CheckpointStore, train
from tests.training.world import BATCH, ROWS, Recorder, digests, make_files, make_plan, make_rows


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("rows")
    make_files(directory)
    return directory


def test_a_run_learns_and_tells_what_it_does(files: Path, tmp_path: Path) -> None:
    listener = Recorder()
    plan = make_plan(files, epochs=4, checkpoint_every_steps=20)
    result = train(plan, model_dir=tmp_path, listener=listener)
    assert listener.steps == list(range(1, 41))
    assert (listener.first_step, listener.planned) == (0, 40)
    assert listener.saved_steps == listener.judged_steps == [20, 40]
    assert listener.result is result
    assert (result.steps, result.rows) == (40, 4 * ROWS)
    assert result.latest == tmp_path / "checkpoints" / "step-40"
    assert result.results is not None
    auc = result.results.named()["auc_ctr"]
    assert auc is not None
    assert auc > 0.65
    first, last = (
        np.mean([sum(losses.values()) for losses in part]) for part in (listener.losses[:5], listener.losses[-5:])
    )
    assert last < first


def test_metrics_are_json_lines_without_a_clock(files: Path, tmp_path: Path) -> None:
    result = train(make_plan(files, epochs=1), model_dir=tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert list(result.history) == lines
    assert [(line["step"], "evaluation" in line) for line in lines] == [
        (3, False), (4, True), (6, False), (8, True), (9, False), (10, True)
    ]  # fmt: skip
    assert lines[0].keys() == {"step", "epoch", "rows", "losses", "learning_rates", "train_metrics"}
    assert lines[0]["losses"].keys() == {"binary_cross_entropy_ctr", "binary_cross_entropy_cvr"}
    assert lines[4]["learning_rates"] == {"sparse": 0.05, "dense": pytest.approx(0.01 * 0.9**2)}
    assert lines[1].keys() == {"step", "epoch", "rows", "evaluation"}


def test_logged_losses_are_means_since_the_last_line(files: Path, tmp_path: Path) -> None:
    listener = Recorder()
    result = train(make_plan(files, epochs=1, judged=False), model_dir=tmp_path, listener=listener)
    means = [np.mean([losses["binary_cross_entropy_ctr"] for losses in listener.losses[k : k + 3]]) for k in (0, 3, 6)]
    assert [line["losses"]["binary_cross_entropy_ctr"] for line in result.history] == pytest.approx(means)


@pytest.mark.parametrize(
    ("changes", "steps"),
    [
        ({"checkpoint_every_steps": None, "checkpoint_every_epochs": 1}, [10, 20, 30]),
        ({"checkpoint_every_steps": None, "checkpoint_every_epochs": 2}, [20, 30]),
        ({"checkpoint_every_steps": 15}, [15, 30]),
        ({"checkpoint_every_steps": 20}, [20, 30]),
        ({"checkpoint_every_steps": 5, "keep_checkpoints": 1}, [25, 30]),
        ({"checkpoint_every_steps": 10, "num_epochs": None, "num_steps": 13}, [10, 13]),
        ({"checkpoint_every_steps": 4, "accumulate_steps": 4}, [4, 8, 9]),  # 3 updates an epoch: 4, 4 and 2 batches
    ],
    ids=str,
)
def test_checkpoints_come_as_often_as_asked_and_one_at_the_end(
    files: Path, tmp_path: Path, changes: dict[str, Any], steps: list[int]
) -> None:
    train(make_plan(files, epochs=3, judged=False, **changes), model_dir=tmp_path)
    assert CheckpointStore(tmp_path).steps() == steps


def test_the_best_checkpoint_is_remembered_and_outlives_retention(files: Path, tmp_path: Path) -> None:
    plan = make_plan(files, checkpoint_every_steps=2, keep_checkpoints=1)
    plan = replace(plan, export=replace(plan.export, best_metric="auc_ctr"))
    result = train(plan, model_dir=tmp_path)
    values = {line["step"]: line["evaluation"]["auc_ctr"] for line in result.history if "evaluation" in line}
    best = max(values, key=lambda step: values[step])
    assert result.best == tmp_path / "checkpoints" / f"step-{best}"
    assert CheckpointStore(tmp_path).read("best").step == best
    assert CheckpointStore(tmp_path).steps() == sorted({best, 18, 20})


def test_early_stopping_ends_the_run(files: Path, tmp_path: Path) -> None:
    stopping = EarlyStopping(metric="auc_ctr", patience=2, min_delta=0.5)
    listener = Recorder()
    result = train(make_plan(files, early_stopping=stopping), model_dir=tmp_path, listener=listener)
    first = next(line["evaluation"]["auc_ctr"] for line in result.history if "evaluation" in line)
    assert result.steps == 12
    assert listener.notes == [
        f"stopped early: auc_ctr was best at step 4 ({first:.6g}), and no better in 2 evaluations since"
    ]


def test_a_metric_that_does_not_exist_stops_the_run_after_its_checkpoint(files: Path, tmp_path: Path) -> None:
    plan = make_plan(files)
    plan = replace(plan, export=replace(plan.export, best_metric="auc_crt"))
    with pytest.raises(
        TrainingError, match=r"^metric 'auc_crt' is not among the results; there are auc, auc_ctr, auc_cvr"
    ):
        train(plan, model_dir=tmp_path)
    assert CheckpointStore(tmp_path).steps() == [4]


def with_a_huge_label(files: Path, directory: Path, step: int) -> PipelineSpec:
    """The plan with a third task whose squared error overflows at one step; rows come in file order."""
    directory.mkdir()
    rows = make_rows(1)
    is_huge = np.arange(ROWS) // BATCH == step - 1
    price = np.where(is_huge, 2e7, rows["price"].to_numpy()).astype(np.float32)
    rows = rows.set_column(rows.column_names.index("price"), "price", pa.array(price))
    pq.write_table(rows.append_column("time", pa.array(np.where(is_huge, 1e30, 1.0))), directory / "rows.parquet")
    plan = make_plan(files, judged=False)
    time = TaskSpec(name="time", label="time", losses=(L2(),))
    return replace(
        plan,
        train_inputs=(str(directory / "rows.parquet"),),
        data=replace(plan.data, shuffle=False),
        model=replace(plan.model, tasks=(*plan.model.tasks, time)),
    )


@pytest.mark.parametrize("step", [1, 4, 6])
def test_a_loss_that_is_not_finite_stops_at_that_step_with_the_last_good_weights(
    files: Path, tmp_path: Path, step: int
) -> None:
    plan = with_a_huge_label(files, tmp_path / "rows", step)
    with pytest.raises(TrainingError) as raised:
        train(plan, model_dir=tmp_path / "bad")
    first = (step - 1) * BATCH
    assert re.sub(r"(c[tv]r) = [\d.e+]+", r"\1 = .", str(raised.value)) == (
        f"step {step}: the loss is not finite (binary_cross_entropy_ctr = ., binary_cross_entropy_cvr = ., "
        f"l2_loss_time = inf) on rows {first} to {first + BATCH - 1} of epoch 0; "
        "label of task 'time': its largest value is 1e+30; feature 'price': its largest value is 2e+07. "
        f"The weights of step {step - 1} are in {tmp_path}/bad/checkpoints/step-{step - 1}, "
        f"statistics of every feature in {tmp_path}/bad/not-finite-step-{step}.json"
    )
    kept = CheckpointStore(tmp_path / "bad").read()
    assert kept.step == step - 1
    if step > 1:
        short = replace(plan.train, num_epochs=None, num_steps=step - 1)
        train(replace(plan, train=short), model_dir=tmp_path / "good")
        expected = CheckpointStore(tmp_path / "good").read()
        for ours, theirs in ((kept.weights(), expected.weights()), (kept.training(), expected.training())):
            assert ours.keys() == theirs.keys()
            assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_the_report_on_a_bad_batch_has_statistics_of_every_feature(files: Path, tmp_path: Path) -> None:
    plan = with_a_huge_label(files, tmp_path / "rows", 1)
    with pytest.raises(TrainingError):
        train(plan, model_dir=tmp_path / "model")
    report = json.loads((tmp_path / "model" / "not-finite-step-1.json").read_text())
    assert {name: report[name] for name in ("step", "epoch", "first_row", "num_rows")} == {
        "step": 1, "epoch": 0, "first_row": 0, "num_rows": BATCH
    }  # fmt: skip
    assert report["features"].keys() == {"user", "item", "domain", "tags", "price"}
    assert report["features"]["price"] == {"values": BATCH, "not_finite": 0, "min": 2e7, "max": 2e7, "mean": 2e7}
    assert report["labels"].keys() == report["weights"].keys() == {"ctr", "cvr", "time"}
    rows = make_rows(1).slice(0, BATCH)
    assert report["features"]["user"] == {
        "ids": BATCH,
        "missing": 0,
        "distinct": len(pc.unique(rows["user"])),
        "min": pc.min(rows["user"]).as_py(),
        "max": pc.max(rows["user"]).as_py(),
    }


def test_no_rows_to_train_on_is_said(files: Path, tmp_path: Path) -> None:
    pq.write_table(make_rows(1).slice(0, 0), tmp_path / "empty.parquet")
    plan = replace(make_plan(files), train_inputs=(str(tmp_path / "empty.parquet"),))
    with pytest.raises(TrainingError) as raised:
        train(plan, model_dir=tmp_path / "model")
    assert str(raised.value) == f"{tmp_path}/empty.parquet: has no rows to train on"


def test_fewer_rows_than_a_batch_with_drop_remainder_is_said(files: Path, tmp_path: Path) -> None:
    plan = make_plan(files)
    plan = replace(plan, data=replace(plan.data, batch_rows=1000, drop_remainder=True))
    with pytest.raises(TrainingError) as raised:
        train(plan, model_dir=tmp_path / "model")
    assert str(raised.value) == (
        f"{files}/train-*.parquet: has fewer rows than one batch of 1000, and data_config.drop_remainder leaves them "
        "out; lower batch_size or unset drop_remainder"
    )


def test_an_error_while_reading_ends_the_run_with_its_own_words(files: Path, tmp_path: Path) -> None:
    rows = make_rows(1)
    label = rows["clk"].to_pylist()
    label[500] = 7
    pq.write_table(rows.set_column(rows.column_names.index("clk"), "clk", pa.array(label)), tmp_path / "rows.parquet")
    plan = replace(make_plan(files), train_inputs=(str(tmp_path / "rows.parquet"),))
    with pytest.raises(DataError) as raised:
        train(plan, model_dir=tmp_path / "model")
    assert str(raised.value) == (
        f"{tmp_path}/rows.parquet, row group 0: label 'clk' is out of bounds in 1 of 640 rows, such as 7; "
        "must be 0 or 1"
    )


def test_unknown_values_are_noted_at_the_end_of_the_first_epoch(files: Path, tmp_path: Path) -> None:
    rows = make_rows(1)
    user = np.where(np.arange(ROWS) % 16 == 0, 10_000, rows["user"].to_numpy())
    pq.write_table(rows.set_column(rows.column_names.index("user"), "user", pa.array(user)), tmp_path / "rows.parquet")
    plan = replace(make_plan(files, judged=False), train_inputs=(str(tmp_path / "rows.parquet"),))
    listener = Recorder()
    train(plan, model_dir=tmp_path / "model", listener=listener)
    assert listener.notes == ["feature 'user': 6.2% of its values in the first epoch are not in its vocabulary"]


def test_fine_tuning_starts_from_the_weights_that_fit_and_names_the_others(files: Path, tmp_path: Path) -> None:
    train(make_plan(files, epochs=1, judged=False), model_dir=tmp_path / "old")
    old = CheckpointStore(tmp_path / "old").read().weights()
    plan = make_plan(
        files,
        epochs=1,
        judged=False,
        fine_tune_checkpoint=str(tmp_path / "old"),
        fine_tune_names=(("embeddings.person_emb.weight", "embeddings.user_emb.weight"),),
        dense=DenseOptimizer(rule=Adam(lr=0.0)),
        sparse=replace(make_plan(files).train.sparse, rule=replace(make_plan(files).train.sparse.rule, lr=0.0)),
    )
    tables = {table.name: table for table in plan.model.tables}
    tables["user_emb"] = replace(tables["user_emb"], name="person_emb")
    tables["item_emb"] = TableSpec(name="item_emb", rows=301, dim=8)
    groups = tuple(
        replace(
            group,
            inputs=tuple(replace(i, table="person_emb") if i.table == "user_emb" else i for i in group.inputs),
        )
        for group in plan.model.groups
    )
    plan = replace(plan, model=replace(plan.model, tables=tuple(tables.values()), groups=groups))
    listener = StartOnly()
    train(plan, model_dir=tmp_path / "new", listener=listener)
    new = CheckpointStore(tmp_path / "new").read().weights()
    assert torch.equal(new["embeddings.person_emb.weight"], old["embeddings.user_emb.weight"])
    moved = {"embeddings.person_emb.weight", "embeddings.item_emb.weight"}
    assert all(torch.equal(value, old[name]) for name, value in new.items() if name not in moved)
    assert listener.notes == [
        f"starting from the weights of {tmp_path}/old/checkpoints/step-10",
        "1 weights keep their first values: 'embeddings.item_emb.weight' has shape [300, 8] there, [301, 8] here",
    ]


class StartOnly(Recorder):
    """Accepts learning rates of 0."""

    def step(self, step: int, losses: Any, rows_per_s: float, lr: float) -> None:
        super().step(step, losses, rows_per_s, lr=1.0 + lr)


def test_fine_tuning_from_nothing_is_refused(files: Path, tmp_path: Path) -> None:
    message = f"fine_tune_checkpoint = {tmp_path}/gone: holds no good checkpoint"
    with pytest.raises(ArtifactError) as raised:
        train(make_plan(files, fine_tune_checkpoint=f"{tmp_path}/gone"), model_dir=tmp_path / "model")
    assert str(raised.value) == message


def test_averaged_weights_are_judged_when_asked_and_kept_beside_the_others(files: Path, tmp_path: Path) -> None:
    plan = make_plan(files, epochs=1, dense=DenseOptimizer(rule=Adam(lr=0.05), ema_decay=0.9))
    asked = replace(plan, evaluation=replace(plan.evaluation, use_ema=True))
    runs = [train(run, model_dir=tmp_path / name) for name, run in (("plain", plan), ("averaged", asked))]
    plain, averaged = (run.results.named() for run in runs if run.results is not None)
    assert plain["logloss"] != averaged["logloss"]
    kept = [CheckpointStore(tmp_path / name).read() for name in ("plain", "averaged")]
    assert all(torch.equal(kept[0].weights()[name], value) for name, value in kept[1].weights().items())
    assert any(not torch.equal(kept[1].weights()[name], v) for name, v in kept[1].weights(use_ema=True).items())


def test_bf16_learns_about_the_same(files: Path, tmp_path: Path) -> None:
    runs = {
        precision: train(make_plan(files, precision=precision), model_dir=tmp_path / precision.name)
        for precision in (Precision.FLOAT32, Precision.BF16)
    }
    values = {precision: run.results.named()["logloss"] for precision, run in runs.items() if run.results is not None}
    assert values[Precision.BF16] == pytest.approx(values[Precision.FLOAT32], rel=0.02)
    assert values[Precision.BF16] != values[Precision.FLOAT32]


@pytest.mark.parametrize("taken", [Precision.FLOAT32, Precision.BF16])
def test_auto_trains_as_the_precision_that_it_takes_and_says_which(
    files: Path, tmp_path: Path, taken: Precision, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("peprank.models.precision.has_bf16", lambda _: taken is Precision.BF16)
    listener = Recorder()
    train(make_plan(files, epochs=1, precision=Precision.AUTO), model_dir=tmp_path / "auto", listener=listener)
    train(make_plan(files, epochs=1, precision=taken), model_dir=tmp_path / "named")
    assert listener.notes == [f"mixed_precision AUTO: computing in {taken.name}"]
    assert digests(tmp_path / "auto", 10) == digests(tmp_path / "named", 10)


def test_training_leaves_the_callers_random_state_alone(files: Path, tmp_path: Path) -> None:
    torch.manual_seed(99)
    before = torch.get_rng_state()
    train(make_plan(files, epochs=1, judged=False), model_dir=tmp_path)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_config_is_kept_only_once_the_run_may_write_there(files: Path, tmp_path: Path) -> None:
    opened: list[Path] = []
    train(make_plan(files, epochs=1, judged=False), model_dir=tmp_path, on_open=opened.append)
    assert opened == [tmp_path]
    with pytest.raises(ArtifactError, match="was made by another plan"):
        train(make_plan(files, epochs=1, judged=False, seed=5), model_dir=tmp_path, on_open=opened.append)
    assert opened == [tmp_path]


SUMMARIES = ("loss", "learning_rate", "parameter", "gradient", "gradient_norm", "global_gradient_norm")


def test_tensorboard_gets_what_the_config_names(files: Path, tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    plan = make_plan(files, epochs=1, use_tensorboard=True, tensorboard_summaries=SUMMARIES)
    train(plan, model_dir=tmp_path)
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    tags = events.Tags()
    assert [event.step for event in events.Scalars("loss/total")] == [3, 6, 9]
    assert [event.step for event in events.Scalars("evaluation/auc_ctr")] == [4, 8, 10]
    assert {tag.split("/")[0] for tag in tags["scalars"]} == {
        "loss", "learning_rate", "gradient_norm", "global_gradient_norm", "evaluation", "train"
    }  # fmt: skip
    assert {tag.split("/")[0] for tag in tags["histograms"]} == {"parameter", "gradient"}


def test_tensorboard_shows_gates_and_looking_at_them_changes_no_bit(files: Path, tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    runs = {shown: tmp_path / str(shown) for shown in (True, False)}
    for shown, folder in runs.items():
        train(make_plan(files, epochs=1, judged=False, use_tensorboard=shown), model_dir=folder)
    weights = [next(folder.glob("checkpoints/step-10/weights.safetensors")) for folder in runs.values()]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    events = accumulator.EventAccumulator(str(runs[True] / "tensorboard"))
    events.Reload()
    tags = {tag for tag in events.Tags()["scalars"] if tag.startswith("gate")}
    fields = {f"gate/epnet/{name}" for name in ("user", "item", "domain", "tags", "price")}
    gates = {"epnet", *(f"ppnet/{task}/layer_1" for task in ("ctr", "cvr"))}
    kinds = {f"{kind}/{gate}" for kind in ("gate", "gate_saturation", "gate_between_rows") for gate in gates}
    assert tags >= fields | kinds
    assert [event.step for event in events.Scalars("gate/epnet/user")] == [3, 6, 9]
    assert 0 < events.Scalars("gate/epnet/user")[0].value < 2


def test_a_missing_tensorboard_is_one_note(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("peprank.training.board.is_installed", lambda: False)
    listener = Recorder()
    plan = make_plan(files, epochs=1, judged=False, use_tensorboard=True)
    train(plan, model_dir=tmp_path, listener=listener)
    assert listener.notes == ["no TensorBoard events: the package is missing, `pip install peprank[tensorboard]`"]


def test_profiling_leaves_a_trace_of_ten_steps(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("peprank.training.backward._PART_ROWS", BATCH // 2)  # two threads share a batch
    train(make_plan(files, judged=False, is_profiling=True), model_dir=tmp_path)
    names = [event["name"] for event in json.loads((tmp_path / "profile.json").read_text())["traceEvents"]]
    assert {name for name in names if name.startswith("ProfilerStep#")} == {f"ProfilerStep#{k}" for k in range(10, 20)}
    assert names.count("aten::linear") >= 2 * 10, "work of the threads is missing"


def test_what_has_no_effect_is_noted(files: Path, tmp_path: Path) -> None:
    train(make_plan(files, epochs=1, judged=False), model_dir=tmp_path / "old")
    plan = make_plan(
        files,
        epochs=1,
        judged=False,
        dense=DenseOptimizer(rule=Adam(), parts=(PartOptimizer(pattern="gone", rule=Adam()),)),
        fine_tune_checkpoint=str(tmp_path / "old"),
        fine_tune_names=(("strange", "embeddings.user_emb.weight"),),
    )
    listener = Recorder()
    train(plan, model_dir=tmp_path / "new", listener=listener)
    assert listener.notes[1:] == [
        "fine_tune_ckpt_param_map: no weight here is called strange",
        "part_optimizers: 'gone' has no effect: it matches no parameter that is left",
    ]


def test_numbers_that_are_not_finite_are_called_so(files: Path, tmp_path: Path) -> None:
    rows = make_rows(1)
    price = np.where(np.arange(ROWS) % 16 == 0, np.nan, 1.0)
    pq.write_table(
        rows.set_column(rows.column_names.index("price"), "price", pa.array(price)), tmp_path / "rows.parquet"
    )
    plan = replace(make_plan(files, judged=False), train_inputs=(str(tmp_path / "rows.parquet"),))
    listener = Recorder()
    train(plan, model_dir=tmp_path / "model", listener=listener)
    (note,) = listener.notes
    assert note == "feature 'price': 6.2% of its values in the first epoch are not finite, or not after its normalizer"


def test_a_gpu_that_is_not_there_is_refused(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(TrainingError, match=r"^device = cuda: torch finds no GPU here; train on the device cpu$"):
        train(make_plan(files), model_dir=tmp_path / "model", device="cuda")

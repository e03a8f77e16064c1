"""The record of a run: what it says, what it survives, and that it suffices to make the run again."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import peprank
from peprank import api, config
from peprank.cli.main import main
from peprank.errors import ArtifactError, TrainingError
from peprank.record import RECORD, RunRecord, differences, environment
from peprank.record.data import file_marks
from peprank.record.git import git_state
from peprank.training import Silent
from tests import tiny

FEW = ["train_config.num_epochs=1", "train_config.save_checkpoints_steps=5"]


class Told(Silent):
    """A listener that keeps notes, and stops the run at a step if it is told to."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.notes: list[str] = []
        self._stop_at = stop_at

    def step(self, step: int, *_: Any) -> None:
        if step == self._stop_at:
            raise KeyboardInterrupt

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained tiny model."""
    folder = tmp_path_factory.mktemp("record")
    peprank.train(tiny.write(folder, train_rows=600), overrides=FEW)
    return folder


@pytest.fixture(scope="module")
def record(folder: Path) -> RunRecord:
    return RunRecord.read(folder / "model")


def weights(model_dir: Path, step: int) -> bytes:
    return (model_dir / "checkpoints" / f"step-{step}" / "weights.safetensors").read_bytes()


def test_it_says_what_was_asked_where_it_ran_and_what_came_of_it(record: RunRecord, folder: Path) -> None:
    assert record.config.text == (folder / "tiny.config").read_text()
    assert record.session.changes == tuple(FEW)
    assert record.seed == 7
    assert [mark.num_rows for marks in record.data.values() for mark in marks] == [600, 200]
    assert environment().items() <= record.session.environment.items()
    assert record.session.environment["device"] == "cpu"
    assert record.session.environment["precision"] in ("BF16", "float32")
    assert (record.steps, record.rows, record.session.outcome) == (10, 600, "finished")
    assert record.session.seconds.keys() == {"starting", "training", "saving", "evaluating"}
    assert record.session.started_at <= (record.session.ended_at or "")


def test_its_results_are_those_of_the_run_by_task_and_domain(record: RunRecord, folder: Path) -> None:
    assert record.latest is not None
    assert record.best is not None
    assert record.latest.step == 10
    assert record.best.step == json.loads((folder / "model" / "best.json").read_text())["step"]
    results = peprank.evaluate(peprank.load(folder / "model", checkpoint="latest"), folder / "val.parquet")
    assert record.latest.results.named()["auc_ctr"] == results.named()["auc_ctr"]


def test_it_comes_back_equal_from_its_file(record: RunRecord, tmp_path: Path) -> None:
    record.write(tmp_path)
    assert RunRecord.read(tmp_path) == record
    assert RunRecord.read(tmp_path / RECORD) == record


def test_a_run_from_the_record_has_the_same_bits(
    record: RunRecord, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--from-record", str(folder / "model"), "--model-dir", str(tmp_path / "again")]) == 0
    said = capsys.readouterr()
    assert "data, versions, processor and threads are those of the record\n" in said.err
    assert "evaluation of step 10 is the record's to the last bit\n" in said.out
    assert weights(tmp_path / "again", 10) == weights(folder / "model", 10)
    assert (tmp_path / "again" / "metrics.jsonl").read_bytes() == (folder / "model" / "metrics.jsonl").read_bytes()
    second = RunRecord.read(tmp_path / "again")
    assert (second.latest, second.best, second.data) == (record.latest, record.best, record.data)


def test_a_run_from_the_record_needs_a_folder_of_its_own(
    record: RunRecord, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = str(folder / "model")
    for arguments, says in (
        (["--from-record", model], "--from-record needs --model-dir DIR, a folder of its own for the run"),
        (["--from-record", model, str(folder / "tiny.config")], "give a CONFIG, or --from-record RECORD"),
        ([], "give a CONFIG, or --from-record RECORD"),
    ):
        with pytest.raises(SystemExit) as stopped:
            main(["train", *arguments])
        assert stopped.value.code == 2
        assert says in capsys.readouterr().err
    with pytest.raises(TrainingError, match="is the model_dir of the recorded run; give another one"):
        api.train_again(record)


def test_what_differs_from_the_record_is_named(record: RunRecord, folder: Path) -> None:
    spec = record.config.lower().spec
    here = {**record.session.environment, "torch": "2.0.0"}
    (mark,) = record.data["train_input_path"]
    older = replace(record.with_session(environment=here), data={**record.data, "train_input_path": (mark, mark)})
    assert differences(older, spec, "cpu") == (
        f"torch: 2.0.0 -> {environment()['torch']}",
        "train_input_path: 2 files -> 1 files",
    )
    fewer = replace(mark, num_rows=599, sha256="0" * 64)
    (said,) = differences(replace(record, data={**record.data, "train_input_path": (fewer,)}), spec, "cpu")
    assert said.startswith(f"train_input_path: {folder / 'train.parquet'}: 599 rows, ")
    assert f" -> 600 rows, {mark.num_bytes:,} bytes, hash {mark.sha256[:8]}" in said


def test_a_record_of_a_gpu_says_so_where_there_is_none(record: RunRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(TrainingError, match="device = cuda: torch finds no GPU here; train on the device cpu"):
        api.train_again(record, overrides=['model_dir="elsewhere"'], device="cuda")


def test_sessions_of_a_stopped_run_are_kept_and_the_whole_can_be_made_again(record: RunRecord, folder: Path) -> None:
    place = [f'model_dir="{folder / "stopped"}"']
    with pytest.raises(KeyboardInterrupt):
        peprank.train(folder / "tiny.config", overrides=[*FEW, *place], listener=Told(stop_at=7))
    stopped = RunRecord.read(folder / "stopped")
    assert (stopped.session.outcome, stopped.session.last_step, stopped.steps) == ("stopped by ctrl-C", 7, 5)
    peprank.train(folder / "tiny.config", overrides=[*FEW, *place])
    resumed = RunRecord.read(folder / "stopped")
    assert [(session.first_step, session.last_step) for session in resumed.sessions] == [(0, 7), (5, 10)]
    assert [session.outcome for session in resumed.sessions] == ["stopped by ctrl-C", "finished"]
    assert (resumed.latest, resumed.best, resumed.data) == (record.latest, record.best, record.data)
    assert any(note.startswith("going on from ") for note in resumed.session.notes)
    assert not differences(resumed, resumed.config.lower().spec, "cpu")


def test_a_damaged_record_stops_no_run_and_an_earlier_one_steps_aside(folder: Path) -> None:
    place, told = folder / "damaged", Told()
    place.mkdir()
    (place / RECORD).write_text('{"format": 1')
    overrides = [*FEW, f'model_dir="{place}"']
    peprank.train(folder / "tiny.config", overrides=overrides, listener=told)
    (note,) = (note for note in told.notes if RECORD in note)
    assert note.startswith(f"{place / RECORD}: is no record of a run, or a damaged one (")
    assert note.endswith("; a new one is begun")
    assert len(RunRecord.read(place).sessions) == 1
    peprank.train(folder / "tiny.config", overrides=overrides, resume="never")
    assert len(RunRecord.read(place).sessions) == 1
    assert RunRecord.read(place / "previous-1").session.notes == tuple(told.notes)


@pytest.mark.parametrize("damage", ["", "[]", "{}", '{"format": 2}'])
def test_what_is_no_record_is_refused_by_name(damage: str, tmp_path: Path) -> None:
    (tmp_path / RECORD).write_text(damage)
    with pytest.raises(ArtifactError, match="is no record of a run, or a damaged one"):
        RunRecord.read(tmp_path)
    with pytest.raises(ArtifactError, match="there is no record; `peprank train` writes it into model_dir"):
        RunRecord.read(tmp_path / "nowhere.json")


def test_a_mark_changes_with_the_rows_and_not_with_the_name(tmp_path: Path) -> None:
    data = config.load(tiny.write(tmp_path)).spec.data
    rows = tiny.rows(100, seed=3)
    pq.write_table(rows, tmp_path / "a.parquet")
    pq.write_table(rows, tmp_path / "b.parquet")
    pq.write_table(tiny.rows(100, seed=4), tmp_path / "c.parquet")
    a, b, c = file_marks([str(tmp_path / f"{name}.parquet") for name in "abc"], data)
    assert a.sha256 == b.sha256 != c.sha256
    assert file_marks([], data) == ()


def test_a_project_without_git_has_no_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert git_state(tmp_path) is None
    monkeypatch.setenv("PATH", str(tmp_path))  # a machine without git
    assert git_state(Path.cwd()) is None


def test_a_project_has_a_commit_and_maybe_changes(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        name = ["-c", "user.name=a", "-c", "user.email=a@b"]
        return subprocess.check_output(["git", "-C", str(tmp_path), *name, *arguments], text=True).strip()

    git("init", "-q")
    assert git_state(tmp_path) is None
    (tmp_path / "a.config").write_text("1")
    git("add", ".")
    git("commit", "-qm", "one")
    (tmp_path / "untracked").touch()
    for has_changes in (False, True):
        state = git_state(tmp_path)
        assert state is not None
        assert (state.commit, state.has_changes) == (git("rev-parse", "HEAD"), has_changes)
        (tmp_path / "a.config").write_text("2")

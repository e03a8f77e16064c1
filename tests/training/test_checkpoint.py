"""Checkpoints: whole or absent, verified, kept, and written by one process."""

from __future__ import annotations

import json
import os
import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from peprank.errors import ArtifactError, TrainingError
from peprank.training import CheckpointStore
from peprank.training.best import BestSoFar
from peprank.training.checkpoint import removable
from tests.promises import Reached, Times


def save(store: CheckpointStore, step: int, *, averages: bool = False) -> Path:
    arena = torch.arange(400.0).view(100, 4)
    weights = {"a.weight": arena[:60], "b.weight": arena[60:], "bias": torch.tensor(1.5)}
    average = {"bias": torch.tensor(float(step))} if averages else {}
    return store.save({"step": step, "plan": {}}, weights, {"random/cpu": torch.get_rng_state()}, average)


def store_with(directory: Path, *steps: int) -> CheckpointStore:
    store = CheckpointStore(directory)
    for step in steps:
        save(store, step)
    return store


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_what_is_saved_is_read_back(tmp_path: Path) -> None:
    save(CheckpointStore(tmp_path), 5, averages=True)
    checkpoint = CheckpointStore(tmp_path).read(5)
    assert checkpoint.step == 5
    assert torch.equal(checkpoint.weights()["b.weight"], torch.arange(240.0, 400.0).view(40, 4))
    assert checkpoint.weights()["bias"].item() == 1.5
    assert checkpoint.weights(use_ema=True)["bias"].item() == 5.0
    assert torch.equal(checkpoint.training()["random/cpu"], torch.get_rng_state())


def test_averages_that_a_run_did_not_have_are_refused(tmp_path: Path) -> None:
    path = save(CheckpointStore(tmp_path), 5)
    message = f"{path}: holds no moving averages; train with `ema {{}}` or unset use_dense_ema"
    with pytest.raises(ArtifactError, match=f"^{re.escape(message)}$"):
        CheckpointStore(tmp_path).read().weights(use_ema=True)


def test_best_latest_and_steps_are_found(tmp_path: Path) -> None:
    store = store_with(tmp_path, 10, 20, 100)
    assert [store.read(which).step for which in ("latest", "best", "20", 10)] == [100, 100, 20, 10]
    store.mark_best(BestSoFar(metric="auc", value=0.7, step=20))
    assert store.read("best").step == 20
    assert json.loads((tmp_path / "best.json").read_text()) == {"step": 20, "metric": "auc", "value": 0.7}


@pytest.mark.parametrize(
    ("which", "message"),
    [
        ("15", "{dir}: has no checkpoint '15'; say best, latest or a step among 10, 20"),
        ("newest", "{dir}: has no checkpoint 'newest'; say best, latest or a step among 10, 20"),
    ],
)
def test_a_checkpoint_that_is_not_there_is_refused(tmp_path: Path, which: str, message: str) -> None:
    store = store_with(tmp_path, 10, 20)
    with pytest.raises(ArtifactError, match=f"^{re.escape(message.format(dir=tmp_path))}$"):
        store.read(which)


def test_a_model_dir_without_checkpoints_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=f"^{re.escape(f'{tmp_path}: holds no checkpoints; train first')}$"):
        CheckpointStore(tmp_path).read()


FILES = ("weights.safetensors", "training.safetensors", "state.json", "manifest.json")


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("damage", ["bit", "truncated", "empty", "missing", "swapped"])
def test_damage_is_found_named_and_gone_back_from(tmp_path: Path, file: str, damage: str) -> None:
    store_with(tmp_path, 10, 20)
    store = CheckpointStore(tmp_path)
    path = store.path(20) / file
    if damage == "bit":
        flip_a_bit(path)
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:-2])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "missing":
        path.unlink()
    else:
        path.write_bytes((store.path(20) / FILES[FILES.index(file) - 1]).read_bytes())
    checkpoint, faults = store.newest_good()
    assert checkpoint is not None
    assert checkpoint.step == 10
    assert len(faults) == 1
    assert "step-20" in faults[0]
    # A changed manifest shows as a fault of the file whose entry it was.
    assert file in faults[0] or file == "manifest.json"
    with pytest.raises(ArtifactError, match=r"; good checkpoints: 10$"):
        CheckpointStore(tmp_path).read("latest")


def test_a_checkpoint_of_another_format_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as later:
        later.setattr("peprank.training.checkpoint.FORMAT", 99)
        path = save(CheckpointStore(tmp_path), 3)
    message = f"{path}: has format 99, this peprank reads 1; good checkpoints: none"
    with pytest.raises(ArtifactError, match=f"^{re.escape(message)}$"):
        CheckpointStore(tmp_path).read(3)


EVENTS = st.lists(st.tuples(st.sampled_from(["save", "damage", "best", "prune"]), st.integers(0, 12)), max_size=40)


@pytest.mark.promise("R-07", "sequences of saves, damage, new bests and removals")
def test_retention_never_takes_the_best_or_the_last_two_good_ones(times: Times, reached: Reached) -> None:
    num = times(300, 10_000)

    @settings(max_examples=num)
    @given(events=EVENTS)
    def holds(events: list[tuple[str, int]]) -> None:
        is_good: dict[int, bool] = {}
        best: int | None = None
        for at, (event, number) in enumerate(events):
            steps = sorted(is_good)
            if event == "save":
                is_good[10 * at] = True
            elif event == "damage" and number < len(steps):
                is_good[steps[number]] = False
            elif event == "best" and number < len(steps):
                best = steps[number]
            elif event == "prune":
                removed = removable(steps, number, best, is_good.__getitem__)
                last_good = [step for step in steps if is_good[step]][-2:]
                stay = {best, *last_good, *steps[-number:]} if number else set(steps)
                assert set(steps) - set(removed) == stay & set(steps)
                is_good = {step: good for step, good in is_good.items() if step not in removed}

    holds()
    reached(f"{num:,} sequences, 0 times the best or one of the last two good ones was removed")


def test_pruning_looks_at_hashes_before_it_counts_a_checkpoint_as_good(tmp_path: Path) -> None:
    store_with(tmp_path, 1, 2, 3, 4)
    flip_a_bit(tmp_path / "checkpoints" / "step-3" / "weights.safetensors")
    store = CheckpointStore(tmp_path)
    store.prune(keep=1)
    assert store.steps() == [2, 4]
    assert [path.name for path in store.directory.glob(".*")] == []


def test_a_second_writer_is_refused_with_the_pid_of_the_first(tmp_path: Path) -> None:
    # The lock belongs to an open file, so that a second one of this process stands for another process.
    message = f"{tmp_path}: process {os.getpid()} trains here; wait for it, or choose another model_dir"
    with CheckpointStore(tmp_path).lock():
        with pytest.raises(TrainingError) as raised, CheckpointStore(tmp_path).lock():
            pass
        assert str(raised.value) == message
        CheckpointStore(tmp_path).steps()  # readers need no lock
    with CheckpointStore(tmp_path).lock():
        pass  # it is free again


def test_leftovers_of_a_killed_process_are_removed_by_the_next(tmp_path: Path) -> None:
    store = store_with(tmp_path, 1)
    for name in (".step-2.123.partial", ".step-0.removed"):
        (store.directory / name).mkdir()
        (store.directory / name / "weights.safetensors").write_bytes(b"half")
    with store.lock():
        assert [path.name for path in store.directory.iterdir()] == ["step-1"]


@contextmanager
def files_of_at_most(num_bytes: int) -> Iterator[None]:
    """What a full disk looks like to a writer: a write fails part of the way."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("num_bytes", [0, 100, 1000, 2500, 5000])
def test_a_full_disk_is_said_and_the_last_good_checkpoint_stays(tmp_path: Path, num_bytes: int) -> None:
    store = store_with(tmp_path, 10)
    with files_of_at_most(num_bytes), pytest.raises(TrainingError) as raised:
        save(store, 20)
    text = str(raised.value)
    assert text.startswith(f"{store.path(20)}: cannot be written (")
    assert "File too large" in text
    assert text.endswith("); make room or choose another model_dir, then run again: it goes on from step 10")
    assert [path.name for path in store.directory.iterdir()] == ["step-10"]
    assert CheckpointStore(tmp_path).read().step == 10


def test_the_first_checkpoint_that_cannot_be_written_says_that_nothing_was_saved(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    with files_of_at_most(0), pytest.raises(TrainingError, match=r"it starts afresh, nothing was saved before$"):
        save(store, 20)


def test_a_model_dir_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    message = f"{tmp_path / 'file'}: cannot be written (Not a directory); choose another model_dir"
    with (
        pytest.raises(TrainingError, match=f"^{re.escape(message)}$"),
        CheckpointStore(tmp_path / "file").lock(),
    ):
        pass


def test_starting_afresh_moves_what_was_there_and_loses_nothing(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    assert store.start_afresh() is None
    for k in (1, 2):
        save(store, 10 * k)
        (tmp_path / "metrics.jsonl").write_text(f"{k}")
        assert store.start_afresh() == tmp_path / f"previous-{k}"
        assert store.steps() == []
    assert CheckpointStore(tmp_path / "previous-1").read().step == 10
    assert CheckpointStore(tmp_path / "previous-2").read().step == 20
    assert (tmp_path / "previous-2" / "metrics.jsonl").read_text() == "2"

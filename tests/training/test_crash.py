"""Wherever a process or a machine stops while it writes, a checkpoint or bundle is whole or absent."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from peprank import bundle as bundles
from peprank.bundle import ConfigSource
from peprank.models import build
from peprank.training import CheckpointStore
from peprank.training.best import BestSoFar
from peprank.training.log import MetricsLog
from tests import tiny
from tests.folder_states import Watched
from tests.promises import Reached, Times

FILES = {"checkpoints", "metrics.jsonl", "best.json", "lock"}


def save(store: CheckpointStore, log: MetricsLog, step: int) -> None:
    """What a run does at a milestone."""
    log.write({"step": step, "loss": 0.5})
    state = {"step": step, "plan": {}, "metrics_bytes": log.sync()}
    weights = {"w": torch.full((40,), float(step))}
    store.save(state, weights, {"r": torch.zeros(9)}, {"w": torch.zeros(40)})
    store.prune(keep=1)
    log.write({"step": step, "evaluation": {"auc": step / 100}})
    store.mark_best(BestSoFar(metric="auc", value=step / 100, step=step))


@pytest.mark.promise("R-04", "crashes")
def test_every_prefix_of_a_save_leaves_a_good_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: Times, reached: Reached
) -> None:
    (tmp_path / "model").mkdir()
    store, log = CheckpointStore(tmp_path / "model"), MetricsLog(tmp_path / "model" / "metrics.jsonl", 0)
    for step in (10, 20):
        save(store, log, step)
    watched = Watched(tmp_path / "model")

    def run() -> None:
        for step in (30, 40, 50):
            save(store, log, step)

    watched.run(run, monkeypatch)
    newest, num_crashes = 20, 0
    for num_crashes, state in enumerate(watched.crashes(times(3, 40)), start=1):  # noqa: B007
        after = CheckpointStore(state.write(tmp_path / "after"))
        with after.lock():
            checkpoint, faults = after.newest_good()
            assert faults == []
            assert checkpoint is not None
            assert checkpoint.step >= newest, "a crash lost what was there before"
            newest = checkpoint.step
            assert checkpoint.weights()["w"].tolist() == [newest] * 40
            assert after.best_step() in (None, *after.steps())
            log = MetricsLog(after.model_dir / "metrics.jsonl", checkpoint.state["metrics_bytes"])
            assert not log.is_shortened
            assert log.lines[-1] == {"step": newest, "loss": 0.5}
            assert {path.name for path in after.model_dir.iterdir()} <= FILES
            assert {path.name for path in after.directory.iterdir()} == {f"step-{step}" for step in after.steps()}
    assert newest == 50
    assert num_crashes >= 200
    reached(f"{num_crashes:,} crashes within saves, each left the last checkpoint or the new one, whole")


@pytest.mark.promise("R-04", "crashes")
def test_a_bundle_is_the_old_one_or_the_new_one_at_any_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: Times, reached: Reached
) -> None:
    source = ConfigSource(text=tiny.CONFIG, assets={})
    weights = build(source.lower().spec.model, seed=3).weights()
    path, rows = tmp_path / "bundles" / "bundle", tiny.rows(4)
    bundles.save(path, source, weights, rows, step=1)
    watched = Watched(path.parent)
    watched.run(lambda: bundles.save(path, source, weights, rows, step=2), monkeypatch)
    found = [bundles.load(state.write(tmp_path / "after") / "bundle").step for state in watched.crashes(times(1, 40))]
    assert found == sorted(found)
    assert set(found) == {1, 2}
    reached(f"{len(found):,} while a bundle was replaced: the old one or the new one was there, whole")

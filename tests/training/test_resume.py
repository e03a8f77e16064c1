"""Equal seeds give equal bits, and a run that was stopped and resumed equals one that was not."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any, TypeAlias

import pytest

from peprank.errors import ArtifactError, TrainingError
from peprank.sealed import sealing
from peprank.spec.pipeline import PipelineSpec
from peprank.spec.train import (
    SGD,
    Clipping,
    DenseOptimizer,
    EarlyStopping,
    GradClipping,
    Precision,
    RowWiseAdagrad,
    SparseAdam,
    SparseOptimizer,
)
from peprank.training import train
from tests.training.world import Recorder, digests, make_files, make_plan

Reference: TypeAlias = Callable[[str], dict[str, str]]  # name of a plan -> digests of its uninterrupted run

LAST = 20  # two epochs of ten steps

PLANS: dict[str, dict[str, Any]] = {
    "adagrad, adam, exponential decay": {},
    "adam on rows, average, accumulation, clipping": {
        "sparse": SparseOptimizer(rule=SparseAdam(lr=0.01, weight_decay=0.01), max_gradient=0.1),
        "dense": DenseOptimizer(rule=SGD(lr=0.1, momentum=0.9), ema_decay=0.9),
        "accumulate_steps": 1,
        "clipping": GradClipping(kind=Clipping.NORM),
    },
    "row-wise adagrad, early stopping": {
        "sparse": SparseOptimizer(rule=RowWiseAdagrad(lr=0.05)),
        "early_stopping": EarlyStopping(metric="auc_cvr", patience=100),
    },
}


class StoppedError(RuntimeError):
    """Ends a run between two steps, without the warning that a signal gives."""


class StopAt(Recorder):
    """Raise, or do something else, once a step is done."""

    def __init__(self, step: int, act: Callable[[], None] | None = None, *, at_save: bool = False) -> None:
        super().__init__()
        self.stop_step, self.act, self.at_save = step, act, at_save

    def _act(self) -> None:
        if self.act is None:
            raise StoppedError
        self.act()

    def step(self, step: int, losses: Any, rows_per_s: float, lr: float) -> None:
        super().step(step, losses, rows_per_s, lr)
        if step == self.stop_step and not self.at_save:
            self._act()

    def saved(self, step: int, path: Path) -> None:
        super().saved(step, path)
        if step == self.stop_step and self.at_save:
            self._act()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("rows")
    make_files(directory)
    return directory


@pytest.fixture(scope="module")
def reference(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """Digests of the uninterrupted run of each plan."""
    done: dict[str, dict[str, str]] = {}

    def of(name: str) -> dict[str, str]:
        if name not in done:
            model_dir = tmp_path_factory.mktemp("reference")
            train(make_plan(files, **PLANS[name]), model_dir=model_dir)
            done[name] = digests(model_dir, LAST)
        return done[name]

    return of


def stop(plan: PipelineSpec, model_dir: Path, listener: Recorder) -> None:
    with pytest.raises(StoppedError):
        train(plan, model_dir=model_dir, listener=listener)


def test_two_runs_give_the_same_bits(files: Path, tmp_path: Path, reference: Reference) -> None:
    train(make_plan(files), model_dir=tmp_path)
    again = digests(tmp_path, LAST)
    assert again == reference("adagrad, adam, exponential decay")
    assert again.keys() == {
        "weights.safetensors",
        "training.safetensors",
        "state.json",
        "manifest.json",
        "metrics.jsonl",
    }


def test_another_seed_gives_other_weights(files: Path, tmp_path: Path, reference: Reference) -> None:
    train(make_plan(files, seed=8), model_dir=tmp_path)
    other = digests(tmp_path, LAST)
    assert other["weights.safetensors"] != reference("adagrad, adam, exponential decay")["weights.safetensors"]


# Within the second epoch, before the first checkpoint, at the epoch's end.
@pytest.mark.parametrize(("name", "step"), [*((name, 17) for name in PLANS), *zip(PLANS, (2, 10), strict=False)])
def test_a_resumed_run_equals_the_uninterrupted_one(
    files: Path, tmp_path: Path, reference: Reference, name: str, step: int
) -> None:
    plan, listener = make_plan(files, **PLANS[name]), Recorder()
    stop(plan, tmp_path, StopAt(step))
    result = train(plan, model_dir=tmp_path, listener=listener)
    assert digests(tmp_path, LAST) == reference(name)
    assert listener.first_step == step // 4 * 4
    assert result.steps == LAST
    assert result.rows == 1280


def test_many_stops_in_one_run_change_nothing(files: Path, tmp_path: Path, reference: Reference) -> None:
    for step in (5, 6, 9, 16):
        stop(make_plan(files), tmp_path, StopAt(step))
    stop(make_plan(files), tmp_path, StopAt(16, at_save=True))
    train(make_plan(files), model_dir=tmp_path)
    assert digests(tmp_path, LAST) == reference("adagrad, adam, exponential decay")


@contextmanager
def handler(number: int, act: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    before = signal.signal(number, act)
    try:
        yield
    finally:
        signal.signal(number, before)


def exit_143(number: int, frame: FrameType | None) -> None:
    assert number == signal.SIGTERM
    assert frame is not None
    raise SystemExit(143)


@pytest.mark.parametrize("step", [5, 10, LAST])
def test_ctrl_c_saves_and_leaves_and_the_run_goes_on_from_there(
    files: Path, tmp_path: Path, reference: Reference, step: int
) -> None:
    stopped, before = StopAt(step, lambda: os.kill(os.getpid(), signal.SIGINT)), signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(make_plan(files), model_dir=tmp_path, listener=stopped)
    assert stopped.steps[-1] == stopped.saved_steps[-1] == step
    assert signal.getsignal(signal.SIGINT) is before
    listener = Recorder()
    train(make_plan(files), model_dir=tmp_path, listener=listener)
    assert listener.first_step == step
    assert digests(tmp_path, LAST) == reference("adagrad, adam, exponential decay")


def test_sigterm_saves_before_the_handler_of_the_command_line_runs(
    files: Path, tmp_path: Path, reference: Reference
) -> None:
    listener = StopAt(7, lambda: os.kill(os.getpid(), signal.SIGTERM))
    with handler(signal.SIGTERM, exit_143), pytest.raises(SystemExit, match="143"):
        train(make_plan(files), model_dir=tmp_path, listener=listener)
    assert listener.saved_steps == [4, 7]
    train(make_plan(files), model_dir=tmp_path)
    assert digests(tmp_path, LAST) == reference("adagrad, adam, exponential decay")


def test_ctrl_c_during_an_evaluation_leaves_at_once_and_it_is_made_again(
    files: Path, tmp_path: Path, reference: Reference
) -> None:
    stopped = StopAt(4, lambda: os.kill(os.getpid(), signal.SIGINT), at_save=True)
    with pytest.raises(KeyboardInterrupt):
        train(make_plan(files), model_dir=tmp_path, listener=stopped)
    assert stopped.judged_steps == []
    listener = Recorder()
    train(make_plan(files), model_dir=tmp_path, listener=listener)
    assert listener.judged_steps == [4, 8, 12, 16, 20]
    assert digests(tmp_path, LAST) == reference("adagrad, adam, exponential decay")


def test_a_damaged_checkpoint_is_named_and_the_run_goes_back(files: Path, tmp_path: Path, reference: Reference) -> None:
    stop(make_plan(files), tmp_path, StopAt(14))
    path = tmp_path / "checkpoints" / "step-12" / "weights.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 4
    path.write_bytes(content)
    listener = Recorder()
    train(make_plan(files), model_dir=tmp_path, listener=listener)
    assert listener.notes == [
        f"{path}: its SHA-256 differs from the manifest's; it is damaged; going back to step 8",
        f"going on from {tmp_path}/checkpoints/step-8",
    ]
    assert (tmp_path / "checkpoints" / "damaged-step-12").is_dir()
    assert digests(tmp_path, LAST) == reference("adagrad, adam, exponential decay")


def test_when_all_checkpoints_are_damaged_the_run_says_so_and_stops(files: Path, tmp_path: Path) -> None:
    stop(make_plan(files), tmp_path, StopAt(5))
    path = tmp_path / "checkpoints" / "step-4" / "state.json"
    path.unlink()
    with pytest.raises(ArtifactError) as raised:
        train(make_plan(files), model_dir=tmp_path)
    assert str(raised.value) == (
        f"{path}: is missing; the directory is not whole; no good checkpoint is left: start again with "
        "--resume never, or give a new model_dir"
    )


def test_where_auto_takes_another_precision_the_run_stops_and_says_how_to_go_on(
    files: Path, tmp_path: Path, reference: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("peprank.models.precision.has_bf16", lambda _: False)
    stop(make_plan(files, precision=Precision.AUTO), tmp_path, StopAt(5))
    monkeypatch.setattr("peprank.models.precision.has_bf16", lambda _: True)
    with pytest.raises(ArtifactError) as raised:
        train(make_plan(files, precision=Precision.AUTO), model_dir=tmp_path)
    assert str(raised.value) == (
        f"{tmp_path}/checkpoints/step-4: was made by another plan (train.precision: FLOAT32 -> BF16); "
        'AUTO took FLOAT32 before and takes BF16 here: set mixed_precision to "" to go on, '
        "start again with --resume never, or give a new model_dir"
    )
    train(make_plan(files, precision=Precision.FLOAT32), model_dir=tmp_path)
    assert digests(tmp_path, LAST) == reference("adagrad, adam, exponential decay")


def test_another_plan_is_refused_with_what_differs(files: Path, tmp_path: Path) -> None:
    stop(make_plan(files), tmp_path, StopAt(5))
    plan = make_plan(files, seed=8)
    plan = replace(plan, data=replace(plan.data, batch_rows=32), evaluation=replace(plan.evaluation, gauc_feature=None))
    with pytest.raises(ArtifactError) as raised:
        train(plan, model_dir=tmp_path)
    assert str(raised.value) == (
        f"{tmp_path}/checkpoints/step-4: was made by another plan (data.batch_rows: 64 -> 32; train.seed: 7 -> 8); "
        "start again with --resume never, or give a new model_dir"
    )


def test_a_finished_run_goes_on_when_it_is_given_more_epochs(files: Path, tmp_path: Path, reference: Reference) -> None:
    train(make_plan(files, epochs=1, judged=False), model_dir=tmp_path)
    result = train(make_plan(files, epochs=2, judged=False), model_dir=tmp_path)
    assert result.steps == LAST
    # Evaluations draw no random numbers: without them the weights are the same.
    weights = digests(tmp_path, LAST)["weights.safetensors"]
    assert weights == reference("adagrad, adam, exponential decay")["weights.safetensors"]


def test_resume_never_starts_afresh_and_keeps_the_old_run(files: Path, tmp_path: Path, reference: Reference) -> None:
    stop(make_plan(files, seed=1), tmp_path, StopAt(5))
    listener = Recorder()
    train(make_plan(files), model_dir=tmp_path, resume="never", listener=listener)
    assert listener.notes == [f"starting afresh; the earlier run was moved to {tmp_path}/previous-1"]
    assert (tmp_path / "previous-1" / "checkpoints" / "step-4").is_dir()
    assert digests(tmp_path, LAST) == reference("adagrad, adam, exponential decay")


def test_a_path_names_the_checkpoint_and_a_new_model_dir_may_take_it(
    files: Path, tmp_path: Path, reference: Reference
) -> None:
    stop(make_plan(files), tmp_path / "a", StopAt(14))
    path = tmp_path / "a" / "checkpoints" / "step-8"
    train(make_plan(files), model_dir=tmp_path / "b", resume=path)
    weights = digests(tmp_path / "b", LAST)["weights.safetensors"]
    assert weights == reference("adagrad, adam, exponential decay")["weights.safetensors"]
    message = f"{tmp_path}/a: has checkpoints of later steps [12] than {path}; remove them, or give a new model_dir"
    with pytest.raises(TrainingError) as raised:
        train(make_plan(files), model_dir=tmp_path / "a", resume=path)
    assert str(raised.value) == message


def test_what_is_no_checkpoint_is_not_gone_on_with(files: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError) as raised:
        train(make_plan(files), model_dir=tmp_path / "b", resume=tmp_path / "a")
    assert str(raised.value) == (
        f"{tmp_path}/a: is no checkpoint; name one, such as {tmp_path}/b/checkpoints/step-1000, or say auto or never"
    )
    with sealing(tmp_path / "bundle") as directory:
        (directory / "bundle.json").write_text("{}")
    with pytest.raises(ArtifactError) as raised:
        train(make_plan(files), model_dir=tmp_path / "b", resume=tmp_path / "bundle")
    assert str(raised.value) == (
        f"{tmp_path}/bundle: is no checkpoint (it has no state.json); name one that `peprank train` saved"
    )

"""Checkpoints: sealed directories of safetensors, the newest good one, the best one, and who may write.

model_dir/
  lock                    the process that trains here holds it
  best.json               step, metric and value of the best evaluation
  metrics.jsonl           losses and evaluations, one JSON object per line (written by the loop)
  record.json             what explains the run and makes it again (written by peprank.record)
  checkpoints/step-<n>/   weights.safetensors   tables, dense weights and buffers, by name
                          averages.safetensors  moving averages of the dense weights, if the run has them
                          training.safetensors  optimiser state by table and parameter, random state, train metrics
                          state.json            position in the data, best evaluation, the plan
                          manifest.json         SHA-256 and bytes of all of these
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from peprank.errors import ArtifactError, TrainingError
from peprank.sealed import sealing, verify, write_whole
from peprank.training.best import BestSoFar
from peprank.training.log import writing

RECORD = "record.json"

FORMAT = 1  # of a checkpoint; a change that old readers cannot follow raises it
_WEIGHTS, _AVERAGES, _TRAINING, _STATE = (
    "weights.safetensors",
    "averages.safetensors",
    "training.safetensors",
    "state.json",
)
_OF_A_RUN = ("metrics.jsonl", "best.json", RECORD, "tensorboard")
_STEP = re.compile(r"step-(\d+)")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint whose hashes agreed when it was opened."""

    path: Path
    step: int
    state: dict[str, Any]

    @staticmethod
    def open(path: Path) -> Checkpoint:
        """Verify every file of a checkpoint directory.

        Raises:
            ArtifactError: it is damaged, of another format, or no checkpoint; the message names the file.
        """
        verify(path)
        if not (path / _STATE).is_file():
            raise ArtifactError(f"{path}: is no checkpoint (it has no {_STATE}); name one that `peprank train` saved")
        try:
            state = json.loads((path / _STATE).read_text("utf-8"))
            format_, step = state["format"], int(state["step"])
        except (ValueError, KeyError, TypeError) as error:
            raise ArtifactError(f"{path / _STATE}: does not say format and step ({error!r})") from error
        if format_ != FORMAT:
            raise ArtifactError(f"{path}: has format {format_}, this peprank reads {FORMAT}")
        return Checkpoint(path, step, state)

    def weights(self, use_ema: bool = False) -> dict[str, Tensor]:
        """Return the weights by name, as `MultiTaskRanker.load_weights` takes them.

        Args:
            use_ema: moving averages in place of the dense weights.

        Raises:
            ArtifactError: averages are asked for and the run had none.
        """
        weights = _load(self.path / _WEIGHTS)
        if not use_ema:
            return weights
        if not (averages := self.averages()):
            raise ArtifactError(f"{self.path}: holds no moving averages; train with `ema {{}}` or unset use_dense_ema")
        return weights | averages

    def averages(self) -> dict[str, Tensor]:
        """Return the moving averages of the dense weights, empty for a run without."""
        path = self.path / _AVERAGES
        return _load(path) if path.is_file() else {}

    def training(self) -> dict[str, Tensor]:
        """Return what only a resumed run needs: optimiser and random state."""
        return _load(self.path / _TRAINING)


class CheckpointStore:
    """The checkpoints of one model_dir.

    Reading needs no lock; `save`, `mark_best`, `prune` and `set_aside` are for the process inside `lock()`.
    """

    def __init__(self, model_dir: Path) -> None:
        self.model_dir = Path(model_dir)
        self.directory = self.model_dir / "checkpoints"
        self._good: set[int] = set()  # steps whose hashes this process has computed and found right

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Be the only process that trains here; leftovers of one that was killed are removed.

        Raises:
            TrainingError: another process trains here, or the directory cannot be written.
        """
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.model_dir / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise TrainingError(
                f"{self.model_dir}: cannot be written ({error.strerror}); choose another model_dir"
            ) from error
        try:
            self._take(descriptor)
            for leftover in self.directory.glob(".*"):
                shutil.rmtree(leftover)
            for leftover in self.model_dir.glob(".*.partial"):
                leftover.unlink()
            yield
        finally:
            os.close(descriptor)

    def _take(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            raise TrainingError(
                f"{self.model_dir}: process {holder} trains here; wait for it, or choose another model_dir"
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)

    def steps(self) -> list[int]:
        """Return the steps of all checkpoints, ascending, good or not."""
        names = [path.name for path in self.directory.glob("step-*")] if self.directory.is_dir() else []
        return sorted(int(match[1]) for name in names if (match := _STEP.fullmatch(name)))

    def path(self, step: int) -> Path:
        """Return where the checkpoint of a step lies."""
        return self.directory / f"step-{step}"

    def save(
        self,
        state: Mapping[str, Any],
        weights: Mapping[str, Tensor],
        training: Mapping[str, Tensor],
        averages: Mapping[str, Tensor],
    ) -> Path:
        """Write the checkpoint of `state["step"]`, whole or not at all, durable when this returns.

        Raises:
            TrainingError: it cannot be written, say because the disk is full; all earlier ones are untouched.
        """
        step = int(state["step"])
        path = self.path(step)
        try:
            with sealing(path) as directory:
                save_file(dict(weights), directory / _WEIGHTS)
                save_file(dict(training), directory / _TRAINING)
                if averages:
                    save_file(dict(averages), directory / _AVERAGES)
                (directory / _STATE).write_text(json.dumps({**state, "format": FORMAT}, indent=1) + "\n", "utf-8")
        except (OSError, SafetensorError) as error:
            raise TrainingError(
                f"{path}: cannot be written ({error}); make room or choose another model_dir, then run again: "
                f"{self._last_good(before=step)}"
            ) from error
        self._good.add(step)
        return path

    def _last_good(self, before: int) -> str:
        good = [step for step in self.steps() if step < before]
        return f"it goes on from step {good[-1]}" if good else "it starts afresh, nothing was saved before"

    def read(self, which: str | int = "latest") -> Checkpoint:
        """Open a checkpoint: "best" (the latest in a run that was never evaluated), "latest", or a step.

        Raises:
            ArtifactError: there is no such checkpoint, or it is damaged; the message names the good ones.
        """
        steps = self.steps()
        if not steps:
            raise ArtifactError(f"{self.model_dir}: holds no checkpoints; train first")
        step = self._step_of(str(which), steps)
        try:
            return self._open(step)
        except ArtifactError as error:
            good = [other for other in steps if self._is_good(other)]
            raise ArtifactError(f"{error}; good checkpoints: {_listed(good)}") from error

    def _step_of(self, which: str, steps: list[int]) -> int:
        if which == "latest":
            return steps[-1]
        if which == "best":
            best = self.best_step()
            return steps[-1] if best is None else best
        if which.isdecimal() and int(which) in steps:
            return int(which)
        raise ArtifactError(
            f"{self.model_dir}: has no checkpoint '{which}'; say best, latest or a step among {_listed(steps)}"
        )

    def newest_good(self) -> tuple[Checkpoint | None, list[str]]:
        """Return the newest checkpoint that is whole, and what is wrong with each newer one."""
        faults: list[str] = []
        for step in reversed(self.steps()):
            try:
                return self._open(step), faults
            except ArtifactError as error:
                faults.append(str(error))
        return None, faults

    def set_aside(self, steps: Iterable[int]) -> None:
        """Rename checkpoints to `damaged-step-<n>`: their place is free again, and they can be looked at."""
        for step in steps:
            target = self.directory / f"damaged-step-{step}"
            shutil.rmtree(target, ignore_errors=True)
            self.path(step).rename(target)

    def start_afresh(self) -> Path | None:
        """Move what an earlier run left to `previous-<k>`, so that a new one begins; None if there was nothing."""
        leftovers = [self.model_dir / name for name in ("checkpoints", *_OF_A_RUN)]
        if not self.steps() and not (self.model_dir / "metrics.jsonl").exists():
            return None
        taken = {path.name for path in self.model_dir.glob("previous-*")}
        target = self.model_dir / next(name for k in range(1, len(taken) + 2) if (name := f"previous-{k}") not in taken)
        target.mkdir()
        for path in leftovers:
            if path.exists():
                path.rename(target / path.name)
        self.directory.mkdir()
        self._good.clear()
        return target

    def mark_best(self, best: BestSoFar) -> None:
        """Remember durably which checkpoint is the best one.

        Raises:
            TrainingError: it cannot be written, say because the disk is full.
        """
        entry = {"step": best.step, "metric": best.metric, "value": best.value}
        path = self.model_dir / "best.json"
        with writing(path):
            write_whole(path, json.dumps(entry) + "\n")

    def best_step(self) -> int | None:
        """Return the step of the best checkpoint, None if none was judged or it is gone."""
        try:
            step = int(json.loads((self.model_dir / "best.json").read_text("utf-8"))["step"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return step if step in self.steps() else None

    def prune(self, keep: int) -> None:
        """Remove the oldest checkpoints until `keep` are left; 0 keeps all.

        The best one and the last two whose hashes are right always stay.
        """
        steps = self.steps()
        for step in removable(steps, keep, self.best_step(), self._is_good):
            # Renamed first: a kill while files go leaves no half checkpoint, only a leftover that lock() removes.
            doomed = self.path(step).rename(self.directory / f".step-{step}.removed")
            shutil.rmtree(doomed)

    def _open(self, step: int) -> Checkpoint:
        checkpoint = Checkpoint.open(self.path(step))
        self._good.add(step)
        return checkpoint

    def _is_good(self, step: int) -> bool:
        if step not in self._good:
            try:
                self._open(step)
            except ArtifactError:
                return False
        return True


def removable(steps: list[int], keep: int, best: int | None, is_good: Callable[[int], bool]) -> list[int]:
    """Return the steps that retention may remove.

    Args:
        steps: all, ascending.
        keep: how many of the newest stay; 0: all.
        best: stays wherever it stands.
        is_good: asked about as few steps as it takes to find the last two good ones, which stay.
    """
    if keep == 0:
        return []
    good = islice((step for step in reversed(steps) if is_good(step)), 2)
    kept = {*steps[-keep:], *good, best}
    return [step for step in steps if step not in kept]


def _load(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise ArtifactError(f"{path}: cannot be read ({error})") from error


def _listed(steps: list[int]) -> str:
    return ", ".join(map(str, steps)) or "none"

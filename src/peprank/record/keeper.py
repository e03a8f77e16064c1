"""Keeps the record of a run while it runs."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType

import torch

from peprank.bundle import ConfigSource
from peprank.errors import ArtifactError
from peprank.evaluation import Results
from peprank.models import settled
from peprank.record.data import checkpoint_marks, file_marks
from peprank.record.git import git_state
from peprank.record.machine import environment
from peprank.record.record import FINISHED, Judged, Marks, RunRecord, Session, digest_of
from peprank.spec.pipeline import PipelineSpec
from peprank.training import CheckpointStore, TrainListener, TrainResult
from peprank.training.checkpoint import RECORD
from peprank.training.loop import place_of


def _now() -> datetime:
    return datetime.now(timezone.utc)


class Keeper:
    """A TrainListener that writes record.json and passes on what it hears.

    `open` writes the session's beginning; each evaluation, and the end of the block, write what has come of it. A disk
    that takes no record is told of as a note: no run ends because of it.

    Args:
        source, spec: the config, as text and as the plan that it means.
        device: "cpu" or "cuda".
        project: a folder of the user's project.
        listener: hears everything too.
        now, clock: the time of day, and seconds for timings.
    """

    def __init__(
        self,
        source: ConfigSource,
        spec: PipelineSpec,
        *,
        device: str,
        project: Path,
        listener: TrainListener,
        now: Callable[[], datetime] = _now,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._source, self._spec, self._device, self._project = source, spec, device, project
        self._listener, self._now, self._clock = listener, now, clock
        self._started_at, self._last_event = now(), clock()
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._step = 0
        self._notes: list[str] = []
        self._model_dir: Path | None = None
        self._record: RunRecord

    def __enter__(self) -> Keeper:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._model_dir is not None:
            self._write(_outcome(error), is_over=True)

    def open(self, model_dir: Path) -> None:
        """Begin this session's part of the record; `train` calls it when the run may write to `model_dir`.

        Raises:
            OSError: the record cannot be written.
            DataError: the files of the plan are gone.
        """
        data = marks_of(self._spec)
        session = Session(
            started_at=_text(self._started_at),
            changes=self._source.overrides,
            data_sha256=digest_of(data),
            environment=conditions(self._spec, self._device),
            project=git_state(self._project),
        )
        earlier = self._earlier(model_dir)
        self._record = RunRecord(
            config=self._source,
            seed=self._spec.train.seed,
            data=data,
            sessions=(*(earlier.sessions if earlier else ()), session),
            steps=earlier.steps if earlier else 0,
            best=earlier.best if earlier else None,
            latest=earlier.latest if earlier else None,
        )
        self._model_dir = model_dir
        self._record.write(model_dir)

    def _earlier(self, model_dir: Path) -> RunRecord | None:
        """What earlier sessions wrote."""
        if not (model_dir / RECORD).exists():
            return None
        try:
            return RunRecord.read(model_dir)
        except ArtifactError as error:
            self.note(f"{error}; a new one is begun")
            return None

    # What the run tells

    def started(self, step: int, num_steps: int | None) -> None:
        """Remember where the session begins."""
        self._step = step
        self._record = self._record.with_session(first_step=step)
        self._pass("starting")
        self._listener.started(step, num_steps)

    def step(self, step: int, losses: Mapping[str, float], rows_per_s: float, lr: float) -> None:
        """Count its time."""
        self._step = step
        self._pass("training")
        self._listener.step(step, losses, rows_per_s, lr)

    def watched(self, step: int, metrics: Mapping[str, float]) -> None:
        """Pass it on."""
        self._listener.watched(step, metrics)

    def evaluated(self, step: int, results: Results) -> None:
        """Write the results down: they cost more to make again than to keep."""
        self._pass("evaluating")
        assert self._model_dir is not None
        judged = Judged(step, results)
        is_best = CheckpointStore(self._model_dir).best_step() == step
        self._record = replace(self._record, latest=judged, best=judged if is_best else self._record.best)
        self._write()
        self._listener.evaluated(step, results)

    def saved(self, step: int, path: Path) -> None:
        """Remember the last checkpoint."""
        self._pass("saving")
        self._record = replace(self._record, steps=step)
        self._listener.saved(step, path)

    def note(self, text: str) -> None:
        """Keep it."""
        self._notes.append(text)
        self._listener.note(text)

    def finished(self, result: TrainResult) -> None:
        """Keep how far it has come, and what was left out of the rows."""
        repairs = {name: repairs.to_json() for name, repairs in result.repairs.items()}
        self._record = replace(self._record, steps=result.steps, rows=result.rows).with_session(repairs=repairs)
        self._listener.finished(result)

    def _pass(self, what: str) -> None:
        """Count the time since the last event as spent on what has just been done."""
        now = self._clock()
        self._seconds[what] += now - self._last_event
        self._last_event = now

    def _write(self, outcome: str | None = None, *, is_over: bool = False) -> None:
        assert self._model_dir is not None
        seconds = {name: round(value, 3) for name, value in self._seconds.items()}
        self._record = self._record.with_session(last_step=self._step, seconds=seconds, notes=tuple(self._notes))
        if is_over:
            self._record = self._record.with_session(ended_at=_text(self._now()), outcome=outcome)
        try:
            self._record.write(self._model_dir)
        except OSError as error:
            self._listener.note(f"{error.filename}: cannot be written ({error.strerror}); the run goes on without it")


def marks_of(spec: PipelineSpec) -> Marks:
    """Marks of the rows that a plan reads, and of the weights that it starts from, by the field that names them.

    Raises:
        DataError: nothing is there.
        OSError: a file cannot be read.
    """
    inputs = {"train_input_path": spec.train_inputs, "eval_input_path": spec.eval_inputs}
    marks = {field: file_marks(paths, spec.data) for field, paths in inputs.items()}
    if spec.train.fine_tune_checkpoint is None:
        return marks
    return marks | {"train_config.fine_tune_checkpoint": checkpoint_marks(Path(spec.train.fine_tune_checkpoint))}


def conditions(spec: PipelineSpec, device: str) -> dict[str, str]:
    """Everything but config and data that decides the bits of a run in this process.

    Raises:
        TrainingError: there is no such device.
    """
    place = place_of(device)
    precision = settled(spec.train.precision, place)
    gpu = {"gpu": torch.cuda.get_device_name(place)} if place.type == "cuda" else {}
    return environment() | {"device": place.type, **gpu, "precision": precision.value or "float32"}


def _outcome(error: BaseException | None) -> str:
    if error is None:
        return FINISHED
    if isinstance(error, KeyboardInterrupt):
        return "stopped by ctrl-C"
    if isinstance(error, SystemExit):
        return f"stopped, exit code {error.code}"
    return f"failed: {error}"


def _text(time: datetime) -> str:
    return time.isoformat(timespec="seconds")

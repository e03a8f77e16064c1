"""The training loop: epochs, checkpoints, evaluations, and what ends a run."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import torch
from torch import Tensor

from peprank.data import Order, RowReader, columns_of, open_rows
from peprank.encode import Encoder
from peprank.errors import ArtifactError, TrainingError
from peprank.evaluation import Results, evaluate
from peprank.sealed import write_whole
from peprank.spec.feature import RawFeature
from peprank.spec.pipeline import PipelineSpec
from peprank.spec.train import Precision
from peprank.training import board
from peprank.training.batches import Batch, encoded, grouped
from peprank.training.best import Judge
from peprank.training.checkpoint import Checkpoint, CheckpointStore
from peprank.training.diagnosis import NotFiniteError, describe, report
from peprank.training.learner import Learner
from peprank.training.listener import Silent, TrainListener, TrainResult
from peprank.training.log import MetricsLog, writing
from peprank.training.plan import differences, plan_record, way_on
from peprank.training.profiling import profiled_steps
from peprank.training.progress import Pace, Progress
from peprank.training.resume import checkpoint_to_resume, weights_to_start_with
from peprank.training.schedule import settled
from peprank.training.signals import Deferred

_SHOWN_NAMES = 8  # of a list in a note
_UNKNOWN_RATE = 0.01  # a feature that does not know more than this share of its values is worth a note


def train(
    spec: PipelineSpec,
    *,
    model_dir: Path | None = None,
    resume: str | Path = "auto",
    device: str = "cpu",
    listener: TrainListener | None = None,
    on_open: Callable[[Path], None] | None = None,
) -> TrainResult:
    """Train the model that a plan describes.

    The plan's seed fixes everything: two runs with the same number of threads end in the same bits, and so does a run
    that was stopped and resumed. SIGINT and SIGTERM wait for the end of the step, then a checkpoint is saved, then
    whoever handled them before gets them.

    Args:
        spec: the plan.
        model_dir: where checkpoints and metrics go; None: the plan's.
        resume: "auto" goes on from the newest good checkpoint in model_dir, if there is one; "never" moves what is
            there to `previous-<k>` and starts afresh; a path names the checkpoint to go on from.
        device: "cpu" or "cuda".
        listener: told what happens; None: nobody.
        on_open: called with model_dir once it is clear that this run may write there.

    Raises:
        DataError: the rows do not fit the plan.
        TrainingError: model_dir is in use or cannot be written, there is no such device, a loss is not finite, or there
            is nothing to train on.
        ArtifactError: no checkpoint that could be resumed fits the plan.
    """
    listener = listener or Silent()
    store = CheckpointStore(model_dir or Path(spec.model_dir))
    place = place_of(device)
    with store.lock(), Deferred() as signals, torch.random.fork_rng(devices=[place] if place.type == "cuda" else []):
        torch.manual_seed(spec.train.seed)
        run = _Run(spec, store, place, listener, signals)
        run.begin(resume)
        if on_open is not None:
            on_open(store.model_dir)
        result = run.to_the_end()
    listener.finished(result)
    return result


class _Run:
    """One call of `train`."""

    def __init__(
        self,
        spec: PipelineSpec,
        store: CheckpointStore,
        device: torch.device,
        listener: TrainListener,
        signals: Deferred,
    ) -> None:
        self._store, self._listener, self._signals = store, listener, signals
        columns = columns_of(spec, with_targets=True)
        self._encoder = Encoder(spec)
        self._train_rows = open_rows(spec.train_inputs, spec.data, columns)
        eval_batch = spec.data.eval_batch_rows or spec.data.batch_rows
        self._eval_rows = (
            open_rows(spec.eval_inputs, spec.data, columns, batch_rows=eval_batch) if spec.eval_inputs else None
        )
        self._num_steps = _num_steps(spec, self._train_rows.num_rows)
        self._spec = spec = replace(spec, train=settled(spec.train, self._num_steps))
        self._learner = Learner(spec, device)
        self._plan = plan_record(spec, self._train_rows.num_rows, self._learner.precision)
        self._progress = Progress()
        self._judge = Judge(spec.export, spec.train.early_stopping)
        self._saved_step: int | None = None
        self._owes_evaluation = False
        self._results: Results | None = None
        self._log: MetricsLog
        self._board: board.Board | None = None
        self._after_step: Callable[[], None]
        self._pace = Pace(perf_counter)

    def begin(self, resume: str | Path) -> None:
        """Take the state to go on from, or the weights to start with."""
        if self._spec.train.precision is Precision.AUTO:
            self._listener.note(f"mixed_precision AUTO: computing in {self._learner.precision.name}")
        checkpoint = checkpoint_to_resume(self._store, resume, self._listener.note)
        if checkpoint is None:
            self._fine_tune()
        else:
            self._load(checkpoint)
        self._log = MetricsLog(
            self._store.model_dir / "metrics.jsonl", checkpoint.state["metrics_bytes"] if checkpoint else 0
        )
        if self._log.is_shortened:
            self._listener.note(
                "metrics.jsonl is shorter than the checkpoint says; its missing lines are not made again"
            )
        self._open_board()
        for name, reader in self._readers().items():
            if left_out := len(reader.repairs.bad_files):
                self._listener.note(f"{name}: {left_out} of {reader.repairs.num_files} files are bad and left out")
            if reader.unread:
                self._listener.note(f"{name}: columns that the config does not read: {_listed(reader.unread)}")
        for pattern in self._learner.network.idle_patterns:
            self._listener.note(f"part_optimizers: '{pattern}' has no effect: it matches no parameter that is left")

    def to_the_end(self) -> TrainResult:
        """Train until the plan's last step or epoch, or until early stopping."""
        self._listener.started(self._progress.step, self._num_steps)
        try:
            with profiled_steps(self._profile_path()) as self._after_step:
                is_over = self._milestone() if self._owes_evaluation else False
                while not is_over and not self._is_done():
                    is_over = self._epoch()
                self._milestone()
        except NotFiniteError as error:
            raise self._not_finite(error) from error
        finally:
            if self._board is not None:
                self._board.close()
        return self._result()

    # Where to start

    def _load(self, checkpoint: Checkpoint) -> None:
        kept, asked = checkpoint.state["plan"], self._spec.train.precision
        if differs := differences(kept, self._plan):
            raise ArtifactError(
                f"{checkpoint.path}: was made by another plan ({differs}); {way_on(kept, self._plan, asked)}"
                "start again with --resume never, or give a new model_dir"
            )
        self._learner.load(checkpoint)
        state = checkpoint.state
        self._progress = Progress(**state["progress"])
        self._judge.load_state(state["judge"])
        self._owes_evaluation = state["owes_evaluation"]
        self._saved_step = checkpoint.step if checkpoint.path == self._store.path(checkpoint.step) else None
        self._listener.note(f"going on from {checkpoint.path}")

    def _fine_tune(self) -> None:
        if self._spec.train.fine_tune_checkpoint is None:
            return
        checkpoint = weights_to_start_with(Path(self._spec.train.fine_tune_checkpoint))
        names = dict(self._spec.train.fine_tune_names)
        left = self._learner.start_from(checkpoint.weights(), names)
        self._listener.note(f"starting from the weights of {checkpoint.path}")
        if left:
            self._listener.note(f"{len(left)} weights keep their first values: {'; '.join(left)}")
        if idle := names.keys() - self._learner.ranker.weights().keys():
            self._listener.note(f"fine_tune_ckpt_param_map: no weight here is called {', '.join(sorted(idle))}")

    def _profile_path(self) -> Path | None:
        return self._store.model_dir / "profile.json" if self._spec.train.is_profiling else None

    def _open_board(self) -> None:
        if not self._spec.train.use_tensorboard:
            return
        if not board.is_installed():
            self._listener.note("no TensorBoard events: the package is missing, `pip install peprank[tensorboard]`")
            return
        directory = self._store.model_dir / "tensorboard"
        self._board = board.Board(directory, self._spec.train.tensorboard_summaries, step=self._progress.step)

    # Epochs and steps

    def _epoch(self) -> bool:
        """Train on the rest of the present epoch; whether the run is over."""
        plan, data, progress = self._spec.train, self._spec.data, self._progress
        order = Order(plan.seed, progress.epoch, data.shuffle_batches * data.batch_rows) if data.shuffle else None
        rows = self._train_rows.batches(order=order, skip_rows=progress.epoch_rows, drop_remainder=data.drop_remainder)
        with closing(encoded(rows, self._encoder)) as batches:
            for group in grouped(batches, plan.accumulate_steps):
                self._step(group)
                is_over = self._is_done()
                if is_over or _is_due(progress.step, plan.checkpoint_every_steps):
                    is_over |= self._milestone()
                self._stop_if_asked()
                if is_over:
                    return True
        if progress.epoch_rows == 0:
            raise TrainingError(self._nothing_to_train_on())
        if progress.epoch == 0:
            self._note_unknown_values()
        progress.end_epoch()
        return _is_due(progress.epoch, plan.checkpoint_every_epochs) and self._milestone()

    def _step(self, group: list[Batch]) -> None:
        progress = self._progress
        rates = self._learner.rates(step=progress.step, epoch=progress.epoch)
        losses = self._learner.update(
            group, step=progress.step, epoch=progress.epoch, on_gradients=self._gradient_summaries()
        )
        num_rows = sum(batch.num_rows for batch in group)
        if progress.epoch == 0:
            for batch in group:
                progress.add_values(batch.features)
        progress.add_step(losses, num_rows)
        self._listener.step(progress.step, losses, self._pace.rows_per_s(num_rows), rates["dense"])
        self._after_step()
        if _is_due(progress.step, self._spec.train.log_every_steps):
            self._write_log(rates, group[-1])

    def _write_log(self, rates: dict[str, float], batch: Batch) -> None:
        progress, metrics = self._progress, self._learner.watch.values()
        losses = progress.take_window()
        place = {"step": progress.step, "epoch": progress.epoch, "rows": progress.rows}
        self._log.write({**place, "losses": losses, "learning_rates": rates, "train_metrics": metrics})
        if metrics:
            self._listener.watched(progress.step, metrics)
        if self._board is not None:
            self._board.scalars(progress.step, losses, rates)
            self._board.metrics(progress.step, "train", metrics)
            if self._board.shows_gates:
                self._board.gates(progress.step, self._learner.gates(batch))

    def _gradient_summaries(self) -> Callable[[dict[str, Tensor]], None] | None:
        """What looks at the gradients of the coming step, if it is one that is logged."""
        board, step = self._board, self._progress.step + 1
        if board is None or not _is_due(step, self._spec.train.log_every_steps):
            return None
        return lambda gradients: board.network(step, self._learner.ranker, gradients)

    def _is_done(self) -> bool:
        plan, progress = self._spec.train, self._progress
        if plan.num_steps is not None:
            return progress.step >= plan.num_steps
        return progress.epoch >= (plan.num_epochs or 0)

    def _stop_if_asked(self) -> None:
        """Save before a signal that waits is handed on."""
        if self._signals.is_pending:
            if self._saved_step != self._progress.step:
                self._save(owes_evaluation=False)
            self._signals.deliver()

    # Checkpoints and evaluations

    def _milestone(self) -> bool:
        """Save and evaluate, unless that is done at this step; whether early stopping ends the run."""
        owes = self._eval_rows is not None and self._progress.judged_step != self._progress.step
        if self._saved_step != self._progress.step:
            self._save(owes_evaluation=owes)
        if not owes:
            return False
        self._evaluate()
        reason = self._judge.why_stop()
        if reason is not None:
            self._listener.note(reason)
        return reason is not None

    def _save(self, *, owes_evaluation: bool) -> None:
        """Write a checkpoint. An evaluation that follows it is not in it: a resumed run makes it again."""
        step = self._progress.step
        state = {
            "step": step,
            "progress": self._progress.state(),
            "metrics_bytes": self._log.sync(),
            "owes_evaluation": owes_evaluation,
            "judge": self._judge.state(),
            "plan": self._plan,
        }
        learner = self._learner
        path = self._store.save(state, learner.ranker.weights(), learner.training_state(), learner.averages())
        self._saved_step = step
        self._store.prune(self._spec.train.keep_checkpoints)
        self._listener.saved(step, path)

    def _evaluate(self) -> None:
        assert self._eval_rows is not None
        spec, progress = self._spec, self._progress
        with self._learner.averaged() if spec.evaluation.use_ema else nullcontext():
            results = evaluate(
                self._learner.ranker,
                self._encoder,
                self._eval_rows.batches(),
                spec,
                bf16=self._learner.precision is Precision.BF16,
                on_rows=lambda _: self._signals.deliver(),  # nothing is lost: the checkpoint was saved before
            )
        self._results, progress.judged_step = results, progress.step
        named = results.named()
        place = {"step": progress.step, "epoch": progress.epoch, "rows": progress.rows}
        self._log.write({**place, "evaluation": named})
        if self._judge.take(progress.step, named):
            self._store.mark_best(self._judge.best)
        if self._board is not None:
            self._board.metrics(progress.step, "evaluation", named)
        self._listener.evaluated(progress.step, results)

    def _result(self) -> TrainResult:
        store, progress = self._store, self._progress
        best = store.best_step()
        return TrainResult(
            model_dir=store.model_dir,
            steps=progress.step,
            rows=progress.rows,
            latest=store.path(progress.step),
            best=None if best is None else store.path(best),
            results=self._results,
            history=tuple(self._log.lines),
            repairs={name: reader.repairs for name, reader in self._readers().items()},
        )

    def _readers(self) -> dict[str, RowReader]:
        named = {"train_input_path": self._train_rows, "eval_input_path": self._eval_rows}
        return {name: reader for name, reader in named.items() if reader is not None}

    # What a user should know

    def _not_finite(self, error: NotFiniteError) -> TrainingError:
        """Keep the last good weights and a report on the batch; say what was odd about it."""
        progress = self._progress
        if self._saved_step != progress.step:
            self._save(owes_evaluation=False)
        tasks, failed = [task.name for task in self._spec.model.tasks], progress.step + 1
        place = (tasks, failed, progress.epoch, progress.epoch_rows)
        path = self._store.model_dir / f"not-finite-step-{failed}.json"
        with writing(path):
            write_whole(path, json.dumps(report(error, *place), indent=1) + "\n")
        return TrainingError(
            f"{describe(error, *place)}. The weights of step {progress.step} are in "
            f"{self._store.path(progress.step)}, statistics of every feature in {path}"
        )

    def _nothing_to_train_on(self) -> str:
        inputs, batch_rows = ", ".join(self._spec.train_inputs), self._spec.data.batch_rows
        if self._spec.data.drop_remainder and self._train_rows.num_rows != 0:
            return (
                f"{inputs}: has fewer rows than one batch of {batch_rows}, and data_config.drop_remainder leaves them "
                "out; lower batch_size or unset drop_remainder"
            )
        return f"{inputs}: has no rows to train on"

    def _note_unknown_values(self) -> None:
        for name, rate in self._progress.unknown_rates(above=_UNKNOWN_RATE).items():
            feature = self._spec.feature(name)
            is_number = isinstance(feature, RawFeature) and not feature.is_bucketized
            what = "not finite, or not after its normalizer" if is_number else "not in its vocabulary"
            self._listener.note(f"feature '{name}': {rate:.1%} of its values in the first epoch are {what}")


def place_of(device: str) -> torch.device:
    """Return the device of that name.

    Raises:
        TrainingError: it is not here.
    """
    place = torch.device(device)
    if place.type == "cuda" and not torch.cuda.is_available():
        raise TrainingError(f"device = {device}: torch finds no GPU here; train on the device cpu")
    return place


def _num_steps(spec: PipelineSpec, num_rows: int | None) -> int | None:
    """Step at which a run ends, None if the files do not say how many rows they have."""
    plan, data = spec.train, spec.data
    if plan.num_steps is not None or num_rows is None:
        return plan.num_steps
    num_batches = num_rows // data.batch_rows if data.drop_remainder else -(-num_rows // data.batch_rows)
    return -(-num_batches // plan.accumulate_steps) * (plan.num_epochs or 0)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
    return ", ".join(names[:_SHOWN_NAMES]) + more


def _is_due(count: int, every: int | None) -> bool:
    return every is not None and every > 0 and count % every == 0

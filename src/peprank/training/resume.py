"""Where a run goes on from, or which weights it starts with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from peprank.errors import ArtifactError, TrainingError
from peprank.sealed import MANIFEST
from peprank.training.checkpoint import Checkpoint, CheckpointStore

Note = Callable[[str], None]  # tells the user something


def checkpoint_to_resume(store: CheckpointStore, resume: str | Path, note: Note) -> Checkpoint | None:
    """Return the checkpoint that `resume` means, None to start from the first step.

    Args:
        resume: "auto": the newest good one, if there is any; "never": none, and what an earlier run left is moved to
            `previous-<k>`; else the path of one.

    Raises:
        ArtifactError: it is damaged, or all of them are.
        TrainingError: model_dir holds later ones than the path names.
    """
    if resume == "auto":
        return _newest_good(store, note)
    if resume == "never":
        if (place := store.start_afresh()) is not None:
            note(f"starting afresh; the earlier run was moved to {place}")
        return None
    if not (Path(resume) / MANIFEST).is_file():
        raise ArtifactError(f"{resume}: is no checkpoint; name one, such as {store.path(1000)}, or say auto or never")
    checkpoint = Checkpoint.open(Path(resume))
    if later := [step for step in store.steps() if step > checkpoint.step]:
        raise TrainingError(
            f"{store.model_dir}: has checkpoints of later steps {later} than {checkpoint.path}; "
            "remove them, or give a new model_dir"
        )
    return checkpoint


def weights_to_start_with(path: Path) -> Checkpoint:
    """Return the checkpoint at `path`, or the newest good one of the model_dir that `path` is.

    Raises:
        ArtifactError: there is none, or it is damaged.
    """
    if (path / MANIFEST).is_file():
        return Checkpoint.open(path)
    checkpoint, faults = CheckpointStore(path).newest_good()
    if checkpoint is None:
        reason = f" ({'; '.join(faults)})" if faults else ""
        raise ArtifactError(f"fine_tune_checkpoint = {path}: holds no good checkpoint{reason}")
    return checkpoint


def _newest_good(store: CheckpointStore, note: Note) -> Checkpoint | None:
    """Damaged ones step aside, so that the run can save under their steps again."""
    checkpoint, faults = store.newest_good()
    if checkpoint is None and faults:
        raise ArtifactError(
            f"{'; '.join(faults)}; no good checkpoint is left: start again with --resume never, or give a new model_dir"
        )
    if checkpoint is not None and faults:
        for fault in faults:
            note(f"{fault}; going back to step {checkpoint.step}")
        store.set_aside(step for step in store.steps() if step > checkpoint.step)
    return checkpoint

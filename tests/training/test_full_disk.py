"""A disk that fills up, and places that cannot be written: a run says so, and goes on later as if nothing had been."""

from __future__ import annotations

import os
import random
import resource
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from peprank.errors import TrainingError
from peprank.training import CheckpointStore, train
from tests.promises import Reached, Times
from tests.training.killed import everything
from tests.training.test_checkpoint import files_of_at_most
from tests.training.test_resume import LAST, StopAt
from tests.training.world import make_files, make_plan

NOBODY = 65534


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("rows")
    make_files(directory)
    return directory


@pytest.mark.promise("R-06", "full disks")
def test_a_full_disk_is_said_and_the_run_goes_on_when_there_is_room(
    files: Path, tmp_path: Path, times: Times, reached: Reached
) -> None:
    plan, num, num_full = make_plan(files), times(2, 50), 0
    train(plan, model_dir=tmp_path / "alone")
    alone, draw = everything(tmp_path / "alone"), random.Random(4)
    largest = max(path.stat().st_size for path in (tmp_path / "alone").rglob("*") if path.is_file())
    while num_full < num:
        model_dir, step, num_bytes = tmp_path / f"full-{num_full}", draw.randint(1, LAST), draw.randrange(largest)

        def fill(num_bytes: int = num_bytes) -> None:
            hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
            resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))

        with files_of_at_most(resource.RLIM_INFINITY), pytest.raises(TrainingError) as raised:
            train(plan, model_dir=model_dir, listener=StopAt(step, fill))
        assert "cannot be written (" in str(raised.value)
        assert "File too large" in str(raised.value)
        assert "then run again: it " in str(raised.value)
        train(plan, model_dir=model_dir)
        assert everything(model_dir) == alone
        num_full += 1
    reached(
        f"{num} of {num} disks that were full from a random step and byte on: said so, "
        "and with room again ended in the same files as a run that never stopped"
    )


@contextmanager
def writable_by_a_user() -> Iterator[Path]:
    """A folder of a user who is not root: root may write anywhere, and becomes that user within the block."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_files(folder)
        folder.chmod(0o755)
        if os.geteuid() != 0:
            yield folder
            return
        for path in (folder, *folder.iterdir()):
            os.chown(path, NOBODY, -1)
        os.seteuid(NOBODY)
        try:
            yield folder
        finally:
            os.seteuid(0)


def forbid(folder: Path) -> Callable[[], None]:
    return lambda: folder.chmod(0o555)


@pytest.mark.promise("R-06", "folders that cannot be written")
def test_a_folder_that_cannot_be_written_is_said_before_the_first_step_or_at_the_next_save(reached: Reached) -> None:
    with writable_by_a_user() as folder:
        plan, model_dir = make_plan(folder), folder / "model"
        folder.chmod(0o555)
        with pytest.raises(TrainingError) as raised:
            train(plan)
        assert str(raised.value) == f"{model_dir}: cannot be written (Permission denied); choose another model_dir"
        folder.chmod(0o755)
        listener = StopAt(6, forbid(model_dir / "checkpoints"))
        with pytest.raises(TrainingError) as raised:
            train(plan, listener=listener)
        assert str(raised.value).startswith(f"{model_dir}/checkpoints/step-8: cannot be written (")
        assert str(raised.value).endswith("then run again: it goes on from step 4")
        assert CheckpointStore(model_dir).read().step == 4
        (model_dir / "checkpoints").chmod(0o755)
        (model_dir / "metrics.jsonl").chmod(0o444)
        with pytest.raises(TrainingError) as raised:
            train(plan)
        assert str(raised.value).startswith(f"{model_dir}/metrics.jsonl: cannot be written (Permission denied); ")
        (model_dir / "metrics.jsonl").chmod(0o644)
        assert train(plan).steps == LAST
    reached("model_dir, checkpoints and metrics.jsonl without the right to write: said, nothing lost")

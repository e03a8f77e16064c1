"""Training runs that are killed or asked to stop at random moments, each in a fork of this warm process.

It is a process of its own, since a fork of the tests' process would copy its threads: `python -m tests.training.killed`
prints one JSON object per run. A run tells what it does through a pipe, which outlives it.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, cycle
from pathlib import Path
from shutil import rmtree
from typing import Any, TextIO

import torch

import peprank.cli.train
from peprank.cli.main import main as command_line
from peprank.spec.pipeline import PipelineSpec
from peprank.training import CheckpointStore, train
from peprank.training.learner import Learner
from tests.training.test_resume import PLANS
from tests.training.world import Recorder, make_plan

EVERY = 4  # steps between checkpoints, see `make_plan`


@dataclass
class Story:
    """What a run told before it ended."""

    first_step: int | None = None
    rows: list[str] = field(default_factory=list)  # of each step that was done: the hash of its rows
    saving: list[float] = field(default_factory=list)  # when each save began, in seconds
    saved: list[float] = field(default_factory=list)  # when it was done

    def add(self, line: str) -> str:
        """Take in one line; return what it is about."""
        what, word, now = line.split()
        if what == "started":
            self.first_step = int(word)
        elif what == "step":
            self.rows.append(word)
        else:
            {"saving": self.saving, "saved": self.saved}[what].append(float(now))
        return what

    @property
    def last_step(self) -> int:
        """The last one that was done."""
        return (self.first_step or 0) + len(self.rows)

    @property
    def is_in_save(self) -> bool:
        """Whether it ended within a save."""
        return len(self.saving) > len(self.saved)


class Run:
    """A fork that does something while it tells its story."""

    def __init__(self, act: Callable[[], int]) -> None:
        receiver, sender = os.pipe()
        self.story = Story()
        self.pid = os.fork()
        if self.pid == 0:
            _tell(sender)
            os._exit(_exit_code(act))
        os.close(sender)
        self._lines: TextIO = os.fdopen(receiver)

    def wait_for(self, what: str, times: int = 1) -> None:
        """Return when it has told of something so many times, or when it has ended."""
        for line in self._lines:
            times -= self.story.add(line) == what
            if times == 0:
                return

    def end(self, number: int | None = None) -> int:
        """Send a signal, if one is given, and wait; return the exit code, or minus the signal that killed it."""
        if number is not None:
            os.kill(self.pid, number)
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        with self._lines:
            for line in self._lines:
                self.story.add(line)
        return code


def _exit_code(act: Callable[[], int]) -> int:
    try:
        return act()
    except SystemExit as error:
        return int(error.code or 0)
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 70


def _tell(pipe: int) -> None:
    """Make training tell of its steps and saves."""

    def tell(what: str, word: object) -> None:
        os.write(pipe, f"{what} {word} {time.monotonic()}\n".encode())

    update, save, prune = Learner.update, CheckpointStore.save, CheckpointStore.prune

    def told_update(self: Learner, batches: Any, *, step: int, **others: Any) -> dict[str, float]:
        if step == told_update.__dict__.setdefault("first", step):
            tell("started", step)
        losses = update(self, batches, step=step, **others)
        tell("step", _rows_hash(batches))
        return losses

    def told_save(self: CheckpointStore, state: Mapping[str, Any], *others: Any) -> Path:
        tell("saving", state["step"])
        return save(self, state, *others)

    def told_prune(self: CheckpointStore, keep: int) -> None:
        prune(self, keep)
        tell("saved", "-")

    Learner.update, CheckpointStore.save, CheckpointStore.prune = told_update, told_save, told_prune  # type: ignore[method-assign,assignment]


def _rows_hash(batches: Any) -> str:
    digest = hashlib.sha256()
    for batch in batches:
        for ids in batch.features.ids.values():
            digest.update(ids.values.numpy().tobytes())
    return digest.hexdigest()


def everything(model_dir: Path) -> dict[str, str]:
    """SHA-256 of all that a run left, but for the lock, which names its process."""
    files = (path for path in sorted(model_dir.rglob("*")) if path.is_file() and path.name != "lock")
    return {str(path.relative_to(model_dir)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def trained(plan: PipelineSpec, model_dir: Path) -> Callable[[], int]:
    """What a fork does: train to the end."""

    def act() -> int:
        train(plan, model_dir=model_dir, listener=Recorder())
        return 0

    return act


def kills(rows: Path, out: Path, num: int, num_in_save: int, names: list[str]) -> Iterator[dict[str, Any]]:
    """Kill runs uniformly over their time, and some within a save; go on with each, compare it with one left alone."""
    draw = random.Random(5)
    plans = {name: make_plan(rows, **PLANS[name]) for name in names}
    train(plans[names[0]], model_dir=out / "warm")  # a fork of a process that has trained takes a third of the time
    alone: dict[str, tuple[Story, float, dict[str, str]]] = {}
    for k, plan in enumerate(plans.values()):
        began = time.monotonic()
        run = Run(trained(plan, out / f"alone-{k}"))
        assert run.end() == 0
        alone[names[k]] = run.story, time.monotonic() - began, everything(out / f"alone-{k}")
    wanted = chain([True] * num_in_save, [False] * (num - num_in_save))
    for (k, in_save), name in zip(enumerate(wanted), cycle(names), strict=False):
        story, seconds, files = alone[name]
        killed = _kill(plans[name], out / f"killed-{k}", story, seconds, draw, in_save=in_save)
        resumed = Run(trained(plans[name], out / f"killed-{k}"))
        assert resumed.end() == 0
        first = story.last_step if resumed.story.first_step is None else resumed.story.first_step
        yield {
            "plan": name,
            "in_save": killed.is_in_save,
            "steps": killed.last_step,
            "lost": max(0, killed.last_step - first),
            "other_files": sorted({name for name, _ in everything(out / f"killed-{k}").items() ^ files.items()}),
            "same_rows": killed.rows[:first] + resumed.story.rows == story.rows,
        }
        rmtree(out / f"killed-{k}")


def _kill(
    plan: PipelineSpec, model_dir: Path, alone: Story, seconds: float, draw: random.Random, *, in_save: bool
) -> Story:
    """A run that was killed before its end, within a save if asked; it is begun again until it is."""
    while True:
        run = Run(trained(plan, model_dir))
        if in_save:
            which = draw.randrange(len(alone.saved))
            run.wait_for("saving", which + 1)
            time.sleep(draw.uniform(0, alone.saved[which] - alone.saving[which]))
        else:
            time.sleep(draw.uniform(0, seconds))
        code = run.end(signal.SIGKILL)
        if code == -signal.SIGKILL and run.story.is_in_save >= in_save:
            return run.story
        rmtree(model_dir)


def signals(config: Path, out: Path, num: int, seconds: float) -> Iterator[dict[str, Any]]:
    """Ask runs of the command line to stop, by SIGINT and SIGTERM, within some seconds from their first step."""
    draw = random.Random(6)
    for k in range(num):
        number = (signal.SIGINT, signal.SIGTERM)[k % 2]
        model_dir = out / f"asked-{k}"
        run = Run(lambda: command_line(["train", str(config), "--set", f"model_dir={json.dumps(str(model_dir))}"]))  # noqa: B023
        run.wait_for("started")
        time.sleep(draw.uniform(0, seconds))
        asked = time.monotonic()
        code = run.end(number)
        yield {
            "signal": number,
            "code": code,
            "seconds": time.monotonic() - asked,
            "steps": run.story.last_step,
            "saved": CheckpointStore(model_dir).read().step,
            "bytes": sum(path.stat().st_size for path in model_dir.rglob("weights.safetensors")),
        }
        rmtree(model_dir)


def main(what: str, rows: str, out: str, *numbers: str) -> None:
    """Print what happened to each run."""
    torch.set_num_threads(1)
    assert peprank.cli.train  # forks find it imported
    if what == "kills":
        found = kills(Path(rows), Path(out), int(numbers[0]), int(numbers[1]), list(PLANS)[: int(numbers[2])])
    else:
        found = signals(Path(rows), Path(out), int(numbers[0]), float(numbers[1]))
    for entry in found:
        print(json.dumps(entry), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Who is told what happens during a run, as it happens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from peprank.data import Repairs
from peprank.evaluation import Results


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainResult:
    """What a run has come to."""

    model_dir: Path
    steps: int  # updates of the weights
    rows: int  # rows trained on, over all epochs
    latest: Path  # the last checkpoint
    best: Path | None  # the checkpoint with the best evaluation; None without evaluations
    results: Results | None  # of the last evaluation
    history: tuple[dict[str, Any], ...]  # the lines of metrics.jsonl
    repairs: Mapping[str, Repairs]  # "train_input_path", "eval_input_path" -> what was left out of its files


class TrainListener(Protocol):
    """Called from the training thread, between steps. What it raises ends the run."""

    def started(self, step: int, num_steps: int | None) -> None:
        """Training goes on from `step`; it will end at `num_steps`, if that is known."""

    def step(self, step: int, losses: Mapping[str, float], rows_per_s: float, lr: float) -> None:
        """One update is done: its losses, the recent rate, and the network's learning rate."""

    def watched(self, step: int, metrics: Mapping[str, float]) -> None:
        """The config's train metrics, at each log step."""

    def evaluated(self, step: int, results: Results) -> None:
        """The evaluation inputs have been judged."""

    def saved(self, step: int, path: Path) -> None:
        """A checkpoint is on disk."""

    def note(self, text: str) -> None:
        """Something that the user should know."""

    def finished(self, result: TrainResult) -> None:
        """The run is complete."""


class Silent:
    """A listener that does nothing."""

    def started(self, step: int, num_steps: int | None) -> None:
        """Do nothing."""

    def step(self, step: int, losses: Mapping[str, float], rows_per_s: float, lr: float) -> None:
        """Do nothing."""

    def watched(self, step: int, metrics: Mapping[str, float]) -> None:
        """Do nothing."""

    def evaluated(self, step: int, results: Results) -> None:
        """Do nothing."""

    def saved(self, step: int, path: Path) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""

    def finished(self, result: TrainResult) -> None:
        """Do nothing."""

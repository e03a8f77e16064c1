"""How far a run has come: what a checkpoint keeps beside tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from peprank.batch import Features


@dataclass(slots=True)
class Progress:
    """The place in the data, and counts that reports are made of. Epochs count from 0."""

    step: int = 0  # updates done
    epoch: int = 0  # epochs done
    epoch_rows: int = 0  # rows of the present epoch that have been trained on
    rows: int = 0  # over all epochs
    judged_step: int = -1  # of the last evaluation
    window_steps: int = 0  # steps since the last log line
    window_losses: dict[str, float] = field(default_factory=dict)  # their sums
    seen: dict[str, int] = field(default_factory=dict)  # first epoch: values of each feature
    unknown: dict[str, int] = field(default_factory=dict)  # first epoch: those outside its vocabulary

    def add_step(self, losses: Mapping[str, float], num_rows: int) -> None:
        """Count one update."""
        self.step += 1
        self.rows += num_rows
        self.epoch_rows += num_rows
        self.window_steps += 1
        for name, value in losses.items():
            self.window_losses[name] = self.window_losses.get(name, 0.0) + value

    def add_values(self, features: Features) -> None:
        """Count the values of a batch of the first epoch."""
        for name, ids in features.ids.items():
            self.seen[name] = self.seen.get(name, 0) + len(ids.values)
        for name, numbers in features.numbers.items():
            self.seen[name] = self.seen.get(name, 0) + numbers.numel()
        for name, count in features.unknown.items():
            self.unknown[name] = self.unknown.get(name, 0) + count

    def end_epoch(self) -> None:
        """The data is used up."""
        self.epoch += 1
        self.epoch_rows = 0

    def take_window(self) -> dict[str, float]:
        """Return the mean of each loss since the last call."""
        means = {name: total / self.window_steps for name, total in self.window_losses.items()}
        self.window_steps, self.window_losses = 0, {}
        return means

    def unknown_rates(self, above: float) -> dict[str, float]:
        """Return feature -> share of its values that it does not know, the largest first."""
        rates = {name: count / max(self.seen.get(name, 0), count) for name, count in self.unknown.items() if count}
        return dict(sorted(((n, r) for n, r in rates.items() if r > above), key=lambda item: -item[1]))

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps, as JSON."""
        return asdict(self)


class Pace:
    """Rows per second over the recent steps: older ones count less and less."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._last = clock, clock()
        self._rows = self._seconds = 0.0

    def rows_per_s(self, num_rows: int) -> float:
        """Take in a step that ends now."""
        now = self._clock()
        self._rows = 0.95 * self._rows + num_rows
        self._seconds = 0.95 * self._seconds + (now - self._last)
        self._last = now
        return self._rows / max(self._seconds, 1e-9)

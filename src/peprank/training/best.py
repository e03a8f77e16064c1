"""Which evaluation was the best so far, and whether it is time to stop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from peprank.errors import TrainingError
from peprank.spec.train import EarlyStopping, ExportSpec

_DEFAULT_METRIC = "auc"  # the mean over tasks


@dataclass(slots=True, kw_only=True)
class BestSoFar:
    """The best value of one metric over the evaluations of a run."""

    metric: str  # a name of `Results.named`: "auc_ctr", or "auc" for the mean over tasks
    larger_is_better: bool = True
    min_delta: float = 0.0  # a value must be better by more than this to count
    value: float | None = None
    step: int | None = None
    misses: int = 0  # evaluations since, in a row

    def update(self, step: int, value: float | None) -> bool:
        """Take in one evaluation; tell whether it is the best. An undefined value never is."""
        if value is not None and self._is_better(value):
            self.value, self.step, self.misses = value, step, 0
            return True
        self.misses += 1
        return False

    def _is_better(self, value: float) -> bool:
        if self.value is None:
            return True
        gain = value - self.value if self.larger_is_better else self.value - value
        return gain > self.min_delta

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take back what `asdict` gave; another metric starts afresh."""
        if state["metric"] == self.metric:
            self.value, self.step, self.misses = state["value"], state["step"], state["misses"]


class Judge:
    """Follow the metric that picks the best checkpoint, and the one that stops a run early.

    Without `best_exporter_metric` the mean auc picks the best; a run that has no auc has no best checkpoint then.
    """

    def __init__(self, export: ExportSpec, stopping: EarlyStopping | None) -> None:
        self._is_asked = export.best_metric is not None
        self.best = BestSoFar(metric=export.best_metric or _DEFAULT_METRIC, larger_is_better=export.larger_is_better)
        self._stopping = stopping
        self._patience = (
            None
            if stopping is None
            else BestSoFar(
                metric=stopping.metric, larger_is_better=stopping.larger_is_better, min_delta=stopping.min_delta
            )
        )

    def take(self, step: int, named: Mapping[str, float | None]) -> bool:
        """Take in one evaluation; tell whether its checkpoint is the best.

        Raises:
            TrainingError: no result has the name of a metric that the config asks for.
        """
        if self._patience is not None:
            self._patience.update(step, _value(named, self._patience.metric))
        if not self._is_asked and self.best.metric not in named:
            return False
        return self.best.update(step, _value(named, self.best.metric))

    def why_stop(self) -> str | None:
        """Return why the run should stop early, None while it should go on."""
        patience = self._patience
        if self._stopping is None or patience is None or patience.misses < self._stopping.patience:
            return None
        if patience.value is None:
            return f"stopped early: {patience.metric} was undefined in all evaluations, which are {patience.misses}"
        return (
            f"stopped early: {patience.metric} was best at step {patience.step} ({patience.value:.6g}), "
            f"and no better in {patience.misses} evaluations since"
        )

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps, as JSON."""
        return {"best": asdict(self.best), "patience": asdict(self._patience) if self._patience else None}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` gave."""
        self.best.load_state(state["best"])
        if self._patience is not None and state["patience"] is not None:
            self._patience.load_state(state["patience"])


def _value(named: Mapping[str, float | None], metric: str) -> float | None:
    if metric not in named:
        raise TrainingError(f"metric '{metric}' is not among the results; there are {', '.join(sorted(named))}")
    return named[metric]

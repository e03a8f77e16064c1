"""Metrics of the training rows themselves, forgetting the past at a steady rate: the config's `train_metrics`."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from peprank.spec.model import MetricKind, MetricSpec, ModelSpec, TaskSpec

_BINS = 200  # of an auc without `thresholds`
_DECAY_RATE, _DECAY_STEP = 0.9, 100  # the format's defaults


class Watch:
    """Follow `train_metrics` of all tasks while training.

    Each collects `decay_step` steps, then the shown value becomes rate * old + (1 - rate) * new. An auc blends its
    histograms in that way instead of values. They are read before the update, on rows not trained on in this epoch.

    Args:
        model: the plan, for its tasks and their train metrics.
    """

    def __init__(self, model: ModelSpec) -> None:
        self._watched = {
            f"{metric.kind.value}_{task.name}": _Watched(k, task, metric)
            for k, task in enumerate(model.tasks)
            for metric in task.train_metrics
        }
        self._columns = model.logit_slices

    @torch.no_grad()
    def update(self, logits: Tensor, labels: Tensor) -> None:
        """Take in one batch.

        Shapes: logits [B, K], labels [B, T].
        """
        for watched in self._watched.values():
            task = watched.task_index
            watched.update(logits[:, self._columns[task]].detach().float().cpu(), labels[:, task].cpu())

    def values(self) -> dict[str, float]:
        """Return `<metric>_<task>` -> value, for those that have collected enough."""
        return {name: w.value for name, w in self._watched.items() if w.value is not None}

    def state(self) -> dict[str, Tensor]:
        """Return what a checkpoint keeps, `<metric>_<task>` -> float64 tensor."""
        return {name: watched.state() for name, watched in self._watched.items()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state` gave; a metric that was not watched then starts afresh."""
        for name, watched in self._watched.items():
            kept = state.get(name)
            if kept is not None and kept.shape == watched.state().shape:
                watched.load_state(kept)


class _Watched:
    """One metric of one task: sums of the steps since the last blend, and the blend."""

    def __init__(self, task_index: int, task: TaskSpec, metric: MetricSpec) -> None:
        self.task_index = task_index
        self._task, self._metric = task, metric
        self._rate = _DECAY_RATE if metric.decay_rate is None else metric.decay_rate
        self._every = metric.decay_step or _DECAY_STEP
        self._is_auc = metric.kind is MetricKind.AUC
        shape = (metric.thresholds or _BINS, 2) if self._is_auc else (2,)
        self._fresh = torch.zeros(shape, dtype=torch.float64)  # histogram [bins, class], or [sum, count]
        self._blend = torch.zeros_like(self._fresh)
        self._steps = 0
        self._has_blend = False

    @property
    def value(self) -> float | None:
        if not self._has_blend:
            return None
        return _auc(self._blend) if self._is_auc else float(self._blend[0])

    def update(self, logits: Tensor, label: Tensor) -> None:
        self._fresh += self._collect(_prediction(self._task, logits), label)
        self._steps += 1
        if self._steps % self._every == 0:
            new = self._fresh if self._is_auc else (self._fresh[:1] / self._fresh[1:].clamp(min=1)).expand(2)
            self._blend = torch.lerp(new, self._blend, self._rate) if self._has_blend else new.clone()
            self._has_blend = True
            self._fresh = torch.zeros_like(self._fresh)

    def _collect(self, prediction: Tensor, label: Tensor) -> Tensor:
        if self._is_auc:
            return _histogram(prediction, label, len(self._fresh))
        values = _errors(self._metric, prediction, label)
        return torch.tensor([values.sum(dtype=torch.float64), len(values)], dtype=torch.float64)

    def state(self) -> Tensor:
        counts = torch.tensor([self._steps, self._has_blend], dtype=torch.float64)
        return torch.cat([counts, self._fresh.flatten(), self._blend.flatten()])

    def load_state(self, state: Tensor) -> None:
        self._steps, self._has_blend = int(state[0]), bool(state[1])
        fresh, blend = state[2:].chunk(2)
        self._fresh, self._blend = fresh.view_as(self._fresh).clone(), blend.view_as(self._blend).clone()


def _prediction(task: TaskSpec, logits: Tensor) -> Tensor:
    """y or the probability of the positive class [B]; beyond two classes the probability of each [B, C]."""
    if task.is_regression:
        return logits[:, 0]
    if task.num_class == 1:
        return logits[:, 0].sigmoid()
    probs = logits.softmax(1)
    return probs[:, 1] if task.num_class == 2 else probs


def _errors(metric: MetricSpec, prediction: Tensor, label: Tensor) -> Tensor:
    match metric.kind:
        case MetricKind.MEAN_ABSOLUTE_ERROR:
            return (prediction - label).abs()
        case MetricKind.MEAN_SQUARED_ERROR:
            return (prediction - label).square()
        case MetricKind.ACCURACY if prediction.dim() == 2:
            return (prediction.topk(metric.top_k, dim=1).indices == label[:, None]).any(1).float()
        case MetricKind.ACCURACY:
            return ((prediction >= metric.threshold) == (label > 0.5)).float()
        case MetricKind.XAUC:
            # Neighbours are pairs drawn at random: training rows come shuffled.
            return ((prediction[1:] - prediction[:-1]) * (label[1:] - label[:-1]) > 0).float()
        case _:
            raise AssertionError(f"{metric.kind} is no train metric")


def _histogram(prob: Tensor, label: Tensor, bins: int) -> Tensor:
    """Count rows by probability and class: float64 [bins, 2]."""
    place = (prob * (bins - 1)).nan_to_num(0).long().clamp(0, bins - 1) * 2 + (label > 0.5).long()
    return torch.bincount(place, minlength=2 * bins).view(bins, 2).double()


def _auc(histogram: Tensor) -> float | None:
    """Chance that a positive's bin lies above a negative's, one half in the same bin; None with one class only."""
    negatives, positives = histogram[:, 0], histogram[:, 1]
    below = negatives.cumsum(0) - negatives / 2
    pairs = float(negatives.sum() * positives.sum())
    return float((positives * below).sum()) / pairs if pairs else None

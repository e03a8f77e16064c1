"""Judge one task on some rows: by the measures that its kind always gets, and by those that its config asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from typing_extensions import assert_never

from peprank import metrics
from peprank.evaluation.results import Cell, Measure, TaskKind
from peprank.spec.model import (
    JRC,
    L2,
    BinaryCrossEntropy,
    BinaryFocal,
    LossSpec,
    MetricKind,
    MetricSpec,
    SoftmaxCrossEntropy,
    TaskSpec,
)

Logits = npt.NDArray[np.float32]
Codes = npt.NDArray[np.int32]

_PAIRS = 1_000_000  # drawn for the XAUC of a cell: a standard error of 0.0005
_NO_ROWS = "no rows"


def kind_of(task: TaskSpec) -> TaskKind:
    """How a task is judged. A softmax tower of two classes is binary: its logit is the second minus the first."""
    if task.is_regression:
        return TaskKind.REGRESSION
    return TaskKind.MULTICLASS if task.num_class > 2 else TaskKind.BINARY


@dataclass(frozen=True, slots=True)
class TaskRows:
    """What one task gave and should have given on N rows."""

    task: TaskSpec
    logits: Logits  # [N, C]
    label: npt.NDArray[Any]  # [N] bool, class index or number, by the task's kind
    groups: Mapping[str, Codes]  # feature -> [N], equal for rows of one group, below 0 for rows of none

    @property
    def score(self) -> Logits:
        """The task's one number per row, [N]: binary logit, or y."""
        return self.logits[:, 0] if self.task.num_class == 1 else self.logits[:, 1] - self.logits[:, 0]

    @property
    def prediction(self) -> npt.NDArray[np.floating[Any]]:
        """The task's one number per row in the label's unit, [N]: probability, or y."""
        return self.score if self.task.is_regression else metrics.sigmoid(self.score)

    def take(self, rows: npt.NDArray[np.int64]) -> TaskRows:
        """Some of the rows."""
        groups = {name: codes[rows] for name, codes in self.groups.items()}
        return TaskRows(self.task, self.logits[rows], self.label[rows], groups)


def judge(rows: TaskRows, group_feature: str | None) -> Cell:
    """The cell of these rows, without its place: every measure of the task's kind."""
    match kind := kind_of(rows.task):
        case TaskKind.BINARY:
            return _judge_binary(rows, group_feature)
        case TaskKind.MULTICLASS:
            measures = _judge_classes(rows)
        case TaskKind.REGRESSION:
            measures = _judge_numbers(rows)
        case _:
            assert_never(kind)
    return Cell(task=rows.task.name, kind=kind, rows=len(rows.label), measures=measures)


def _judge_binary(rows: TaskRows, group_feature: str | None) -> Cell:
    score, label = rows.score, rows.label
    num_rows, positives = len(label), int(label.sum())
    one_class = _missing_class(num_rows, positives)
    grouped = _grouped_auc(rows, group_feature) if group_feature else metrics.Grouped(None, None, 0, 0)
    no_group = one_class or _missing_groups(group_feature)
    prob, loss, entropy = metrics.sigmoid(score), metrics.logloss(score, label), metrics.label_entropy(label)
    ratio = loss / entropy if loss is not None and entropy is not None else None
    measures = {
        "auc": _measure(metrics.auc(score, label), one_class),
        "gauc": _measure(grouped.weighted, no_group),
        "gauc_unweighted": _measure(grouped.unweighted, no_group),
        "logloss": _measure(loss, _NO_ROWS),
        "normalized_entropy": _measure(ratio, one_class),
        "calibration": _measure(metrics.calibration(prob, label), one_class),
        "mean_prob": _measure(float(prob.mean()) if num_rows else None, _NO_ROWS),
    }
    return Cell(
        task=rows.task.name,
        kind=TaskKind.BINARY,
        rows=num_rows,
        positives=positives,
        groups=grouped.num_groups if group_feature else None,
        group_rows=grouped.rows if group_feature else None,
        measures=measures,
    )


def _judge_classes(rows: TaskRows) -> dict[str, Measure]:
    return {
        "multiclass_auc": _measure(_multiclass_auc(rows, "macro", None), _one_class_only(rows)),
        "accuracy": _measure(metrics.top_k_accuracy(rows.logits, rows.label), _NO_ROWS),
        "cross_entropy": _measure(metrics.cross_entropy(rows.logits, rows.label), _NO_ROWS),
    }


def _judge_numbers(rows: TaskRows) -> dict[str, Measure]:
    y, label = rows.score, rows.label
    return {
        "mean_absolute_error": _measure(metrics.mean_absolute_error(y, label), _NO_ROWS),
        "mean_squared_error": _measure(metrics.mean_squared_error(y, label), _NO_ROWS),
        "xauc": _measure(metrics.xauc(y, label, max_pairs=_PAIRS), _one_label_only(rows)),
    }


def asked_for(rows: TaskRows, cell: Cell, group_feature: str | None) -> dict[str, Measure]:
    """The metrics and losses that the task's config names, by the peer's names: `grouped_auc_cvr`, `l2_loss_price`.

    Args:
        cell: these rows as `judge` saw them; what it holds already is not computed twice.
    """
    name, task = rows.task.name, rows.task
    asked = {f"{metric.kind.value}_{name}": _metric(metric, rows, cell, group_feature) for metric in task.metrics}
    return asked | {f"{loss.name}_{name}": _measure(_loss(loss, rows, cell), _NO_ROWS) for loss in task.losses}


def _metric(metric: MetricSpec, rows: TaskRows, cell: Cell, group_feature: str | None) -> Measure:
    kind = kind_of(rows.task)
    if kind not in _KINDS[metric.kind]:
        return Measure(None, f"a {kind.value} tower has no {metric.kind.value}")
    label = rows.label
    match metric.kind:
        case MetricKind.AUC:
            return cell.measures["auc"] if metric.thresholds is None else _binned_auc(rows, metric.thresholds)
        case MetricKind.GROUPED_AUC if metric.grouping_key == group_feature:
            return cell.measures["gauc_unweighted"]
        case MetricKind.GROUPED_AUC:
            grouped = _grouped_auc(rows, metric.grouping_key or "")
            reason = _missing_class(len(label), int(label.sum())) or _missing_groups(metric.grouping_key)
            return _measure(grouped.unweighted, reason)
        case MetricKind.NORMALIZED_ENTROPY:
            value = metrics.normalized_entropy(rows.score, label, eta=metric.eta)
            return _measure(value, _missing_class(len(label), int(label.sum())))
        case MetricKind.MULTICLASS_AUC:
            return _measure(_multiclass_auc(rows, metric.average, metric.thresholds), _one_class_only(rows))
        case MetricKind.ACCURACY if kind is TaskKind.BINARY:
            return _measure(metrics.accuracy(rows.prediction, label, threshold=metric.threshold), _NO_ROWS)
        case MetricKind.ACCURACY:
            return _measure(metrics.top_k_accuracy(rows.logits, label, top_k=metric.top_k), _NO_ROWS)
        case MetricKind.MEAN_ABSOLUTE_ERROR:
            return _measure(metrics.mean_absolute_error(rows.prediction, label), _NO_ROWS)
        case MetricKind.MEAN_SQUARED_ERROR:
            return _measure(metrics.mean_squared_error(rows.prediction, label), _NO_ROWS)
        case MetricKind.XAUC:
            value = metrics.xauc(rows.score, label, sample_ratio=metric.sample_ratio, max_pairs=metric.max_pairs)
            return _measure(value, _one_label_only(rows))
        case MetricKind.GROUPED_XAUC:
            return _grouped_xauc(rows, metric)
        case _:
            assert_never(metric.kind)


_BINARY, _NUMBER = frozenset({TaskKind.BINARY}), frozenset({TaskKind.BINARY, TaskKind.REGRESSION})
_CLASS = frozenset({TaskKind.BINARY, TaskKind.MULTICLASS})
_KINDS: Mapping[MetricKind, frozenset[TaskKind]] = {
    MetricKind.AUC: _BINARY,
    MetricKind.GROUPED_AUC: _BINARY,
    MetricKind.NORMALIZED_ENTROPY: _BINARY,
    MetricKind.MULTICLASS_AUC: _CLASS,
    MetricKind.ACCURACY: _CLASS,
    MetricKind.MEAN_ABSOLUTE_ERROR: _NUMBER,
    MetricKind.MEAN_SQUARED_ERROR: _NUMBER,
    MetricKind.XAUC: _NUMBER,
    MetricKind.GROUPED_XAUC: _NUMBER,
}


def _loss(loss: LossSpec, rows: TaskRows, cell: Cell) -> float | None:
    """Mean over the rows, weighted by nothing: not by the task's weight, its space or sample weights."""
    match loss:
        case BinaryCrossEntropy() if not loss.label_smoothing:
            return cell.measures["logloss"].value
        case BinaryCrossEntropy():
            return metrics.logloss(rows.score, metrics.smoothed(rows.label, loss.label_smoothing))
        case BinaryFocal():
            return metrics.binary_focal_loss(rows.score, rows.label, gamma=loss.gamma, alpha=loss.alpha)
        case SoftmaxCrossEntropy():
            return metrics.cross_entropy(rows.logits, rows.label, label_smoothing=loss.label_smoothing)
        case L2():
            return metrics.mean_squared_error(rows.score, rows.label)
        case JRC():
            return metrics.jrc_loss(rows.logits, rows.label, rows.groups[loss.session], alpha=loss.alpha)
        case _:
            assert_never(loss)


def _grouped_auc(rows: TaskRows, feature: str) -> metrics.Grouped:
    """GAUC over the rows whose group is known."""
    codes = rows.groups[feature]
    known = codes >= 0
    if known.all():
        return metrics.gauc(rows.score, rows.label, codes)
    return metrics.gauc(rows.score[known], rows.label[known], codes[known])


def _grouped_xauc(rows: TaskRows, metric: MetricSpec) -> Measure:
    feature = metric.grouping_key or ""
    known = np.flatnonzero(rows.groups[feature] >= 0)
    some = rows.take(known)
    most = {} if metric.max_pairs is None else {"max_pairs_per_group": metric.max_pairs}
    grouped = metrics.grouped_xauc(some.score, some.label, some.groups[feature], **most)
    return _measure(grouped.weighted, f"no {feature} with different labels")


def _binned_auc(rows: TaskRows, thresholds: int) -> Measure:
    reason = _missing_class(len(rows.label), int(rows.label.sum()))
    return _measure(metrics.binned_auc(rows.prediction, rows.label, thresholds), reason)


def _multiclass_auc(rows: TaskRows, average: str, thresholds: int | None) -> float | None:
    if rows.task.num_class == 1:
        prob = metrics.sigmoid(rows.score)
        both = np.stack([1 - prob, prob], axis=1)
        return metrics.multiclass_auc(both, rows.label, average=average, thresholds=thresholds)
    return metrics.multiclass_auc(metrics.softmax(rows.logits), rows.label, average=average, thresholds=thresholds)


def _measure(value: float | None, reason: str | None) -> Measure:
    """The value, or the reason if there is none."""
    return Measure(value) if value is not None else Measure(None, reason or _NO_ROWS)


def _missing_class(num_rows: int, positives: int) -> str | None:
    """Why nothing that needs both classes is defined; None when both are there."""
    if not num_rows:
        return _NO_ROWS
    if 0 < positives < num_rows:
        return None
    among = f"among {num_rows:,} row" + "s" * (num_rows > 1)
    return f"no {'negative' if positives else 'positive'} {among}"


def _missing_groups(feature: str | None) -> str:
    return f"no {feature} with both classes" if feature else "eval_config.gauc_feature is not set"


def _one_class_only(rows: TaskRows) -> str:
    return f"all {len(rows.label):,} rows are of one class" if len(rows.label) else _NO_ROWS


def _one_label_only(rows: TaskRows) -> str:
    return f"no two of {len(rows.label):,} rows have different labels" if len(rows.label) else _NO_ROWS

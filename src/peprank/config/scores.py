"""Names that an evaluation gives its results, so that a config may pick a checkpoint by one of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from peprank.config.place import Place, listing, meant
from peprank.spec.model import (
    JRC,
    L2,
    BinaryCrossEntropy,
    BinaryFocal,
    LossSpec,
    MetricKind,
    SoftmaxCrossEntropy,
    TaskSpec,
)

SMALLER_IS_BETTER: Final = frozenset(
    {MetricKind.MEAN_ABSOLUTE_ERROR, MetricKind.MEAN_SQUARED_ERROR, MetricKind.NORMALIZED_ENTROPY}
)


def score_names(tasks: Sequence[TaskSpec], *, has_gauc: bool) -> dict[str, bool]:
    """`auc_ctr`, and `auc` for the mean over the tasks that have it -> whether larger is better."""
    scores: dict[str, bool] = {}
    for task in tasks:
        for name, larger in _of_task(task, has_gauc=has_gauc).items():
            scores[f"{name}_{task.name}"] = larger
            scores[name] = larger
    return scores


def _of_task(task: TaskSpec, *, has_gauc: bool) -> dict[str, bool]:
    names = {metric.kind.value: metric.kind not in SMALLER_IS_BETTER for metric in task.metrics}
    names |= {loss_name(loss): False for loss in task.losses}
    if task.num_class <= 2 and not task.is_regression:
        names |= {"auc": True, "logloss": False, "normalized_entropy": False}
        if has_gauc:
            names["gauc"] = True
    return names


def loss_name(loss: LossSpec) -> str:
    """The loss as the format calls it."""
    match loss:
        case BinaryCrossEntropy():
            return "binary_cross_entropy"
        case BinaryFocal():
            return "binary_focal_loss"
        case SoftmaxCrossEntropy():
            return "softmax_cross_entropy"
        case JRC():
            return "jrc_loss"
        case L2():
            return "l2_loss"


def check_metric(name: Place, larger: Place, scores: dict[str, bool]) -> None:
    """Note a metric that no evaluation has, or a direction that makes the worst the best."""
    metric = str(name.node)
    if metric not in scores:
        if scores:
            known = listing(scores, at_most=24)
            name.error(f"is not a metric of this model{meant(metric, scores)}; write one of {known}")
    elif scores[metric] != larger.node:
        better, text = ("larger", "true") if scores[metric] else ("smaller", "false")
        last = larger.path.rpartition(".")[2]
        (larger if larger.is_set else name).error(f"'{metric}' is better when {better}; write {last}: {text}")

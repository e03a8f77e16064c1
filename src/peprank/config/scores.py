"""Names that an evaluation gives its numbers, so that a config may pick a checkpoint by one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from peprank.config.place import Place, listing, meant
from peprank.spec.model import MetricKind, TaskSpec

Directions = Mapping[str, bool]  # name of a number -> whether larger is better

BINARY: Final[Directions] = {"auc": True, "logloss": False, "normalized_entropy": False}
GROUPED: Final[Directions] = {"gauc": True, "gauc_unweighted": True}
CLASSES: Final[Directions] = {"multiclass_auc": True, "accuracy": True, "cross_entropy": False}
NUMBERS: Final[Directions] = {"mean_absolute_error": False, "mean_squared_error": False, "xauc": True}

SMALLER_IS_BETTER: Final = frozenset(
    {MetricKind.MEAN_ABSOLUTE_ERROR, MetricKind.MEAN_SQUARED_ERROR, MetricKind.NORMALIZED_ENTROPY}
)


def directions(tasks: Sequence[TaskSpec], *, has_groups: bool) -> Directions:
    """`auc_ctr`, `auc_cvr_in_space`, and `auc` for the mean over the tasks that have it.

    Metrics and losses that the file asks for go by the peer's names, such as `grouped_auc_ctr`.
    """
    known: dict[str, bool] = {}
    for task in tasks:
        for name, larger in _measures(task, has_groups=has_groups).items():
            known[name] = known[f"{name}_{task.name}"] = larger
            if task.space is not None:
                known[f"{name}_{task.name}_in_space"] = larger
        known |= {f"{metric.kind.value}_{task.name}": metric.kind not in SMALLER_IS_BETTER for metric in task.metrics}
        known |= {f"{loss.name}_{task.name}": False for loss in task.losses}
    return known


def _measures(task: TaskSpec, *, has_groups: bool) -> Directions:
    """What every task of its kind is judged by, apart from calibration, which has no better end."""
    if task.is_regression:
        return NUMBERS
    if task.num_class > 2:
        return CLASSES
    return {**BINARY, **GROUPED} if has_groups else BINARY


def check_metric(name: Place, larger: Place, known: Directions) -> None:
    """Note a name that no evaluation gives, or a direction that makes the worst the best."""
    metric = str(name.node)
    if metric not in known:
        if known:  # a model with mistakes in it has no names yet
            name.error(
                f"is not a metric of this model{meant(metric, known)}; write one of {listing(known, at_most=24)}"
            )
    elif known[metric] != larger.node:
        better, text = ("larger", "true") if known[metric] else ("smaller", "false")
        field = larger.path.rpartition(".")[2]
        (larger if larger.is_set else name).error(f"'{metric}' is better when {better}; write {field}: {text}")

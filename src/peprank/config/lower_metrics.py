"""What a task is judged by -> MetricSpec."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from peprank.config.lower_losses import Aim, check_fraction
from peprank.config.names import Names
from peprank.config.place import Place
from peprank.config.protos import pipeline_pb2 as pb
from peprank.spec.model import L2, LossSpec, MetricKind, MetricSpec

NUMBER_METRICS: Final = (
    MetricKind.MEAN_ABSOLUTE_ERROR,
    MetricKind.MEAN_SQUARED_ERROR,
    MetricKind.XAUC,
    MetricKind.GROUPED_XAUC,
)


def metrics(msg: Aim, at: Place, names: Names, losses: Sequence[LossSpec]) -> tuple[MetricSpec, ...]:
    """What an evaluation measures; `losses` decide what can be measured."""
    lowered: dict[MetricKind, MetricSpec] = {}
    for index, config in enumerate(msg.metrics):
        kind = config.WhichOneof("metric")
        place = at["metrics"][index]
        if kind is None:
            place.error_without("metric", "names no metric; write auc {}")
        elif kind != "recall_at_k":  # refused elsewhere
            metric = _metric(config, MetricKind(kind), place[kind], names)
            _add(lowered, metric, place[kind], msg.num_class, losses)
    return tuple(lowered.values())


def train_metrics(msg: Aim, at: Place, losses: Sequence[LossSpec]) -> tuple[MetricSpec, ...]:
    """What is measured on the rows trained on."""
    lowered: dict[MetricKind, MetricSpec] = {}
    for index, config in enumerate(msg.train_metrics):
        kind = config.WhichOneof("metric")
        place = at["train_metrics"][index]
        if kind is None:
            place.error_without("metric", "names no metric; write auc {}")
        elif kind != "recall_at_k":
            if not 0 <= config.decay_rate < 1:
                place["decay_rate"].error("must lie in [0, 1)")
            if config.decay_step < 1:
                place["decay_step"].error("must be at least 1")
            metric = _train_metric(config, MetricKind(kind), place[kind])
            _add(lowered, metric, place[kind], msg.num_class, losses)
    return tuple(lowered.values())


def _add(
    lowered: dict[MetricKind, MetricSpec], metric: MetricSpec, at: Place, num_class: int, losses: Sequence[LossSpec]
) -> None:
    if metric.top_k > num_class > 1:
        at["top_k"].error(f"must be at most num_class, which is {num_class}")
    if metric.kind in lowered:
        at.error("is asked for twice for this task, and only one value can carry the name; keep one")
    obstacle = _obstacle(metric.kind, num_class, losses)
    if obstacle and losses:
        at.error(obstacle)
    lowered[metric.kind] = metric


def _obstacle(kind: MetricKind, num_class: int, losses: Sequence[LossSpec]) -> str:
    """Why a task with these losses cannot have the metric; empty when it can."""
    if kind in NUMBER_METRICS:
        return (
            ""
            if num_class <= 2
            else f"judges one number per row, but num_class = {num_class}; write accuracy {{}} instead"
        )
    is_regression = any(isinstance(loss, L2) for loss in losses)
    if is_regression:
        return "judges probabilities, but l2_loss predicts a number; write mean_squared_error {} instead"
    if kind is MetricKind.MULTICLASS_AUC:
        return "" if num_class > 1 else "needs num_class of 2 or more; write auc {} instead"
    if kind is not MetricKind.ACCURACY and num_class > 2:
        return f"needs a single probability, but num_class = {num_class}; write multiclass_auc {{}} instead"
    return ""


def _metric(config: pb.MetricConfig, kind: MetricKind, at: Place, names: Names) -> MetricSpec:
    if kind is MetricKind.MULTICLASS_AUC:
        if config.multiclass_auc.average not in ("macro", "weighted"):
            at["average"].error('is not known; write "macro" or "weighted"')
        thresholds = _thresholds(config.multiclass_auc, at)
        return MetricSpec(kind=kind, thresholds=thresholds, average=config.multiclass_auc.average)
    if kind is MetricKind.GROUPED_AUC:
        key = _grouping_key(config.grouped_auc, at, names)
        return MetricSpec(kind=kind, grouping_key=key)
    if kind is MetricKind.GROUPED_XAUC:
        key = _grouping_key(config.grouped_xauc, at, names)
        return MetricSpec(kind=kind, grouping_key=key, max_pairs=config.grouped_xauc.max_pairs_per_group)
    if kind is MetricKind.NORMALIZED_ENTROPY:
        if not 0 < config.normalized_entropy.eta < 0.5:
            at["eta"].error("must lie in (0, 0.5)")
        return MetricSpec(kind=kind, eta=config.normalized_entropy.eta)
    return _plain_metric(config, kind, at)


def _train_metric(config: pb.TrainMetricConfig, kind: MetricKind, at: Place) -> MetricSpec:
    return _plain_metric(config, kind, at, decay_rate=config.decay_rate, decay_step=config.decay_step)


def _plain_metric(
    config: pb.MetricConfig | pb.TrainMetricConfig,
    kind: MetricKind,
    at: Place,
    decay_rate: float | None = None,
    decay_step: int | None = None,
) -> MetricSpec:
    """The metrics that may stand in `metrics` and in `train_metrics`."""
    thresholds, threshold, top_k, sample_ratio, max_pairs = None, 0.5, 1, 0.001, None
    if kind is MetricKind.AUC:
        thresholds = _thresholds(config.auc, at)
    elif kind is MetricKind.ACCURACY:
        threshold, top_k = config.accuracy.threshold, config.accuracy.top_k
        check_fraction(threshold, at["threshold"])
        if top_k < 1:
            at["top_k"].error("must be at least 1")
    elif kind is MetricKind.XAUC:
        sample_ratio = config.xauc.sample_ratio
        max_pairs = config.xauc.max_pairs if config.xauc.HasField("max_pairs") else None
        if not sample_ratio > 0:
            at["sample_ratio"].error("must be > 0")
    return MetricSpec(
        kind=kind,
        thresholds=thresholds,
        threshold=threshold,
        top_k=top_k,
        sample_ratio=sample_ratio,
        max_pairs=max_pairs,
        decay_rate=decay_rate,
        decay_step=decay_step,
    )


def _thresholds(msg: pb.AUC | pb.MulticlassAUC, at: Place) -> int | None:
    """Bins of an approximate AUC; a file that does not ask for them gets the exact one."""
    if msg.HasField("thresholds") and msg.thresholds < 2:
        at["thresholds"].error("must be at least 2; remove it for the exact AUC")
    return msg.thresholds if msg.HasField("thresholds") else None


def _grouping_key(msg: pb.GroupedAUC | pb.GroupedXAUC, at: Place, names: Names) -> str:
    if msg.HasField("grouping_key"):
        names.check_id_feature(msg.grouping_key, at["grouping_key"])
    return msg.grouping_key

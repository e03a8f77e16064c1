"""Task towers, their losses and metrics -> TaskSpec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Final

from peprank.config.lower_features import EmbeddedFeature
from peprank.config.place import Place, listing, meant
from peprank.config.protos import pipeline_pb2 as pb
from peprank.config.strings import activation
from peprank.spec.feature import IdFeature
from peprank.spec.mlp import Activation, MLPSpec, Normalization
from peprank.spec.model import (
    JRC,
    L2,
    BinaryCrossEntropy,
    BinaryFocal,
    LossSpec,
    MetricKind,
    MetricSpec,
    SoftmaxCrossEntropy,
    TaskSpace,
    TaskSpec,
)

NUMBER_METRICS: Final = (
    MetricKind.MEAN_ABSOLUTE_ERROR,
    MetricKind.MEAN_SQUARED_ERROR,
    MetricKind.XAUC,
    MetricKind.GROUPED_XAUC,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What a tower may refer to."""

    labels: Sequence[str]  # data_config.label_fields
    weights: Sequence[str]  # data_config.sample_weight_fields
    features: Mapping[str, EmbeddedFeature]
    broken: Set[str]  # features that could not be lowered

    def check_id_feature(self, name: str, at: Place) -> None:
        """Note a name that is not the name of an id feature."""
        if name in self.features and not isinstance(self.features[name].spec, IdFeature):
            at.error("is a raw feature; name an id feature, whose equal values make a group")
        elif name not in self.features and name not in self.broken:
            at.error(f"is not the name of a feature{meant(name, self.features)}; name an id feature")


def tasks(towers: Sequence[pb.TaskTower], at: Place, names: Names) -> tuple[TaskSpec, ...]:
    """All tasks in file order."""
    if not towers:
        at.error("is missing; write at least one task_towers { tower_name: ... label_name: ... }")
    lowered: dict[str, TaskSpec] = {}
    for index, tower in enumerate(towers):
        if tower.tower_name in lowered:
            at[index]["tower_name"].error("is the name of an earlier tower; give each tower a name of its own")
            continue
        spec = _task(tower, at[index], names)
        if spec is not None:
            lowered[tower.tower_name] = spec
    return tuple(lowered.values())


def _task(msg: pb.TaskTower, at: Place, names: Names) -> TaskSpec | None:
    _check_column(msg.label_name, at["label_name"], names.labels, "label_fields")
    if msg.sample_weight_name:
        _check_column(msg.sample_weight_name, at["sample_weight_name"], names.weights, "sample_weight_fields")
    if not msg.weight >= 0:
        at["weight"].error("must be >= 0")
    losses = _losses(msg, at, names)
    return at.build(
        TaskSpec,
        name=msg.tower_name,
        label=msg.label_name,
        num_class=msg.num_class,
        losses=losses,
        metrics=_metrics(msg, at, names, losses),
        train_metrics=_train_metrics(msg, at, losses),
        tower=mlp(msg.mlp, at["mlp"]) or MLPSpec(),
        weight=msg.weight,
        sample_weight=msg.sample_weight_name or None,
        space=_space(msg, at, names),
    )


def _check_column(name: str, at: Place, known: Sequence[str], field: str) -> None:
    if at.is_set and name not in known:
        at.error(f"is not in data_config.{field}{meant(name, known)}; add it there (listed: {listing(known)})")


def _space(msg: pb.TaskTower, at: Place, names: Names) -> TaskSpace | None:
    weights = ("in_task_space_weight", "out_task_space_weight")
    for name in weights:
        if at[name].is_set and not msg.HasField("task_space_indicator_label"):
            at[name].warn("has no effect without task_space_indicator_label; name the label that marks the task's rows")
        if not getattr(msg, name) >= 0:
            at[name].error("must be >= 0")
    if not msg.HasField("task_space_indicator_label"):
        return None
    indicator = at["task_space_indicator_label"]
    _check_column(msg.task_space_indicator_label, indicator, names.labels, "label_fields")
    if msg.in_task_space_weight == msg.out_task_space_weight == 0:
        at["in_task_space_weight"].error("no row has a weight; write in_task_space_weight: 1")
    return TaskSpace(
        label=msg.task_space_indicator_label,
        in_weight=msg.in_task_space_weight,
        out_weight=msg.out_task_space_weight,
    )


def mlp(msg: pb.MLP, at: Place) -> MLPSpec | None:
    """Layers of a tower or another part; one dropout ratio counts for all of them."""
    if msg.use_bn and msg.use_ln:
        at["use_ln"].error("does not go with use_bn; keep one of the two")
    normalization = Normalization.BATCH if msg.use_bn else Normalization.LAYER if msg.use_ln else Normalization.NONE
    return at.build(
        MLPSpec,
        hidden_dims=tuple(msg.hidden_units),
        dropouts=one_or_all(msg.dropout_ratio, len(msg.hidden_units)),
        activation=activation(msg.activation, at["activation"]) or Activation.RELU,
        normalization=normalization,
        bias=msg.bias and not msg.use_bn,
    )


def one_or_all(values: Sequence[float], count: int) -> tuple[float, ...]:
    """One value stands for all layers."""
    return tuple(values) * (count if len(values) == 1 else 1)


def _losses(msg: pb.TaskTower, at: Place, names: Names) -> tuple[LossSpec, ...]:
    if not msg.losses:
        at["losses"].error("is missing; write losses { binary_cross_entropy {} }")
    lowered: list[LossSpec] = []
    for index, config in enumerate(msg.losses):
        kind = config.WhichOneof("loss")
        if kind is None:
            if config.WhichOneof("sid_loss") is None:  # that one is refused elsewhere
                at["losses"][index].error("names no loss; write binary_cross_entropy {}")
            continue
        place = at["losses"][index][kind]
        _check_classes(kind, msg.num_class, place, at["num_class"])
        loss = _loss(config, kind, place, names)
        if loss in lowered:
            place.error("is asked for twice; a tower adds up its losses, so write a weight instead")
        lowered.append(loss)
    if len({isinstance(loss, L2) for loss in lowered}) > 1:
        at["losses"].error("mixes l2_loss, which predicts a number, with losses of a probability; keep one kind")
    return tuple(lowered)


def _check_classes(kind: str, num_class: int, loss: Place, at: Place) -> None:
    least, most = {"softmax_cross_entropy": (2, None), "jrc_loss": (2, 2)}.get(kind, (1, 1))
    if num_class < least or (most is not None and num_class > most):
        wanted = f"num_class: {least}" if most else f"num_class: {least} or more"
        (at if at.is_set else loss).error(f"{kind} does not go with num_class = {num_class}; write {wanted}")


def _loss(config: pb.LossConfig, kind: str, at: Place, names: Names) -> LossSpec:
    if kind == "binary_cross_entropy":
        return BinaryCrossEntropy(label_smoothing=_smoothing(config.binary_cross_entropy.label_smoothing, at))
    if kind == "softmax_cross_entropy":
        return SoftmaxCrossEntropy(label_smoothing=_smoothing(config.softmax_cross_entropy.label_smoothing, at))
    if kind == "binary_focal_loss":
        focal = config.binary_focal_loss
        if not focal.gamma >= 0:
            at["gamma"].error("must be >= 0; 2.0 is usual")
        _check_fraction(focal.alpha, at["alpha"])
        return BinaryFocal(gamma=focal.gamma, alpha=focal.alpha)
    if kind == "jrc_loss":
        jrc = config.jrc_loss
        if jrc.HasField("session_name"):
            names.check_id_feature(jrc.session_name, at["session_name"])
        _check_fraction(jrc.alpha, at["alpha"])
        return JRC(session=jrc.session_name, alpha=jrc.alpha)
    return L2()


def _smoothing(value: float, at: Place) -> float:
    if not 0 <= value < 1:
        at["label_smoothing"].error("must lie in [0, 1)")
    return value


def _check_fraction(value: float, at: Place) -> None:
    if not 0 <= value <= 1:
        at.error("must lie in [0, 1]")


def _metrics(msg: pb.TaskTower, at: Place, names: Names, losses: Sequence[LossSpec]) -> tuple[MetricSpec, ...]:
    lowered: dict[MetricKind, MetricSpec] = {}
    for index, config in enumerate(msg.metrics):
        kind = config.WhichOneof("metric")
        place = at["metrics"][index]
        if kind is None:
            place.error("names no metric; write auc {}")
        elif kind != "recall_at_k":  # refused elsewhere
            metric = _metric(config, MetricKind(kind), place[kind], names)
            _add(lowered, metric, place[kind], msg.num_class, losses)
    return tuple(lowered.values())


def _train_metrics(msg: pb.TaskTower, at: Place, losses: Sequence[LossSpec]) -> tuple[MetricSpec, ...]:
    lowered: dict[MetricKind, MetricSpec] = {}
    for index, config in enumerate(msg.train_metrics):
        kind = config.WhichOneof("metric")
        place = at["train_metrics"][index]
        if kind is None:
            place.error("names no metric; write auc {}")
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
        at.error("is asked for twice in this tower, and only one value can carry the name; keep one")
    obstacle = _obstacle(metric.kind, num_class, losses)
    if obstacle and losses:
        at.error(obstacle)
    lowered[metric.kind] = metric


def _obstacle(kind: MetricKind, num_class: int, losses: Sequence[LossSpec]) -> str:
    """Why a tower with these losses cannot have the metric; empty when it can."""
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
        _check_fraction(threshold, at["threshold"])
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

"""Task towers -> TaskSpec, and the layers that a message `MLP` means."""

from __future__ import annotations

from collections.abc import Sequence

from peprank.config.lower_losses import losses
from peprank.config.lower_metrics import metrics, train_metrics
from peprank.config.names import Names
from peprank.config.place import Place, listing, meant
from peprank.config.protos import pipeline_pb2 as pb
from peprank.config.strings import activation
from peprank.spec.mlp import Activation, MLPSpec, Normalization
from peprank.spec.model import TaskSpace, TaskSpec


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
    minimised = losses(msg, at, names)
    return at.build(
        TaskSpec,
        name=msg.tower_name,
        label=msg.label_name,
        num_class=msg.num_class,
        losses=minimised,
        metrics=metrics(msg, at, names, minimised),
        train_metrics=train_metrics(msg, at, minimised),
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


def layers(msg: pb.MLP, at: Place) -> MLPSpec | None:
    """`mlp`, or None when the file has no such part; that a required one is missing is noted elsewhere."""
    return mlp(msg, at) if at.is_set else None


def one_or_all(values: Sequence[float], count: int) -> tuple[float, ...]:
    """One value stands for all layers."""
    return tuple(values) * (count if len(values) == 1 else 1)

"""What a task minimises -> LossSpec."""

from __future__ import annotations

from typing import TypeAlias

from peprank.config.names import Names
from peprank.config.place import Place
from peprank.config.protos import pipeline_pb2 as pb
from peprank.spec.model import JRC, L2, BinaryCrossEntropy, BinaryFocal, LossSpec, SoftmaxCrossEntropy

Aim: TypeAlias = pb.TaskTower | pb.ModelConfig  # where a task's num_class, losses and metrics stand


def losses(msg: Aim, at: Place, names: Names) -> tuple[LossSpec, ...]:
    """What the task adds up, in file order."""
    if not msg.losses:
        at["losses"].error("is missing; write losses { binary_cross_entropy {} }")
    lowered: list[LossSpec] = []
    for index, config in enumerate(msg.losses):
        kind = config.WhichOneof("loss")
        if kind is None:
            if config.WhichOneof("sid_loss") is None:  # that one is refused elsewhere
                at["losses"][index].error_without("loss", "names no loss; write binary_cross_entropy {}")
            continue
        place = at["losses"][index][kind]
        _check_classes(kind, msg.num_class, place, at["num_class"])
        loss = _loss(config, kind, place, names)
        if loss in lowered:
            place.error("is asked for twice; a task adds up its losses, so keep one")
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
        check_fraction(focal.alpha, at["alpha"])
        return BinaryFocal(gamma=focal.gamma, alpha=focal.alpha)
    if kind == "jrc_loss":
        jrc = config.jrc_loss
        if jrc.HasField("session_name"):
            names.check_id_feature(jrc.session_name, at["session_name"])
        check_fraction(jrc.alpha, at["alpha"])
        return JRC(session=jrc.session_name, alpha=jrc.alpha)
    return L2()


def _smoothing(value: float, at: Place) -> float:
    if not 0 <= value < 1:
        at["label_smoothing"].error("must lie in [0, 1)")
    return value


def check_fraction(value: float, at: Place) -> None:
    """Note a share that is not in [0, 1]."""
    if not 0 <= value <= 1:
        at.error("must lie in [0, 1]")

"""Models that the peer has for one task -> their specs, and that one task."""

from __future__ import annotations

from typing import Final

from peprank.config.lower_groups import Groups
from peprank.config.lower_inputs import Inputs, all_of, group_called, one_input
from peprank.config.lower_losses import losses
from peprank.config.lower_metrics import metrics, train_metrics
from peprank.config.lower_towers import layers
from peprank.config.names import Names
from peprank.config.place import Place
from peprank.config.protos import pipeline_pb2 as pb
from peprank.errors import SpecError
from peprank.spec.model import TaskSpec
from peprank.spec.single_task import CINSpec, CrossSpec, DCNv1Spec, DCNv2Spec, DeepFMSpec, XDeepFMSpec

OF_THE_TASK: Final = ("num_class", "losses", "metrics", "train_metrics")  # fields of model_config
WITHOUT_LOGIT_BIAS: Final = ("dcn_v1", "dcn_v2")  # as in their papers and in the peer
WIDE, FM, DEEP = "wide", "fm", "deep"  # the peer's names of feature groups


def the_task(msg: pb.ModelConfig, at: Place, names: Names) -> TaskSpec | None:
    """The one task of a model without task_towers: it is called as its label, which is the first of label_fields.

    `at` is the place of model_config.
    """
    kind = msg.WhichOneof("model")
    assert kind is not None
    if not names.labels:
        at[kind].error('predicts the first of data_config.label_fields, which lists none; add label_fields: "click"')
        return None
    minimised = losses(msg, at, names)
    return at.build(
        TaskSpec,
        name=names.labels[0],
        label=names.labels[0],
        num_class=msg.num_class,
        losses=minimised,
        metrics=metrics(msg, at, names, minimised),
        train_metrics=train_metrics(msg, at, minimised),
        sample_weight=names.weights[0] if names.weights else None,
        logit_bias=kind not in WITHOUT_LOGIT_BIAS,
    )


def warn_of_idle_fields(at: Place) -> None:
    """Note what belongs to the one task of a model_config whose model has task_towers."""
    for field in OF_THE_TASK:
        if at[field].is_set and at[field].node != at[field].default:
            at[field].warn("has no effect beside task_towers: each of them has this field itself")


def dcn_v1(msg: pb.DCNV1, at: Place, known: Groups) -> tuple[DCNv1Spec | None, Inputs]:
    """A cross network of vectors beside an MLP."""
    inputs = one_input(msg.input_group_names, at, known)
    cross = at["cross"].build(CrossSpec, num_layers=msg.cross.cross_num)
    deep, final = layers(msg.deep, at["deep"]), layers(msg.final, at["final"])
    if cross is None or deep is None or final is None:
        return None, inputs
    return at.build(DCNv1Spec, group=inputs.name, cross=cross, deep=deep, final=final), inputs


def dcn_v2(msg: pb.DCNV2, at: Place, known: Groups) -> tuple[DCNv2Spec | None, Inputs]:
    """A cross network of matrices, stacked on an MLP or beside one."""
    inputs = one_input(msg.input_group_names, at, known)
    cross = matrix_cross(msg.cross, at["cross"])
    final = layers(msg.final, at["final"])
    backbone, deep = layers(msg.backbone, at["backbone"]), layers(msg.deep, at["deep"])
    if cross is None or final is None:
        return None, inputs
    trunk = at.build(DCNv2Spec, group=inputs.name, cross=cross, final=final, backbone=backbone, deep=deep)
    return trunk, inputs


def matrix_cross(msg: pb.CrossV2, at: Place) -> CrossSpec | None:
    """Layers of a cross network of matrices."""
    return at.build(CrossSpec, num_layers=msg.cross_num, rank=msg.low_rank or None)


def deepfm(msg: pb.DeepFM, at: Place, known: Groups) -> tuple[DeepFMSpec | None, Inputs]:
    """A sum over wide columns, products of pairs of vectors, and an MLP."""
    summed, read = group_called(WIDE, at, known), _deep_input(msg, at, known)
    crossed = group_called(FM, at, known) if FM in known.names else read
    _check_width(crossed, at, known, f"or name those to multiply in a group '{FM}'")
    deep, final = layers(msg.deep, at["deep"]), layers(msg.final, at["final"])
    inputs = all_of(summed, crossed, read)
    if deep is None:
        return None, inputs
    groups = {"wide_group": summed.name, "fm_group": crossed.name, "deep_group": read.name}
    return at.build(DeepFMSpec, **groups, deep=deep, final=final), inputs


def xdeepfm(msg: pb.xDeepFM, at: Place, known: Groups) -> tuple[XDeepFMSpec | None, Inputs]:
    """A compressed interaction network beside an MLP."""
    crossed, read = group_called(WIDE, at, known), _deep_input(msg, at, known)
    _check_width(crossed, at, known, "or leave plain numbers out and write group_type: WIDE")
    inputs = all_of(crossed, read)
    cin = at["cin"].build(CINSpec, hidden_dims=tuple(msg.cin.cin_layer_size)) if at["cin"].is_set else None
    deep, final = layers(msg.deep, at["deep"]), layers(msg.final, at["final"])
    if cin is None or deep is None or final is None:
        return None, inputs
    groups = {"fields_group": crossed.name, "deep_group": read.name}
    return at.build(XDeepFMSpec, **groups, cin=cin, deep=deep, final=final), inputs


def _deep_input(msg: pb.DeepFM | pb.xDeepFM, at: Place, known: Groups) -> Inputs:
    names = msg.input_group_names
    return one_input(names, at, known) if names else group_called(DEEP, at, known)


def _check_width(crossed: Inputs, at: Place, known: Groups, remedy: str) -> None:
    """Note vectors that cannot be multiplied: at their group or, where that joins several, at the model."""
    for group in crossed.groups:
        try:
            group.field_dim()
        except SpecError as uneven:
            place = known.places[group.name]["feature_names"] if group.name in known.places else at
            place.error(f"{uneven.rule}; give all of them one embedding_dim, {remedy}")

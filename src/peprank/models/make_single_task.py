"""From the plan of a model of crossed features to its trunk."""

from __future__ import annotations

from peprank.models.dcn_v1 import DCNv1
from peprank.models.dcn_v2 import DCNv2
from peprank.models.deepfm import DeepFM
from peprank.models.layers import make_mlp
from peprank.models.xdeepfm import XDeepFM
from peprank.nn import CIN, Cross, MatrixCross
from peprank.spec.mlp import MLPSpec
from peprank.spec.model import ModelSpec
from peprank.spec.single_task import DCNv1Spec, DCNv2Spec, DeepFMSpec, XDeepFMSpec


def make_dcn_v1(spec: DCNv1Spec, model: ModelSpec) -> DCNv1:
    """Both parts read the same input."""
    in_dim = model.group(spec.group).dim
    cross, deep = Cross(in_dim, spec.cross.num_layers), make_mlp(in_dim, spec.deep)
    return DCNv1(spec.group, cross, deep, make_mlp(cross.out_dim + deep.out_dim, spec.final), model.num_tasks)


def make_dcn_v2(spec: DCNv2Spec, model: ModelSpec) -> DCNv2:
    """The cross network reads the backbone's output, the MLP beside it the input."""
    in_dim = model.group(spec.group).dim
    backbone = make_mlp(in_dim, spec.backbone or MLPSpec())
    cross = MatrixCross(backbone.out_dim, spec.cross.num_layers, rank=spec.cross.rank)
    deep = None if spec.deep is None else make_mlp(in_dim, spec.deep)
    joined_dim = cross.out_dim + (0 if deep is None else deep.out_dim)
    return DCNv2(spec.group, backbone, cross, deep, make_mlp(joined_dim, spec.final), model.num_tasks)


def make_deepfm(spec: DeepFMSpec, model: ModelSpec) -> DeepFM:
    """Each of its three parts has an input of its own."""
    fields = model.group(spec.fm_group)
    deep = make_mlp(model.group(spec.deep_group).dim, spec.deep)
    joined_dim = 1 + fields.field_dim() + deep.out_dim
    return DeepFM(
        wide_group=spec.wide_group,
        fm_group=spec.fm_group,
        num_fields=len(fields.inputs),
        field_dim=fields.field_dim(),
        deep_group=spec.deep_group,
        deep=deep,
        final=None if spec.final is None else make_mlp(joined_dim, spec.final),
        num_tasks=model.num_tasks,
    )


def make_xdeepfm(spec: XDeepFMSpec, model: ModelSpec) -> XDeepFM:
    """Both parts have an input of their own."""
    fields = model.group(spec.fields_group)
    cin = CIN(len(fields.inputs), fields.field_dim(), spec.cin.hidden_dims)
    deep = make_mlp(model.group(spec.deep_group).dim, spec.deep)
    final = make_mlp(cin.out_dim + deep.out_dim, spec.final)
    return XDeepFM(spec.fields_group, cin, spec.deep_group, deep, final, model.num_tasks)

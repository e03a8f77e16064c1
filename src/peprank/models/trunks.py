"""From a trunk's plan to the trunk."""

from __future__ import annotations

from typing_extensions import assert_never

from peprank.models.layers import ACTIVATIONS, make_mlp
from peprank.models.make_domain_experts import make_hmoe, make_m3oe, make_ple_md
from peprank.models.make_multi_domain import make_star
from peprank.models.make_single_task import make_dcn_v1, make_dcn_v2, make_deepfm, make_xdeepfm
from peprank.models.mmoe import MMoE
from peprank.models.pepnet import PEPNet
from peprank.models.ple import PLE
from peprank.models.ranker import Trunk
from peprank.models.shared_bottom import SharedBottom
from peprank.models.simple_multi_task import SimpleMultiTask
from peprank.nn import MLP, EPNet, Experts, Extraction, MatrixCross, PPNet, SoftmaxGate
from peprank.spec.domain_experts import HMoESpec, M3oESpec, PLEMDSpec
from peprank.spec.mlp import MLPSpec
from peprank.spec.model import ModelSpec
from peprank.spec.multi_domain import StarSpec
from peprank.spec.single_task import DCNv1Spec, DCNv2Spec, DeepFMSpec, XDeepFMSpec
from peprank.spec.trunk import (
    EPNetGate,
    ExtractionSpec,
    MMoESpec,
    PEPNetSpec,
    PLESpec,
    SharedBottomSpec,
    SimpleMultiTaskSpec,
    TrunkSpec,
)


def make_trunk(spec: TrunkSpec, model: ModelSpec) -> Trunk:
    """The trunk that `spec` means inside `model`, whose groups and tasks fix its widths."""
    match spec:
        case PEPNetSpec():
            return _pepnet(spec, model)
        case SimpleMultiTaskSpec():
            return SimpleMultiTask(spec.group, model.group(spec.group).dim, model.num_tasks)
        case SharedBottomSpec():
            return _shared_bottom(spec, model)
        case MMoESpec():
            return _mmoe(spec, model)
        case PLESpec():
            return _ple(spec, model)
        case DCNv1Spec():
            return make_dcn_v1(spec, model)
        case DCNv2Spec():
            return make_dcn_v2(spec, model)
        case StarSpec():
            return make_star(spec, model)
        case DeepFMSpec():
            return make_deepfm(spec, model)
        case XDeepFMSpec():
            return make_xdeepfm(spec, model)
        case PLEMDSpec():
            return make_ple_md(spec, model)
        case HMoESpec():
            return make_hmoe(spec, model)
        case M3oESpec():
            return make_m3oe(spec, model)
        case _:
            assert_never(spec)


def _pepnet(spec: PEPNetSpec, model: ModelSpec) -> PEPNet:
    return PEPNet(
        spec.main_group,
        model.group(spec.main_group).dim,
        model.num_tasks,
        domain_group=spec.epnet.group if spec.epnet else "",
        epnet=_epnet(spec, model),
        prior_group=spec.ppnet.group if spec.ppnet else "",
        ppnet=_ppnet(spec, model),
        cross=_cross(spec, model),
    )


def _cross(spec: PEPNetSpec, model: ModelSpec) -> MatrixCross | None:
    if spec.cross is None:
        return None
    return MatrixCross(model.group(spec.main_group).dim, spec.cross.num_layers, rank=spec.cross.rank)


def _epnet(spec: PEPNetSpec, model: ModelSpec) -> EPNet | None:
    if spec.epnet is None:
        return None
    main = model.group(spec.main_group)
    return EPNet(
        model.group(spec.epnet.group).dim,
        main.dim,
        hidden_dim=spec.epnet.hidden_dim,
        gamma=spec.epnet.gamma,
        field_dims=[item.dim for item in main.inputs] if spec.epnet.gate is EPNetGate.FIELD else None,
        general=spec.general_input.value,
    )


def _ppnet(spec: PEPNetSpec, model: ModelSpec) -> PPNet | None:
    if spec.ppnet is None:
        return None
    return PPNet(
        model.group(spec.main_group).dim,
        model.group(spec.ppnet.group).dim,
        model.num_tasks,
        spec.ppnet.hidden_dims,
        wiring=spec.ppnet.wiring.value,
        gate_hidden_dim=spec.ppnet.gate_hidden_dim,
        gamma=spec.ppnet.gamma,
        activation=ACTIVATIONS[spec.ppnet.activation],
        dropouts=spec.ppnet.dropouts,
        general=spec.general_input.value,
        detached_priors=spec.ppnet.detached_priors,
    )


def _shared_bottom(spec: SharedBottomSpec, model: ModelSpec) -> SharedBottom:
    return SharedBottom(spec.group, make_mlp(model.group(spec.group).dim, spec.bottom), model.num_tasks)


def _mmoe(spec: MMoESpec, model: ModelSpec) -> MMoE:
    in_dim = model.group(spec.group).dim
    experts = Experts(make_mlp(in_dim, spec.expert) for _ in range(spec.num_experts))
    gates = (SoftmaxGate(make_mlp(in_dim, spec.gate or MLPSpec()), spec.num_experts) for _ in model.tasks)
    return MMoE(spec.group, experts, gates)


def _ple(spec: PLESpec, model: ModelSpec) -> PLE:
    in_dim, levels = model.group(spec.group).dim, []
    for index, level in enumerate(spec.levels):
        is_shared_later = any(later.num_shared_experts for later in spec.levels[index + 1 :])
        levels.append(_extraction(level, in_dim, model.num_tasks, has_shared_gate=is_shared_later))
        in_dim = level.out_dim
    return PLE(spec.group, levels, [level.name for level in spec.levels])


def _extraction(spec: ExtractionSpec, in_dim: int, num_tasks: int, *, has_shared_gate: bool) -> Extraction:
    own, common = spec.num_task_experts, spec.num_shared_experts

    def experts(num: int, mlp: MLPSpec) -> Experts:
        return Experts(make_mlp(in_dim, mlp) for _ in range(num))

    def gate(num: int) -> SoftmaxGate:
        return SoftmaxGate(MLP(in_dim, ()), num)

    return Extraction(
        [experts(own, spec.task_expert) for _ in range(num_tasks)],
        [gate(own + common) for _ in range(num_tasks)],
        shared_experts=experts(common, spec.shared_expert) if spec.shared_expert is not None else None,
        shared_gate=gate(num_tasks * own + common) if has_shared_gate else None,
    )

"""Each rival as `build` makes it and as loops in NumPy, on the same weights: arrays and tensors share memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from peprank.models import MultiTaskRanker, build
from peprank.models.dcn_v1 import DCNv1
from peprank.models.dcn_v2 import DCNv2
from peprank.models.deepfm import DeepFM
from peprank.models.hmoe import DomainView, HMoE
from peprank.models.m3oe import M3oE
from peprank.models.mmoe import MMoE
from peprank.models.ple import PLE
from peprank.models.ple_md import PLEMD
from peprank.models.shared_bottom import SharedBottom
from peprank.models.star import Star
from peprank.models.xdeepfm import XDeepFM
from peprank.nn import DomainExtraction, Experts, Extraction, PartitionedNorm, PerDomain
from peprank.spec.domain_experts import DomainExtractionSpec, HMoESpec, M3oESpec, PLEMDSpec
from peprank.spec.embedding import GroupInput, GroupSpec
from peprank.spec.mlp import MLPSpec
from peprank.spec.model import DomainSpec, ModelSpec, TaskSpec
from peprank.spec.multi_domain import StarSpec
from peprank.spec.single_task import CINSpec, CrossSpec, DCNv1Spec, DCNv2Spec, DeepFMSpec, XDeepFMSpec
from peprank.spec.trunk import ExtractionSpec, MMoESpec, PLESpec, SharedBottomSpec, SimpleMultiTaskSpec, TrunkSpec
from tests.reference import dcn, deepfm, hmoe, m3oe, mmoe, ple, ple_md, shared_bottom, simple_multi_task, star, xdeepfm
from tests.reference.differences import largest_gap
from tests.reference.layers import Array, Layers, Linear, total_loss

ONE_INPUT = {"x": (5,)}
DOMAIN = (1, 0, 2, 1, 1)  # of each row


class Loops(Protocol):
    """A network written as loops."""

    def logits(self, x: Array) -> Array:
        """Logits [B, T] of rows [B, D]."""
        ...


@dataclass
class Twins:
    """One network twice, and rows to run it on."""

    ranker: MultiTaskRanker
    groups: tuple[GroupSpec, ...]
    loops: Loops
    x: Tensor  # float64 leaf [B, D], the feature groups side by side
    labels: Array  # [B, T]

    def logits(self) -> Tensor:
        """Of the package."""
        domain = torch.tensor(DOMAIN)
        *starts, _ = accumulate(group.dim for group in self.groups)
        parts = self.x.tensor_split(starts, dim=1)
        named = {group.name: part for group, part in zip(self.groups, parts, strict=True)}
        logits: Tensor = self.ranker.towers(self.ranker.trunk(named, domain), domain)
        return logits

    def reference_logits(self) -> Array:
        """Of the loops."""
        return self.loops.logits(self.x.detach().numpy())

    def forward_deviation(self) -> float:
        """Largest difference of a logit."""
        return float(np.abs(self.logits().detach().numpy() - self.reference_logits()).max())

    def gradient_deviation(self, eps: float = 1e-5) -> float:
        """Largest difference between autograd and central differences of the loops' loss."""
        loss = F.binary_cross_entropy_with_logits(self.logits(), torch.from_numpy(self.labels), reduction="none")
        torch.autograd.backward(loss.mean(0).sum())
        values = [self.x, *self.ranker.parameters()]
        return largest_gap(values, lambda: total_loss(self.reference_logits(), self.labels), eps)


def twins(
    trunk: TrunkSpec,
    loops: Callable[[MultiTaskRanker], Loops],
    *,
    fields: Mapping[str, tuple[int, ...]] = ONE_INPUT,
    num_tasks: int = 3,
    logit_bias: bool = True,
) -> Twins:
    """A small network with random weights, and five rows; `fields` are the widths of each group's features."""
    task = TaskSpec(name="t", label="t", tower=MLPSpec(hidden_dims=(4,)), logit_bias=logit_bias)
    tasks = tuple(replace(task, name=f"t{t}", label=f"t{t}") for t in range(num_tasks))
    groups = tuple(
        GroupSpec(name=name, inputs=tuple(GroupInput(feature=f"{name}{k}", dim=dim) for k, dim in enumerate(dims)))
        for name, dims in fields.items()
    )
    domain = DomainSpec(feature="domain", num_domains=3)
    spec = ModelSpec(tables=(), groups=groups, trunk=trunk, tasks=tasks, domain=domain)
    ranker, g = build(spec, seed=0).double(), torch.Generator().manual_seed(0)
    for parameter in ranker.parameters():  # what starts at 0 or 1 would hide a mistake
        parameter.data += 0.3 * torch.randn(parameter.shape, dtype=torch.float64, generator=g)
    in_dim = sum(group.dim for group in groups)
    x = torch.randn(len(DOMAIN), in_dim, dtype=torch.float64, generator=g).requires_grad_()
    labels = torch.randint(2, (len(DOMAIN), num_tasks), generator=g).double().numpy()
    return Twins(ranker, groups, loops(ranker), x, labels)


def _towers(ranker: MultiTaskRanker) -> list[Layers]:
    return [_layers(towers) for towers in ranker.towers.tasks]


def _layers(module: nn.Module) -> Layers:
    """The linear maps of a module, in order."""
    return [_linear(part) for part in module.modules() if isinstance(part, nn.Linear)]


def _linear(linear: nn.Linear) -> Linear:
    weight = linear.weight.detach().numpy()
    return Linear(weight, np.zeros(len(weight)) if linear.bias is None else linear.bias.detach().numpy())


def _experts(module: nn.Module) -> list[Layers]:
    assert isinstance(module, Experts)
    return [_layers(network) for network in module.networks]


def _simple_multi_task(ranker: MultiTaskRanker) -> Loops:
    return simple_multi_task.Net(_towers(ranker))


def _shared_bottom(ranker: MultiTaskRanker) -> Loops:
    assert isinstance(ranker.trunk, SharedBottom)
    return shared_bottom.Net(_layers(ranker.trunk.bottom), _towers(ranker))


def _mmoe(ranker: MultiTaskRanker) -> Loops:
    trunk = ranker.trunk
    assert isinstance(trunk, MMoE)
    return mmoe.Net(_experts(trunk.experts), [_layers(gate) for gate in trunk.gates], _towers(ranker))


def _ple(ranker: MultiTaskRanker) -> Loops:
    trunk = ranker.trunk
    assert isinstance(trunk, PLE)
    return ple.Net([_level(level) for level in trunk.levels if isinstance(level, Extraction)], _towers(ranker))


def _level(level: Extraction) -> ple.Level:
    return ple.Level(
        own=[_experts(experts) for experts in level.task_experts],
        gates=[_layers(gate)[0] for gate in level.task_gates],
        shared=[] if level.shared_experts is None else _experts(level.shared_experts),
        shared_gate=None if level.shared_gate is None else _layers(level.shared_gate)[0],
    )


def _dcn_v1(ranker: MultiTaskRanker) -> Loops:
    trunk = ranker.trunk
    assert isinstance(trunk, DCNv1)
    pairs = zip(_layers(trunk.cross.weights), trunk.cross.biases, strict=True)
    crossings: list[dcn.Crossing] = [dcn.VectorCross(w.weight[0], bias.detach().numpy()) for w, bias in pairs]
    return dcn.Net([], crossings, _layers(trunk.deep), _layers(trunk.final), _towers(ranker))


def _dcn_v2(ranker: MultiTaskRanker) -> Loops:
    trunk = ranker.trunk
    assert isinstance(trunk, DCNv2)
    crossings: list[dcn.Crossing] = [dcn.MatrixCross([*_layers(layer)]) for layer in trunk.cross.layers]
    deep = [] if trunk.deep is None else _layers(trunk.deep)
    return dcn.Net(_layers(trunk.backbone), crossings, deep, _layers(trunk.final), _towers(ranker))


def _star(ranker: MultiTaskRanker) -> Loops:
    trunk = ranker.trunk
    assert isinstance(trunk, Star)
    return star.Net(
        DOMAIN,
        _layers(trunk.layers.shared),
        [_own(layers) for layers in trunk.layers.domains],
        _towers(ranker),
        norm=None if trunk.norm is None else _norm(trunk.norm),
        auxiliary=None if trunk.auxiliary is None else _layers(trunk.auxiliary),
    )


def _scored_star(ranker: MultiTaskRanker) -> Loops:
    """Outside training, with moving statistics that some batches have left."""
    g = torch.Generator().manual_seed(1)
    for buffer in ranker.eval().buffers():
        if buffer.is_floating_point():
            buffer += torch.rand(buffer.shape, dtype=torch.float64, generator=g)
    return _star(ranker)


def _ple_md(ranker: MultiTaskRanker) -> Loops:
    trunk = ranker.trunk
    assert isinstance(trunk, PLEMD)
    levels = [_domain_level(level) for level in trunk.levels if isinstance(level, DomainExtraction)]
    return ple_md.Net(DOMAIN, levels, _towers(ranker))


def _domain_level(level: DomainExtraction) -> ple_md.Level:
    return ple_md.Level(
        of_tasks=[_experts(experts) for experts in level.task_experts],
        of_domains=[_experts(experts) for experts in level.domain_experts.parts],
        shared=_experts(level.shared_experts),
        pair_gates=[[gate[0] for gate in _of_domains(gates)] for gates in level.pair_gates],
        domain_gates=[] if level.domain_gates is None else [gate[0] for gate in _of_domains(level.domain_gates)],
        shared_gate=None if level.shared_gate is None else _layers(level.shared_gate)[0],
    )


def _hmoe(ranker: MultiTaskRanker) -> Loops:
    trunk = ranker.trunk
    assert isinstance(trunk, HMoE)
    views = [view for view in trunk.views if isinstance(view, DomainView)]
    return hmoe.Net(
        DOMAIN,
        _experts(trunk.experts),
        [hmoe.View([_layers(gate) for gate in view.gates], [_layers(mlp) for mlp in view.layers]) for view in views],
        [_of_domains(gates) for gates in trunk.relevance],
        _towers(ranker),
    )


def _stopped(twins: Twins) -> Twins:
    """HMoE's loops see what other domains make of the rows now, whatever is changed later: their stop-gradient."""
    assert isinstance(twins.loops, hmoe.Net)
    return replace(twins, loops=hmoe.Stopped(twins.loops, twins.loops.views_of(twins.x.detach().numpy())))


def _m3oe(ranker: MultiTaskRanker) -> Loops:
    trunk = ranker.trunk
    assert isinstance(trunk, M3oE)
    assert trunk.beta_d is not None
    assert trunk.beta_t is not None
    weights = (trunk.alpha_d, trunk.alpha_t, trunk.beta_d, trunk.beta_t)
    return m3oe.Net(
        DOMAIN,
        _layers(trunk.domain_layer.shared)[0],
        [_own(layers)[0] for layers in trunk.domain_layer.domains],
        _layers(trunk.common_layer)[0],
        _layers(trunk.common),
        _experts(trunk.shared_experts),
        _experts(trunk.domain_experts),
        _experts(trunk.task_experts),
        [[gate[0] for gate in _of_domains(gates)] for gates in trunk.pair_gates],
        m3oe.Fusion(*(weight.logit.detach().numpy() for weight in weights)),
        _towers(ranker),
    )


def _of_domains(parts: nn.Module) -> list[Layers]:
    assert isinstance(parts, PerDomain)
    return [_layers(part) for part in parts.parts]


def _own(layers: nn.Module) -> Layers:
    """The weights of one domain."""
    values = [value.detach().numpy() for value in layers.parameters()]
    return [Linear(weight, bias) for weight, bias in zip(values[::2], values[1::2], strict=True)]


def _norm(norm: PartitionedNorm) -> star.Norm:
    buffers = dict(norm.named_buffers())
    return star.Norm(
        norm.gamma.detach().numpy(),
        norm.beta.detach().numpy(),
        [gamma.detach().numpy() for gamma in norm.gammas],
        [beta.detach().numpy() for beta in norm.betas],
        [value.numpy() for name, value in buffers.items() if name.endswith("running_mean")],
        [value.numpy() for name, value in buffers.items() if name.endswith("running_var")],
        norm.training,
    )


def _deepfm(ranker: MultiTaskRanker) -> Loops:
    trunk = ranker.trunk
    assert isinstance(trunk, DeepFM)
    final = None if trunk.final is None else _layers(trunk.final)
    return deepfm.Net(sum(_DEEPFM_FIELDS["wide"]), trunk.fields, _layers(trunk.deep), final, _towers(ranker))


def _xdeepfm(ranker: MultiTaskRanker) -> Loops:
    trunk = ranker.trunk
    assert isinstance(trunk, XDeepFM)
    cin, fields = list(_layers(trunk.cin)), (trunk.cin.num_fields, trunk.cin.field_dim)
    return xdeepfm.Net(fields, cin, _layers(trunk.deep), _layers(trunk.final), _towers(ranker))


_EXPERT = MLPSpec(hidden_dims=(6, 4))
_STAR = StarSpec(group="x", layers=_EXPERT, auxiliary_dim=3)
_DOMAIN_LEVEL = DomainExtractionSpec(
    name="low", num_task_experts=1, num_domain_experts=2, num_shared_experts=2, expert=_EXPERT
)
_LAST_DOMAIN_LEVEL = replace(_DOMAIN_LEVEL, name="high", num_task_experts=2, num_domain_experts=1)
_HMOE = HMoESpec(group="x", num_experts=3, expert=_EXPERT, domain=MLPSpec(hidden_dims=(5,)))
_OWN = ExtractionSpec(name="own", num_task_experts=2, task_expert=_EXPERT)
_LOW = replace(_OWN, num_shared_experts=2, shared_expert=MLPSpec(hidden_dims=(4,)))
_HIGH = replace(_LOW, num_task_experts=1, num_shared_experts=1)

_CROSS = CrossSpec(num_layers=3)
_DCN_V1 = DCNv1Spec(group="x", cross=_CROSS, deep=_EXPERT, final=MLPSpec(hidden_dims=(7,)))
_STACKED = DCNv2Spec(group="x", cross=_CROSS, final=_EXPERT)
_PARALLEL = replace(_STACKED, cross=replace(_CROSS, rank=2), deep=_EXPERT, final=MLPSpec())
_DEEPFM = DeepFMSpec(wide_group="wide", fm_group="fm", deep_group="deep", deep=_EXPERT)
_DEEPFM_FIELDS = {"wide": (1, 3), "fm": (2, 2, 2), "deep": (3,)}
_XDEEPFM = XDeepFMSpec(
    fields_group="wide", deep_group="deep", cin=CINSpec(hidden_dims=(4, 2)), deep=_EXPERT, final=_EXPERT
)

EVERY_RIVAL: dict[str, Callable[[], Twins]] = {
    "simple_multi_task": lambda: twins(SimpleMultiTaskSpec(group="x"), _simple_multi_task),
    "shared_bottom": lambda: twins(SharedBottomSpec(group="x", bottom=_EXPERT), _shared_bottom),
    "mmoe": lambda: twins(MMoESpec(group="x", num_experts=3, expert=_EXPERT), _mmoe),
    "mmoe_gate_mlp": lambda: twins(MMoESpec(group="x", num_experts=2, expert=_EXPERT, gate=_EXPERT), _mmoe),
    "ple": lambda: twins(PLESpec(group="x", levels=(_LOW, _HIGH)), _ple),
    "ple_three_levels": lambda: twins(PLESpec(group="x", levels=(_OWN, _LOW, _HIGH)), _ple),
    "dcn_v1": lambda: twins(_DCN_V1, _dcn_v1),
    "dcn_v1_without_logit_bias": lambda: twins(_DCN_V1, _dcn_v1, num_tasks=1, logit_bias=False),
    "dcn_v2_stacked": lambda: twins(_STACKED, _dcn_v2),
    "dcn_v2_parallel_low_rank": lambda: twins(_PARALLEL, _dcn_v2),
    "dcn_v2_backbone": lambda: twins(replace(_PARALLEL, backbone=_EXPERT), _dcn_v2),
    "deepfm": lambda: twins(replace(_DEEPFM, final=_EXPERT), _deepfm, fields=_DEEPFM_FIELDS),
    "deepfm_added_up": lambda: twins(_DEEPFM, _deepfm, fields=_DEEPFM_FIELDS),
    "deepfm_one_task": lambda: twins(_DEEPFM, _deepfm, fields=_DEEPFM_FIELDS, num_tasks=1),
    "xdeepfm": lambda: twins(_XDEEPFM, _xdeepfm, fields={"wide": (2, 2, 2), "deep": (3,)}),
    "ple_without_shared_experts": lambda: twins(PLESpec(group="x", levels=(_OWN, _OWN)), _ple),
    "ple_md": lambda: twins(PLEMDSpec(group="x", levels=(_DOMAIN_LEVEL, _LAST_DOMAIN_LEVEL)), _ple_md),
    "ple_md_three_levels": lambda: twins(
        PLEMDSpec(group="x", levels=(_DOMAIN_LEVEL, _DOMAIN_LEVEL, _LAST_DOMAIN_LEVEL)), _ple_md
    ),
    "hmoe": lambda: _stopped(twins(_HMOE, _hmoe)),
    "hmoe_gate_mlp": lambda: _stopped(twins(replace(_HMOE, gate=MLPSpec(hidden_dims=(4,))), _hmoe)),
    "m3oe": lambda: twins(M3oESpec(group="x", domain_dim=3, common=_EXPERT, num_experts=2, expert=_EXPERT), _m3oe),
    "star": lambda: twins(_STAR, _star),
    "star_without_auxiliary_network": lambda: twins(replace(_STAR, auxiliary_dim=0), _star),
    "star_normalized": lambda: twins(replace(_STAR, normalizes_domains=True), _star),
    "star_normalized_scoring": lambda: twins(replace(_STAR, normalizes_domains=True), _scored_star),
}

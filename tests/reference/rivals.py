"""Each rival as `build` makes it and as loops in NumPy, on the same weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from peprank.models import MultiTaskRanker, build
from peprank.spec.domain_experts import DomainExtractionSpec, HMoESpec, M3oESpec, PLEMDSpec
from peprank.spec.embedding import GroupInput, GroupSpec
from peprank.spec.mlp import MLPSpec
from peprank.spec.model import DomainSpec, ModelSpec, TaskSpec
from peprank.spec.multi_domain import StarSpec
from peprank.spec.single_task import CINSpec, CrossSpec, DCNv1Spec, DCNv2Spec, DeepFMSpec, XDeepFMSpec
from peprank.spec.trunk import ExtractionSpec, MMoESpec, PLESpec, SharedBottomSpec, SimpleMultiTaskSpec, TrunkSpec
from tests.reference import hmoe
from tests.reference.differences import largest_gap
from tests.reference.layers import Array, total_loss
from tests.reference.loops import (
    DOMAIN,
    Loops,
    of_dcn_v1,
    of_dcn_v2,
    of_deepfm,
    of_hmoe,
    of_m3oe,
    of_mmoe,
    of_ple,
    of_ple_md,
    of_scored_star,
    of_shared_bottom,
    of_simple_multi_task,
    of_star,
    of_xdeepfm,
)

ONE_INPUT = {"x": (5,)}


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


def _stopped(twins: Twins) -> Twins:
    """HMoE's loops see what other domains make of the rows now, whatever is changed later: their stop-gradient."""
    assert isinstance(twins.loops, hmoe.Net)
    return replace(twins, loops=hmoe.Stopped(twins.loops, twins.loops.views_of(twins.x.detach().numpy())))


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
_of_deepfm = partial(of_deepfm, wide_dim=sum(_DEEPFM_FIELDS["wide"]))
_XDEEPFM = XDeepFMSpec(
    fields_group="wide", deep_group="deep", cin=CINSpec(hidden_dims=(4, 2)), deep=_EXPERT, final=_EXPERT
)

EVERY_RIVAL: dict[str, Callable[[], Twins]] = {
    "simple_multi_task": lambda: twins(SimpleMultiTaskSpec(group="x"), of_simple_multi_task),
    "shared_bottom": lambda: twins(SharedBottomSpec(group="x", bottom=_EXPERT), of_shared_bottom),
    "mmoe": lambda: twins(MMoESpec(group="x", num_experts=3, expert=_EXPERT), of_mmoe),
    "mmoe_gate_mlp": lambda: twins(MMoESpec(group="x", num_experts=2, expert=_EXPERT, gate=_EXPERT), of_mmoe),
    "ple": lambda: twins(PLESpec(group="x", levels=(_LOW, _HIGH)), of_ple),
    "ple_three_levels": lambda: twins(PLESpec(group="x", levels=(_OWN, _LOW, _HIGH)), of_ple),
    "dcn_v1": lambda: twins(_DCN_V1, of_dcn_v1),
    "dcn_v1_without_logit_bias": lambda: twins(_DCN_V1, of_dcn_v1, num_tasks=1, logit_bias=False),
    "dcn_v2_stacked": lambda: twins(_STACKED, of_dcn_v2),
    "dcn_v2_parallel_low_rank": lambda: twins(_PARALLEL, of_dcn_v2),
    "dcn_v2_backbone": lambda: twins(replace(_PARALLEL, backbone=_EXPERT), of_dcn_v2),
    "deepfm": lambda: twins(replace(_DEEPFM, final=_EXPERT), _of_deepfm, fields=_DEEPFM_FIELDS),
    "deepfm_added_up": lambda: twins(_DEEPFM, _of_deepfm, fields=_DEEPFM_FIELDS),
    "deepfm_one_task": lambda: twins(_DEEPFM, _of_deepfm, fields=_DEEPFM_FIELDS, num_tasks=1),
    "xdeepfm": lambda: twins(_XDEEPFM, of_xdeepfm, fields={"wide": (2, 2, 2), "deep": (3,)}),
    "ple_without_shared_experts": lambda: twins(PLESpec(group="x", levels=(_OWN, _OWN)), of_ple),
    "ple_md": lambda: twins(PLEMDSpec(group="x", levels=(_DOMAIN_LEVEL, _LAST_DOMAIN_LEVEL)), of_ple_md),
    "ple_md_three_levels": lambda: twins(
        PLEMDSpec(group="x", levels=(_DOMAIN_LEVEL, _DOMAIN_LEVEL, _LAST_DOMAIN_LEVEL)), of_ple_md
    ),
    "hmoe": lambda: _stopped(twins(_HMOE, of_hmoe)),
    "hmoe_gate_mlp": lambda: _stopped(twins(replace(_HMOE, gate=MLPSpec(hidden_dims=(4,))), of_hmoe)),
    "m3oe": lambda: twins(M3oESpec(group="x", domain_dim=3, common=_EXPERT, num_experts=2, expert=_EXPERT), of_m3oe),
    "star": lambda: twins(_STAR, of_star),
    "star_without_auxiliary_network": lambda: twins(replace(_STAR, auxiliary_dim=0), of_star),
    "star_normalized": lambda: twins(replace(_STAR, normalizes_domains=True), of_star),
    "star_normalized_scoring": lambda: twins(replace(_STAR, normalizes_domains=True), of_scored_star),
}

"""From the plans of trunks with experts over domains and tasks to the trunks."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from peprank.models.hmoe import DomainView, HMoE
from peprank.models.layers import make_mlp
from peprank.models.m3oe import M3oE
from peprank.models.ple_md import PLEMD
from peprank.nn import MLP, DomainExtraction, Experts, PerDomain, SoftmaxGate, StarMLP
from peprank.spec.domain_experts import DomainExtractionSpec, HMoESpec, M3oESpec, PLEMDSpec
from peprank.spec.mlp import MLPSpec
from peprank.spec.model import ModelSpec


def make_ple_md(spec: PLEMDSpec, model: ModelSpec) -> PLEMD:
    """Levels of experts of tasks, of domains and of all."""
    in_dim, levels = model.group(spec.group).dim, []
    for index, level in enumerate(spec.levels):
        levels.append(_extraction(level, in_dim, model, is_last=index == len(spec.levels) - 1))
        in_dim = levels[-1].out_dim
    return PLEMD(spec.group, levels, [level.name for level in spec.levels], model.num_domains)


def _extraction(spec: DomainExtractionSpec, in_dim: int, model: ModelSpec, *, is_last: bool) -> DomainExtraction:
    own, of_domain, shared = spec.num_task_experts, spec.num_domain_experts, spec.num_shared_experts

    def gate(num: int) -> SoftmaxGate:
        return SoftmaxGate(MLP(in_dim, ()), num)

    def per_domain(make: Callable[[], nn.Module]) -> PerDomain:
        return PerDomain(make() for _ in range(model.num_domains))

    return DomainExtraction(
        [_experts(own, in_dim, spec.expert) for _ in model.tasks],
        per_domain(lambda: _experts(of_domain, in_dim, spec.expert)),
        _experts(shared, in_dim, spec.expert),
        [per_domain(lambda: gate(own + of_domain + shared)) for _ in model.tasks],
        domain_gates=None if is_last else per_domain(lambda: gate(of_domain + shared)),
        shared_gate=None if is_last else gate(model.num_tasks * own + of_domain + shared),
    )


def make_hmoe(spec: HMoESpec, model: ModelSpec) -> HMoE:
    """Experts, a view of each domain, and gates that say how relevant the views are."""
    in_dim, num_domains = model.group(spec.group).dim, model.num_domains
    experts = _experts(spec.num_experts, in_dim, spec.expert)

    def gate(num: int) -> SoftmaxGate:
        return SoftmaxGate(make_mlp(in_dim, spec.gate or MLPSpec()), num)

    def view() -> DomainView:
        gates = (gate(spec.num_experts) for _ in model.tasks)
        return DomainView(gates, (make_mlp(experts.out_dim, spec.domain) for _ in model.tasks))

    return HMoE(
        spec.group,
        experts,
        (view() for _ in range(num_domains)),
        (PerDomain(gate(num_domains) for _ in range(num_domains)) for _ in model.tasks),
        out_dim=spec.domain.hidden_dims[-1],
    )


def make_m3oe(spec: M3oESpec, model: ModelSpec) -> M3oE:
    """A domain layer and layers beside it, three kinds of experts, and what fuses them."""
    in_dim, num_domains = model.group(spec.group).dim, model.num_domains
    common = make_mlp(in_dim, spec.common)

    def gate() -> SoftmaxGate:
        return SoftmaxGate(MLP(common.out_dim, ()), spec.num_experts)

    return M3oE(
        spec.group,
        domain_layer=StarMLP(MLP(in_dim, (spec.domain_dim,), activation=nn.Identity), num_domains),
        common_layer=nn.Linear(spec.domain_dim, common.out_dim),
        common=common,
        shared_experts=_experts(spec.num_experts, common.out_dim, spec.expert),
        domain_experts=_experts(num_domains, common.out_dim, spec.expert),
        task_experts=_experts(model.num_tasks, common.out_dim, spec.expert),
        pair_gates=[PerDomain(gate() for _ in range(num_domains)) for _ in model.tasks],
    )


def _experts(num: int, in_dim: int, spec: MLPSpec) -> Experts:
    return Experts(make_mlp(in_dim, spec) for _ in range(num))

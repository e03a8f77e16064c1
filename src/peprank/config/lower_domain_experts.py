"""Rivals with experts over domains and tasks -> their specs."""

from __future__ import annotations

from peprank.config.lower_groups import Groups
from peprank.config.lower_inputs import Inputs, one_input
from peprank.config.lower_towers import layers
from peprank.config.place import Place
from peprank.config.protos import pipeline_pb2 as pb
from peprank.spec.domain_experts import DomainExtractionSpec, HMoESpec, M3oESpec, PLEMDSpec

_COUNTS = ("expert_num_per_task", "expert_num_per_domain", "share_num")


def ple_md(msg: pb.PLEMD, at: Place, known: Groups) -> tuple[PLEMDSpec | None, Inputs]:
    """Levels of experts of tasks, of domains and of all."""
    inputs = one_input(msg.input_group_names, at, known)
    lowered = [_extraction(level, at["extraction_networks"][k]) for k, level in enumerate(msg.extraction_networks)]
    levels = tuple(level for level in lowered if level is not None)
    if len(levels) != len(lowered):
        return None, inputs
    return at.build(PLEMDSpec, group=inputs.name, levels=levels), inputs


def _extraction(msg: pb.DomainExtractionNetwork, at: Place) -> DomainExtractionSpec | None:
    expert = layers(msg.expert_mlp, at["expert_mlp"])
    if expert is None or not all(at[count].is_set for count in _COUNTS):  # that one is missing is noted elsewhere
        return None
    return at.build(
        DomainExtractionSpec,
        name=msg.network_name,
        num_task_experts=msg.expert_num_per_task,
        num_domain_experts=msg.expert_num_per_domain,
        num_shared_experts=msg.share_num,
        expert=expert,
    )


def hmoe(msg: pb.HMoE, at: Place, known: Groups) -> tuple[HMoESpec | None, Inputs]:
    """Experts, layers of each domain, and gates of both kinds."""
    inputs = one_input(msg.input_group_names, at, known)
    expert, domain = layers(msg.expert_mlp, at["expert_mlp"]), layers(msg.domain_mlp, at["domain_mlp"])
    gate = layers(msg.gate_mlp, at["gate_mlp"])
    if expert is None or domain is None:
        return None, inputs
    spec = at.build(HMoESpec, group=inputs.name, num_experts=msg.num_expert, expert=expert, domain=domain, gate=gate)
    return spec, inputs


def m3oe(msg: pb.M3oE, at: Place, known: Groups) -> tuple[M3oESpec | None, Inputs]:
    """A layer of the domain, layers beside it, and experts of three kinds."""
    inputs = one_input(msg.input_group_names, at, known)
    common, expert = layers(msg.common_mlp, at["common_mlp"]), layers(msg.expert_mlp, at["expert_mlp"])
    if common is None or expert is None or not at["domain_hidden_unit"].is_set:
        return None, inputs
    spec = at.build(
        M3oESpec,
        group=inputs.name,
        domain_dim=msg.domain_hidden_unit,
        common=common,
        num_experts=msg.num_expert,
        expert=expert,
    )
    return spec, inputs

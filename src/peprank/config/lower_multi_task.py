"""Rivals that serve several tasks from one input -> their specs."""

from __future__ import annotations

from peprank.config.lower_groups import Groups
from peprank.config.lower_inputs import Inputs, one_input
from peprank.config.lower_towers import layers
from peprank.config.place import Place
from peprank.config.protos import pipeline_pb2 as pb
from peprank.spec.trunk import ExtractionSpec, MMoESpec, PLESpec, SharedBottomSpec, SimpleMultiTaskSpec


def simple_multi_task(msg: pb.SimpleMultiTask, at: Place, known: Groups) -> tuple[SimpleMultiTaskSpec, Inputs]:
    """No trunk at all: the towers read the embeddings."""
    inputs = one_input(msg.input_group_names, at, known)
    return SimpleMultiTaskSpec(group=inputs.name), inputs


def shared_bottom(msg: pb.SharedBottom, at: Place, known: Groups) -> tuple[SharedBottomSpec | None, Inputs]:
    """Layers that all tasks share."""
    inputs = one_input(msg.input_group_names, at, known)
    bottom = layers(msg.bottom_mlp, at["bottom_mlp"])
    if bottom is None:
        return None, inputs
    return at.build(SharedBottomSpec, group=inputs.name, bottom=bottom), inputs


def mmoe(msg: pb.MMoE, at: Place, known: Groups) -> tuple[MMoESpec | None, Inputs]:
    """Experts and a gate per task."""
    inputs = one_input(msg.input_group_names, at, known)
    expert = layers(msg.expert_mlp, at["expert_mlp"])
    gate = layers(msg.gate_mlp, at["gate_mlp"])
    if expert is None:
        return None, inputs
    return at.build(MMoESpec, group=inputs.name, num_experts=msg.num_expert, expert=expert, gate=gate), inputs


def ple(msg: pb.PLE, at: Place, known: Groups) -> tuple[PLESpec | None, Inputs]:
    """Levels of own and shared experts."""
    inputs = one_input(msg.input_group_names, at, known)
    lowered = [_extraction(level, at["extraction_networks"][k]) for k, level in enumerate(msg.extraction_networks)]
    levels = tuple(level for level in lowered if level is not None)
    if len(levels) != len(lowered):
        return None, inputs
    return at.build(PLESpec, group=inputs.name, levels=levels), inputs


def _extraction(msg: pb.ExtractionNetwork, at: Place) -> ExtractionSpec | None:
    task_expert = layers(msg.task_expert_net, at["task_expert_net"])
    shared_expert = layers(msg.share_expert_net, at["share_expert_net"])
    if at["share_expert_net"].is_set and not msg.share_num:
        at["share_expert_net"].warn("has no effect: there are no shared experts; write share_num: 1, say")
    if task_expert is None or not at["expert_num_per_task"].is_set:
        return None
    return at.build(
        ExtractionSpec,
        name=msg.network_name,
        num_task_experts=msg.expert_num_per_task,
        task_expert=task_expert,
        num_shared_experts=msg.share_num,
        shared_expert=shared_expert if msg.share_num else None,
    )

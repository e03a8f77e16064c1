"""Rivals that serve several tasks from one input -> their specs."""

from __future__ import annotations

from peprank.config.lower_groups import Groups
from peprank.config.lower_inputs import Inputs, one_input
from peprank.config.lower_towers import mlp
from peprank.config.place import Place
from peprank.config.protos import pipeline_pb2 as pb
from peprank.spec.mlp import MLPSpec
from peprank.spec.trunk import MMoESpec, SimpleMultiTaskSpec


def simple_multi_task(msg: pb.SimpleMultiTask, at: Place, known: Groups) -> tuple[SimpleMultiTaskSpec, Inputs]:
    """No trunk at all: the towers read the embeddings."""
    inputs = one_input(msg.input_group_names, at, known)
    return SimpleMultiTaskSpec(group=inputs.name), inputs


def mmoe(msg: pb.MMoE, at: Place, known: Groups) -> tuple[MMoESpec | None, Inputs]:
    """Experts and a gate per task."""
    inputs = one_input(msg.input_group_names, at, known)
    expert = _layers(msg.expert_mlp, at["expert_mlp"])
    gate = _layers(msg.gate_mlp, at["gate_mlp"])
    if expert is None:
        return None, inputs
    return at.build(MMoESpec, group=inputs.name, num_experts=msg.num_expert, expert=expert, gate=gate), inputs


def _layers(msg: pb.MLP, at: Place) -> MLPSpec | None:
    """None when the file has no such part; that a required one is missing is noted elsewhere."""
    return mlp(msg, at) if at.is_set else None

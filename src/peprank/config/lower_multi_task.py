"""Rivals that serve several tasks from one input -> their specs."""

from __future__ import annotations

from peprank.config.lower_groups import Groups
from peprank.config.lower_inputs import Inputs, one_input
from peprank.config.place import Place
from peprank.config.protos import pipeline_pb2 as pb
from peprank.spec.trunk import SimpleMultiTaskSpec


def simple_multi_task(msg: pb.SimpleMultiTask, at: Place, known: Groups) -> tuple[SimpleMultiTaskSpec, Inputs]:
    """No trunk at all: the towers read the embeddings."""
    inputs = one_input(msg.input_group_names, at, known)
    return SimpleMultiTaskSpec(group=inputs.name), inputs

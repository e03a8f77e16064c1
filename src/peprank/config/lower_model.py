"""`model_config` -> ModelSpec: groups, trunk, towers and domain, whichever model the file names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from peprank.config.lower_domain import domain
from peprank.config.lower_groups import Groups, groups
from peprank.config.lower_inputs import Inputs, warn_of_idle_groups
from peprank.config.lower_multi_task import mmoe, ple, shared_bottom, simple_multi_task
from peprank.config.lower_pepnet import pepnet
from peprank.config.lower_towers import tasks
from peprank.config.names import Names
from peprank.config.place import Place
from peprank.config.protos import pipeline_pb2 as pb
from peprank.spec.model import ModelSpec
from peprank.spec.trunk import TrunkSpec

Lower: TypeAlias = Callable[[Any, Place, Groups], tuple[TrunkSpec | None, Inputs]]

# What turns each model's message into its trunk and says what the trunk reads.
TRUNKS: Final[Mapping[str, Lower]] = {
    "pepnet": pepnet,
    "simple_multi_task": simple_multi_task,
    "shared_bottom": shared_bottom,
    "mmoe": mmoe,
    "ple": ple,
}


def model(msg: pb.ModelConfig, at: Place, names: Names) -> ModelSpec | None:
    """The network; None when something is wrong with it."""
    known = groups(msg.feature_groups, at["feature_groups"], names.features, names.broken)
    kind = msg.WhichOneof("model")
    if kind is None:
        at.error("names no model; write pepnet { ... }")
    if kind is None or kind not in TRUNKS:  # other models are refused elsewhere
        return None
    place = at[kind]
    trunk, inputs = TRUNKS[kind](place.node, place, known)
    warn_of_idle_groups(msg.feature_groups, at["feature_groups"], kind, inputs)
    towers = tasks(task_towers(msg), place["task_towers"], names)
    domain_spec = domain(msg, at, place, names)
    if trunk is None or len(towers) != len(task_towers(msg)) or not towers:
        return None
    read = {item.table for group in inputs.groups for item in group.inputs}
    return at.build(
        ModelSpec,
        tables=tuple(table for table in known.tables if table.name in read),
        groups=inputs.groups,
        trunk=trunk,
        tasks=towers,
        domain=domain_spec,
    )


def task_towers(msg: pb.ModelConfig) -> Sequence[pb.TaskTower]:
    """The towers of the model that the file names; () when it cannot be used."""
    kind = msg.WhichOneof("model")
    towers: Sequence[pb.TaskTower] = getattr(msg, kind).task_towers if kind is not None and kind in TRUNKS else ()
    return towers

"""`model_config` -> ModelSpec: groups, trunk, towers and domain, whichever model the file names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from peprank.config.lower_domain import NEED_DOMAIN, domain
from peprank.config.lower_domain_experts import hmoe, m3oe, ple_md
from peprank.config.lower_groups import Groups, Wide, groups, has_wide_groups, wide_tables
from peprank.config.lower_inputs import Inputs, warn_of_idle_groups
from peprank.config.lower_losses import Aim
from peprank.config.lower_multi_domain import star
from peprank.config.lower_multi_task import mmoe, ple, shared_bottom, simple_multi_task
from peprank.config.lower_pepnet import pepnet
from peprank.config.lower_single_task import dcn_v1, dcn_v2, deepfm, the_task, warn_of_idle_fields, xdeepfm
from peprank.config.lower_towers import tasks
from peprank.config.names import Names
from peprank.config.place import Place
from peprank.config.protos import pipeline_pb2 as pb
from peprank.spec.model import LinearInit, ModelSpec, TaskSpec
from peprank.spec.trunk import TrunkSpec

Lower: TypeAlias = Callable[[Any, Place, Groups], tuple[TrunkSpec | None, Inputs]]

# What turns each model's message into its trunk and says what the trunk reads. Models of the first list are for one
# task, whose losses and metrics stand in model_config, unless the file gives them task_towers.
SINGLE_TASK: Final[Mapping[str, Lower]] = {"deepfm": deepfm, "dcn_v1": dcn_v1, "dcn_v2": dcn_v2, "xdeepfm": xdeepfm}
TRUNKS: Final[Mapping[str, Lower]] = {
    "pepnet": pepnet,
    "simple_multi_task": simple_multi_task,
    "shared_bottom": shared_bottom,
    "mmoe": mmoe,
    "ple": ple,
    **SINGLE_TASK,
    "star": star,
    "ple_md": ple_md,
    "hmoe": hmoe,
    "m3oe": m3oe,
}


def model(msg: pb.ModelConfig, at: Place, names: Names) -> ModelSpec | None:
    """The network; None when something is wrong with it."""
    kind = msg.WhichOneof("model")
    wide = wide_tables(at[kind]) if kind is not None else Wide()
    known = groups(msg.feature_groups, at["feature_groups"], names.features, names.broken, wide)
    if kind is None:
        at.error_without("model", "names no model; write pepnet { ... }")
    if kind is None or kind not in TRUNKS:  # other models are refused elsewhere
        return None
    place = at[kind]
    if not has_wide_groups(place):
        _refuse_wide_groups(msg.feature_groups, at["feature_groups"], kind)
    trunk, inputs = TRUNKS[kind](place.node, place, known)
    warn_of_idle_groups(msg.feature_groups, at["feature_groups"], kind, inputs)
    of_model = _tasks(msg, kind, at, names)
    domain_spec = domain(msg, at, place, names)
    if trunk is None or len(of_model) != len(aims(msg)) or not of_model:
        return None
    if domain_spec is None and kind in NEED_DOMAIN:
        return None
    read = {item.table for group in inputs.groups for item in group.inputs}
    return place.build(
        ModelSpec,
        tables=tuple(table for table in known.tables if table.name in read),
        groups=inputs.groups,
        trunk=trunk,
        tasks=of_model,
        domain=domain_spec,
        linear_init=LinearInit(pb.LinearInit.Name(msg.linear_init)) if msg.HasField("linear_init") else None,
    )


def _refuse_wide_groups(configs: Sequence[pb.FeatureGroupConfig], at: Place, kind: str) -> None:
    for index, config in enumerate(configs):
        if config.group_type == pb.WIDE:
            at[index]["group_type"].error(f"{kind} reads no wide groups, which deepfm and xdeepfm do; write DEEP")


def aims(msg: pb.ModelConfig) -> Sequence[Aim]:
    """The messages that say what each task minimises and how it is judged; () when the model cannot be used."""
    kind = msg.WhichOneof("model")
    if kind is None or kind not in TRUNKS:
        return ()
    return (msg,) if _has_one_task(msg, kind) else _task_towers(msg, kind)


def _tasks(msg: pb.ModelConfig, kind: str, at: Place, names: Names) -> tuple[TaskSpec, ...]:
    """All tasks in file order; `at` is the place of model_config."""
    if _has_one_task(msg, kind):
        task = the_task(msg, at, names)
        return () if task is None else (task,)
    warn_of_idle_fields(at)
    return tasks(_task_towers(msg, kind), at[kind]["task_towers"], names)


def _has_one_task(msg: pb.ModelConfig, kind: str) -> bool:
    return kind in SINGLE_TASK and not _task_towers(msg, kind)


def _task_towers(msg: pb.ModelConfig, kind: str) -> Sequence[pb.TaskTower]:
    towers: Sequence[pb.TaskTower] = getattr(msg, kind).task_towers
    return towers

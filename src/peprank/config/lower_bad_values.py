"""`data_config.bad_values` -> what becomes of the bad values of which columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from peprank.config.place import Place, listing, meant
from peprank.config.protos import pipeline_pb2 as pb
from peprank.spec.feature import FeatureSpec
from peprank.spec.model import TaskSpec
from peprank.spec.pipeline import BadValuePolicy, BadValues


@dataclass(frozen=True, slots=True)
class _Target:
    """Which numbers a label or a weight may be."""

    num_class: int | None = None  # None: any number
    is_weight: bool = False


def bad_values(
    messages: Sequence[pb.BadValues], at: Place, features: Sequence[FeatureSpec], tasks: Sequence[TaskSpec]
) -> tuple[BadValues, ...]:
    """Policies of columns that the model, a loss or a metric reads."""
    targets = _targets(tasks)
    known = list(dict.fromkeys((*(feature.column for feature in features), *targets)))
    seen: set[str] = set()
    for index, message in enumerate(messages):
        here = at[index]
        if not message.HasField("column"):
            continue  # which has been noted
        if message.column not in known:
            guess = meant(message.column, known)
            here["column"].error(f"no feature, label or weight reads it{guess}; write one of {listing(known)}")
        elif message.column in seen:
            here["column"].error("has a policy already; give each column one")
        elif message.policy == pb.DEFAULT:
            _check_default(message, here, targets.get(message.column))
        elif message.HasField("default_value"):
            here["default_value"].error("has no effect without policy: DEFAULT; remove it")
        seen.add(message.column)
    return tuple(map(_spec, messages))


def _spec(message: pb.BadValues) -> BadValues:
    default = message.default_value if message.HasField("default_value") else None
    policy = BadValuePolicy[pb.BadValuePolicy.Name(message.policy)]
    return BadValues(column=message.column, policy=policy, default=default)


def _targets(tasks: Sequence[TaskSpec]) -> dict[str, _Target]:
    """What stands for a value of each label and weight."""
    targets: dict[str, _Target] = {}
    for task in tasks:
        if task.space is not None:
            targets.setdefault(task.space.label, _Target())
        if task.sample_weight is not None:
            targets[task.sample_weight] = _Target(is_weight=True)
    for task in tasks:
        targets[task.label] = _Target(num_class=None if task.is_regression else max(task.num_class, 2))
    return targets


def _check_default(message: pb.BadValues, at: Place, target: _Target | None) -> None:
    at, value = at["default_value"], message.default_value
    if not message.HasField("default_value"):
        if target is not None:
            at.error("is missing: nobody knows what a bad value stands for; write default_value: 0, say")
    elif target is None:
        at.error("belongs to labels and weights; write the feature's default_value instead")
    elif not math.isfinite(value) or (target.is_weight and value < 0):
        at.error("must be finite and at least 0" if target.is_weight else "must be finite")
    elif target.num_class is not None and value not in range(target.num_class):
        at.error(f"must be a class of its task, 0 to {target.num_class - 1}")

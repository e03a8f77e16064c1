"""Which columns a plan reads, and what is asked of each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from peprank.spec.feature import FeatureSpec, Identity, RawFeature
from peprank.spec.model import TaskSpec
from peprank.spec.pipeline import BadValuePolicy, BadValues, PipelineSpec


class ColumnKind(Enum):
    """What a column is read for. When one column serves several ends, the later kind here is the stricter and wins."""

    ANY = "any"  # carried along as it is
    NUMBER = "number"  # ints, floats or numeric text, bare or in lists
    ID = "id"  # whole numbers or text, bare, in lists or in lists of lists
    WEIGHT = "weight"  # ints or floats >= 0, never missing
    LABEL = "label"  # ints, floats or bools, never missing


@dataclass(frozen=True, slots=True)
class Column:
    """One column that a plan reads."""

    name: str
    kind: ColumnKind
    num_class: int | None = None  # LABEL: values are 0, 1, ... num_class - 1; None: any finite number
    num_ids: int | None = None  # ID: values are 0, 1, ... num_ids - 1; None: any
    separator: str | None = None  # NUMBER, ID: between the values of a text cell; None: it holds one
    policy: BadValuePolicy | None = None  # None: an error in a target, left to `encode/` in a feature
    default: float | None = None  # LABEL, WEIGHT: what stands in for a bad value if the policy is DEFAULT

    @property
    def is_target(self) -> bool:
        """Whether a loss or a metric reads it, and not the model."""
        return self.kind in (ColumnKind.LABEL, ColumnKind.WEIGHT)

    @property
    def on_bad(self) -> BadValuePolicy | None:
        """What becomes of bad values; None: `encode/` gives them the feature's default, uncounted."""
        return BadValuePolicy.ERROR if self.policy is None and self.is_target else self.policy


def columns_of(spec: PipelineSpec, *, with_targets: bool, keep: Sequence[str] = ()) -> tuple[Column, ...]:
    """List each column that the plan reads once: features in file order, then labels and weights, then `keep`.

    Args:
        with_targets: also labels, sample weights, and the keys that losses and metrics group rows by. Without, only
            what the model itself sees, so rows to be scored need no more than that; and none is dropped, since each is
            to have a score.
        keep: further columns to carry along unchanged.
    """
    features = spec.features if with_targets else spec.input_features
    targets = [column for task in spec.model.tasks for column in _target_columns(task)] if with_targets else []
    columns: dict[str, Column] = {}
    for column in (*map(_feature_column, features), *targets, *(Column(name, ColumnKind.ANY) for name in keep)):
        columns[column.name] = _stricter(columns.get(column.name, column), column)
    stated = {bad.column: bad for bad in spec.data.bad_values}
    return tuple(
        _with_policy(column, stated[name], drops=with_targets) if name in stated else column
        for name, column in columns.items()
    )


def _feature_column(feature: FeatureSpec) -> Column:
    if isinstance(feature, RawFeature) and not feature.is_bucketized:
        return Column(
            feature.column, ColumnKind.NUMBER, separator=feature.separator if feature.value_dim != 1 else None
        )
    if isinstance(feature, RawFeature):
        return Column(feature.column, ColumnKind.ID, num_ids=feature.rows, separator=feature.separator)
    is_one = feature.max_values == 1
    is_bounded = isinstance(feature.rule, Identity) and not feature.weighted
    num_ids = feature.rows if is_bounded else None
    return Column(feature.column, ColumnKind.ID, num_ids=num_ids, separator=None if is_one else feature.separator)


def _target_columns(task: TaskSpec) -> Iterable[Column]:
    num_class = None if task.is_regression else max(task.num_class, 2)  # one logit still tells two classes apart
    yield Column(task.label, ColumnKind.LABEL, num_class=num_class)
    if task.space:
        yield Column(task.space.label, ColumnKind.LABEL)
    if task.sample_weight:
        yield Column(task.sample_weight, ColumnKind.WEIGHT)


def _stricter(one: Column, other: Column) -> Column:
    """Join the demands of two uses of one column."""
    kinds = list(ColumnKind)
    classes = [column.num_class for column in (one, other) if column.num_class]
    ids = [column.num_ids for column in (one, other) if column.num_ids]
    return Column(
        one.name,
        max(one.kind, other.kind, key=kinds.index),
        num_class=min(classes, default=None),
        num_ids=min(ids, default=None),
        separator=other.separator if one.separator is None else one.separator,
    )


def _with_policy(column: Column, stated: BadValues, *, drops: bool) -> Column:
    is_dropping = stated.policy is BadValuePolicy.DROP_ROW
    policy = BadValuePolicy.DEFAULT if is_dropping and not drops else stated.policy
    return replace(column, policy=policy, default=stated.default)

"""The crate that rows travel in after encoding: `Features` is what a model sees, `Targets` what a loss sees."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

MISSING = -1  # id of a cell without a value; it embeds to a zero vector


@dataclass(frozen=True, slots=True)
class Ids:
    """Ids of one feature for a batch of rows.

    With `offsets` None each row has one id: `values` is int64 [B], MISSING where the cell is empty.
    Otherwise row b has the ids `values[offsets[b]:offsets[b + 1]]`; no MISSING among them.
    """

    values: Tensor  # int64 [B] or [N]
    offsets: Tensor | None = None  # int64 [B + 1], from 0 to N
    weights: Tensor | None = None  # float32, shaped like values

    def to(self, device: torch.device) -> Ids:
        """These ids on `device`."""
        return Ids(self.values.to(device), _moved(self.offsets, device), _moved(self.weights, device))

    def with_offsets(self) -> Ids:
        """The same ids in the form for any number per row."""
        if self.offsets is not None:
            return self
        is_present = self.values != MISSING
        weights = None if self.weights is None else self.weights[is_present]
        return Ids(self.values[is_present], _offsets(is_present), weights)


@dataclass(frozen=True, slots=True)
class Features:
    """Encoded inputs of B rows. Holds no label, so a leak is a type error."""

    num_rows: int
    ids: dict[str, Ids]  # feature name -> ids, for features that look up a table
    numbers: dict[str, Tensor]  # feature name -> float32 [B, value_dim], for features that do not
    domain: Tensor  # int64 [B], MISSING where unknown; zeros when the plan names no domain
    unknown: dict[str, int] = field(default_factory=dict)  # feature name -> values in this batch outside its vocabulary

    def to(self, device: torch.device) -> Features:
        """These rows on `device`."""
        ids = {name: value.to(device) for name, value in self.ids.items()}
        numbers = {name: value.to(device) for name, value in self.numbers.items()}
        return Features(self.num_rows, ids, numbers, self.domain.to(device), self.unknown)


@dataclass(frozen=True, slots=True)
class Targets:
    """What a loss needs of B rows besides the logits. Columns follow the task order."""

    labels: Tensor  # float32 [B, T]; class index for softmax towers
    weights: Tensor  # float32 [B, T]: sample weight x task-space weight, not yet normalised
    keys: dict[str, Tensor]  # feature name -> int64 [B], equal for rows of one session, user, ...

    def to(self, device: torch.device) -> Targets:
        """These targets on `device`."""
        keys = {name: value.to(device) for name, value in self.keys.items()}
        return Targets(self.labels.to(device), self.weights.to(device), keys)


def concatenate(parts: Sequence[Features]) -> Features:
    """The rows of all parts, one part after the other.

    Args:
        parts: at least one; all encoded by encoders of one plan.
    """
    if len(parts) == 1:
        return parts[0]
    return Features(
        num_rows=sum(part.num_rows for part in parts),
        ids={name: _joined([part.ids[name] for part in parts]) for name in parts[0].ids},
        numbers={name: torch.cat([part.numbers[name] for part in parts]) for name in parts[0].numbers},
        domain=torch.cat([part.domain for part in parts]),
        unknown=dict(sum((Counter(part.unknown) for part in parts), Counter())),
    )


def _joined(parts: list[Ids]) -> Ids:
    """Ids of one feature, one part after the other. A part needs offsets only if one of its own rows does."""
    is_ragged = any(part.offsets is not None for part in parts)
    parts = [part.with_offsets() for part in parts] if is_ragged else parts
    counts = [part.offsets.diff() for part in parts if part.offsets is not None]
    return Ids(
        values=torch.cat([part.values for part in parts]),
        offsets=_offsets(torch.cat(counts)) if is_ragged else None,
        weights=_joined_weights(parts),
    )


def _joined_weights(parts: list[Ids]) -> Tensor | None:
    """Weights of all parts; an id without one weighs 1."""
    if all(part.weights is None for part in parts):
        return None
    ones = [torch.ones(len(part.values)) if part.weights is None else part.weights for part in parts]
    return torch.cat(ones)


def _offsets(counts: Tensor) -> Tensor:
    """Where the ids of each row begin, int64 [B + 1], from how many it has."""
    return torch.cat([counts.new_zeros(1, dtype=torch.int64), counts.cumsum(0)])


def _moved(values: Tensor | None, device: torch.device) -> Tensor | None:
    return None if values is None else values.to(device)

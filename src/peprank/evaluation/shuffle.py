"""Shuffle one feature among the rows of several batches, and leave all else where it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from peprank.batch import MISSING, Features, Ids


def shuffled(batches: Sequence[Features], feature: str, order: Tensor, *, is_domain: bool) -> Iterator[Features]:
    """The batches, row k with the value of `feature` that row order[k] had; rows are counted over all batches.

    The feature changes in every group that reads it.

    Args:
        batches: on the CPU.
        order: int64 [N], a permutation of the rows.
        is_domain: whether it is the feature that says a row's domain, which then goes with it.
    """
    rows = torch.split(order, [batch.num_rows for batch in batches])
    ids = _joined([batch.ids[feature] for batch in batches]) if feature in batches[0].ids else None
    numbers = torch.cat([batch.numbers[feature] for batch in batches]) if feature in batches[0].numbers else None
    domain = torch.cat([batch.domain for batch in batches])
    for batch, part in zip(batches, rows, strict=True):
        changed = batch if ids is None else replace(batch, ids=batch.ids | {feature: _taken(ids, part)})
        if numbers is not None:
            changed = replace(changed, numbers=batch.numbers | {feature: numbers[part]})
        yield replace(changed, domain=domain[part]) if is_domain else changed


def _joined(parts: Sequence[Ids]) -> Ids:
    """Ids of all batches, one below the other; ragged where one of them is."""
    if any(part.offsets is not None for part in parts):
        parts = [_ragged(part) for part in parts]
    counts = [part.offsets.diff() for part in parts if part.offsets is not None]
    weights = [part.weights for part in parts if part.weights is not None]
    return Ids(
        values=torch.cat([part.values for part in parts]),
        offsets=_offsets(torch.cat(counts)) if counts else None,
        weights=torch.cat(weights) if weights else None,
    )


def _ragged(ids: Ids) -> Ids:
    """The same ids with offsets."""
    if ids.offsets is not None:
        return ids
    present = ids.values != MISSING
    return Ids(ids.values[present], _offsets(present), None if ids.weights is None else ids.weights[present])


def _taken(ids: Ids, rows: Tensor) -> Ids:
    """Ids of some rows, in their order."""
    places, offsets = rows, None
    if ids.offsets is not None:
        counts = ids.offsets.diff()[rows]
        offsets = _offsets(counts)
        places = torch.arange(int(offsets[-1])) + (ids.offsets[rows] - offsets[:-1]).repeat_interleave(counts)
    return Ids(ids.values[places], offsets, None if ids.weights is None else ids.weights[places])


def _offsets(counts: Tensor) -> Tensor:
    """Where the ids of each row begin and end, int64 [B + 1], given how many there are."""
    return torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)])

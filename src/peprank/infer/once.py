"""What all rows of a request have in common: the user, the moment and the place are given once for many items."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

from peprank.batch import Features, Ids


def common_row(features: Features, names: Collection[str]) -> Features | None:
    """The one row that all rows equal in the domain and in the features `names`; None: they do not, or there is none.

    Numbers that are not equal to themselves (NaN) differ.
    """
    if not features.num_rows or not _is_common(features, names):
        return None
    return Features(
        num_rows=1,
        ids={name: _first(features.ids[name]) for name in names if name in features.ids},
        numbers={name: features.numbers[name][:1] for name in names if name in features.numbers},
        domain=features.domain[:1],
    )


def _is_common(features: Features, names: Collection[str]) -> bool:
    ids = [features.ids[name] for name in names if name in features.ids]
    singles = torch.stack([features.domain, *(item.values for item in ids if item.offsets is None)])  # [S, B]
    if not _all_equal(singles.t()):
        return False
    numbers = [features.numbers[name] for name in names if name in features.numbers]
    if numbers and not _all_equal(torch.cat(numbers, dim=1)):
        return False
    return all(_repeats(item, features.num_rows) for item in ids)


def _repeats(ids: Ids, num_rows: int) -> bool:
    """Whether every row has the same ids and weights; the values of single ids were looked at."""
    if ids.offsets is None:
        return ids.weights is None or _all_equal(ids.weights[:, None])
    given = [values for values in (ids.values, ids.weights) if values is not None]
    return _all_equal(ids.offsets.diff()[:, None]) and all(
        _all_equal(v.view(num_rows, len(v) // num_rows)) for v in given
    )


def _all_equal(rows: Tensor) -> bool:
    """Whether all rows [B, ...] equal the first."""
    return bool((rows == rows[:1]).all())


def _first(ids: Ids) -> Ids:
    """The ids of the first row."""
    count = 1 if ids.offsets is None else int(ids.offsets[1])
    weights = None if ids.weights is None else ids.weights[:count]
    return Ids(ids.values[:count], None if ids.offsets is None else ids.offsets[:2], weights)

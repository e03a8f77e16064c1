"""AUC of labels that are numbers: how often two rows stand in the order of their labels. On a seeded draw of pairs.

Source: Zhan et al., "Deconfounding Duration Bias in Watch-time Prediction", KDD 2022.
"""

from __future__ import annotations

from itertools import pairwise
from math import ceil

import numpy as np
import numpy.typing as npt

from peprank.metrics.wins import Floats, Grouped, Groups, mean_over_groups

Ints = npt.NDArray[np.int64]

_MOST_PAIRS = 4_000_000  # held at one time, about 300 MB; the standard error of a draw of that size is 0.00025


def xauc(
    prediction: Floats, label: Floats, *, sample_ratio: float = 0.001, max_pairs: int | None = None, seed: int = 0
) -> float | None:
    """Chance that of two rows with different labels the one with the larger label has the larger prediction.

    A tie of predictions counts one half. The pairs are drawn at random from the rows in the order they are given; all
    pairs are taken, once each, where the draw would be as large. None when no pair has different labels.

    Args:
        sample_ratio: share of all N (N - 1) / 2 pairs to draw.
        max_pairs: pairs to draw, instead of sample_ratio. Never more than 4 million are.
    """
    all_pairs = len(label) * (len(label) - 1) // 2
    num_pairs = min(max_pairs if max_pairs is not None else ceil(all_pairs * sample_ratio), all_pairs, _MOST_PAIRS)
    group = np.zeros(len(label), np.int64)
    return grouped_xauc(prediction, label, group, max_pairs_per_group=num_pairs, seed=seed).weighted


def grouped_xauc(
    prediction: Floats, label: Floats, group: Groups, *, max_pairs_per_group: int = 100, seed: int = 0
) -> Grouped:
    """Mean of the XAUC within each group that has different labels: weighted by the group's rows, and plain."""
    order = np.argsort(group, kind="stable")
    prediction, label, group = prediction[order], label[order], group[order]
    starts = np.flatnonzero(np.append(True, group[1:] != group[:-1])) if len(group) else np.zeros(0, np.int64)
    rows = np.diff(np.append(starts, len(group)))
    draw = np.random.default_rng(seed)
    blocks = [
        _xauc_of_groups(prediction, label, starts[part], rows[part], max_pairs_per_group, draw)
        for part in _blocks(np.minimum(rows * (rows - 1) // 2, max_pairs_per_group))
    ]
    value = np.concatenate([np.zeros(0), *blocks])
    is_defined = ~np.isnan(value)
    return mean_over_groups(value[is_defined], rows[is_defined])


def _blocks(num_pairs: Ints) -> list[slice]:
    """Runs of groups that hold about _MOST_PAIRS pairs together."""
    block = np.cumsum(num_pairs) // _MOST_PAIRS
    edges = [0, *(np.flatnonzero(np.diff(block)) + 1).tolist(), len(block)]
    return [slice(start, end) for start, end in pairwise(edges)]


def _xauc_of_groups(
    prediction: Floats, label: Floats, starts: Ints, rows: Ints, max_pairs: int, draw: np.random.Generator
) -> npt.NDArray[np.float64]:
    """XAUC per group, NaN where no pair has different labels. Group g has the rows from starts[g] on."""
    all_pairs = rows * (rows - 1) // 2
    num_pairs = np.minimum(all_pairs, max_pairs)
    group = np.repeat(np.arange(len(rows)), num_pairs)
    number = np.arange(len(group)) - np.repeat(np.cumsum(num_pairs) - num_pairs, num_pairs)
    drawn = draw.integers(0, all_pairs[group])
    later, earlier = _pair(np.where((all_pairs > max_pairs)[group], drawn, number))
    a, b = starts[group] + later, starts[group] + earlier
    by_label, by_prediction = _sign(label[a], label[b]), _sign(prediction[a], prediction[b])
    decided = np.bincount(group, weights=by_label != 0, minlength=len(rows))
    twice_won = np.bincount(group, weights=np.abs(by_label) + by_label * by_prediction, minlength=len(rows))
    with np.errstate(invalid="ignore"):  # 0 / 0 is NaN
        return np.asarray(twice_won / (2 * decided))


def _sign(a: Floats, b: Floats) -> npt.NDArray[np.int8]:
    """+1 where a > b, -1 where a < b."""
    return (a > b).astype(np.int8) - (a < b).astype(np.int8)


def _pair(number: Ints) -> tuple[Ints, Ints]:
    """The pair (i, j), i > j, with number = i (i - 1) / 2 + j."""
    i = ((1 + np.sqrt(1 + 8 * number.astype(np.float64))) / 2).astype(np.int64)
    i -= i * (i - 1) // 2 > number  # the root may round up
    return i, number - i * (i - 1) // 2

"""How often a positive outranks a negative: the one sort that AUC and GAUC share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Labels = npt.NDArray[Any]  # 0 and 1, of any dtype
Groups = npt.NDArray[np.integer[Any]]

_LABEL_BITS, _SCORE_BITS, _GROUP_BITS = 1, 32, 31


@dataclass(frozen=True, slots=True)
class Grouped:
    """A metric taken within each group, and what it stands on."""

    weighted: float | None  # mean over the counted groups, each weighted by its rows
    unweighted: float | None  # plain mean over the counted groups
    num_groups: int  # groups in which the metric is defined
    rows: int  # rows of those groups


def mean_over_groups(value: Floats, rows: npt.NDArray[np.int64]) -> Grouped:
    """Means of `value` [G] by `rows` [G] and plain; None without a group."""
    if not len(value):
        return Grouped(None, None, 0, 0)
    total = int(rows.sum())
    return Grouped(float((value * rows).sum() / total), float(value.mean()), len(value), total)


@dataclass(frozen=True, slots=True)
class Wins:
    """Per group: its rows, its positives, and twice the won pairs, so that a tie (one half) stays an integer."""

    rows: npt.NDArray[np.int64]  # [G]
    positives: npt.NDArray[np.int64]  # [G]
    twice_won: npt.NDArray[np.int64]  # [G]

    @property
    def pairs(self) -> npt.NDArray[np.int64]:
        """Pairs of one positive and one negative, [G]."""
        return self.positives * (self.rows - self.positives)


def count_wins(score: Floats, label: Labels, group: Groups | None = None) -> Wins:
    """Count, within each group, the pairs in which the positive has the larger score; a tie counts one half.

    One sort of 64-bit keys that hold group, score and label: in a run of equal scores the negatives come first, so a
    positive's place in the order counts the negatives below it and those it ties with. All counts are exact.

    Args:
        group: integers of any size; None: all rows form one group.

    Raises:
        ValueError: lengths differ, a score is NaN, a label is neither 0 nor 1.
    """
    keys = _sorted_keys(score, label, group)
    starts = _group_starts(keys)
    bounds = np.append(starts, len(keys))
    place = np.flatnonzero((keys & np.uint64(1)).astype(bool))  # [P] of the positives
    first = np.searchsorted(place, bounds)  # [G + 1] positives before each group
    positives = np.diff(first)
    place_sums = np.diff(np.append(0, np.cumsum(place))[first])  # [G]
    rank_sums = positives * (first[:-1] + first[1:] - 1) // 2  # [G] sum of the positives' own numbers
    negatives_not_above = place_sums - rank_sums - positives * (starts - first[:-1])
    return Wins(np.diff(bounds), positives, 2 * negatives_not_above - _tied_pairs(keys, place, starts))


def _sorted_keys(score: Floats, label: Labels, group: Groups | None) -> npt.NDArray[np.uint64]:
    if len(score) != len(label) or (group is not None and len(group) != len(score)):
        lengths = [len(column) for column in (score, label, group) if column is not None]
        raise ValueError(f"scores, labels and groups differ in length: {lengths}")
    keys = _score_keys(score)
    keys <<= np.uint64(_LABEL_BITS)
    keys |= _binary(label)
    if group is not None:
        codes = _group_codes(group)
        codes <<= np.uint64(_LABEL_BITS + _SCORE_BITS)
        keys |= codes
    keys.sort()
    return keys


def _score_keys(score: Floats) -> npt.NDArray[np.uint64]:
    """Numbers below 2^32 in the order of the scores; equal scores, and only they, have equal numbers."""
    if np.isnan(score).any():
        raise ValueError(f"{int(np.isnan(score).sum())} of {len(score)} scores are NaN; a NaN has no rank")
    if score.dtype != np.float32:
        return np.unique(score, return_inverse=True)[1].astype(np.uint64)
    bits = (score + np.float32(0)).view(np.int32)  # + 0 makes -0.0 and 0.0 the same bits
    # IEEE 754: positive floats order as their bits, negative ones in reverse.
    ordered: npt.NDArray[np.int32] = np.where(bits < 0, ~bits, bits | np.int32(-(2**31)))
    return ordered.view(np.uint32).astype(np.uint64)


def _binary(label: Labels) -> npt.NDArray[np.uint8]:
    binary = label.astype(bool)
    if label.dtype != bool and not np.array_equal(binary, label):
        raise ValueError(f"labels must be 0 or 1; found {label[binary != label][0]}")
    return binary.view(np.uint8)


def _group_codes(group: Groups) -> npt.NDArray[np.uint64]:
    """The groups as numbers below 2^31."""
    if len(group) and not (group.min() >= 0 and group.max() < 2**_GROUP_BITS):
        group = np.unique(group, return_inverse=True)[1]
    return group.astype(np.uint64)


def _group_starts(keys: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    if not len(keys):
        return np.zeros(0, np.int64)
    code = (keys >> np.uint64(_LABEL_BITS + _SCORE_BITS)).astype(np.uint32)
    return np.append(0, np.flatnonzero(code[1:] != code[:-1]) + 1)


def _tied_pairs(
    keys: npt.NDArray[np.uint64], place: npt.NDArray[np.int64], starts: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Pairs of equal score per group, [G]. Only runs that hold both classes are looked at."""
    one = np.uint64(1)
    # The first positive of such a run follows a negative of its score. (place 0 wraps to the last key, never smaller.)
    turn = place[keys[place - 1] == keys[place] - one]
    positive = keys[turn]
    negatives = turn - np.searchsorted(keys, positive - one, side="left")
    positives = np.searchsorted(keys, positive, side="right") - turn
    run_group = np.searchsorted(starts, turn, side="right") - 1
    # float64 sums of these integers are exact below 2^53, that is up to 10^8 rows in one run.
    return np.bincount(run_group, weights=negatives * positives, minlength=len(starts)).astype(np.int64)

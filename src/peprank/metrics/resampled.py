"""AUC, GAUC and logloss of rows whose users are drawn again and again: how far would they move on other users?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from peprank.metrics.auc import auc
from peprank.metrics.gauc import gauc
from peprank.metrics.logloss import logloss, row_losses
from peprank.metrics.wins import Floats, Groups, Labels, count_wins

Counts: TypeAlias = npt.NDArray[np.int64]  # [U], how often each user was drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class UserDraws:
    """Draws of U users out of U, with replacement. Iterated again, it gives the same draws again.

    So models and seeds that are measured one after the other, in other processes too, meet the same users.
    """

    num_users: int  # U
    num_replicates: int = 1000  # R
    seed: int = 0

    def __iter__(self) -> Iterator[Counts]:
        """R times: how often each user was drawn, [U]."""
        generator = np.random.default_rng(self.seed)
        for _ in range(self.num_replicates):
            yield np.bincount(generator.integers(0, self.num_users, self.num_users), minlength=self.num_users)


@dataclass(frozen=True, slots=True, eq=False)
class Resampled:
    """One measure of one trained model: on the rows as they are, and on each draw of their users.

    NaN marks a draw in which the measure is undefined, such as an AUC without a positive. All draws are NaN where the
    measure stands on a single user: drawn again, that user says nothing about others.
    """

    value: float | None  # None where undefined, as in auc, gauc and logloss
    replicates: npt.NDArray[np.float64]  # [R]


def over_users(logit: Floats, label: Labels, user: Groups, draws: UserDraws) -> dict[str, Resampled]:
    """Take "auc", "gauc" (weighted by the user's rows) and "logloss" of N rows, as they are and on each draw.

    A user drawn twice counts twice: in the global AUC with all pairs of its rows, in GAUC and logloss with twice the
    weight. Takes about half a second for 27,000 rows, 6,000 users and 1000 draws, and a few numbers per row of memory.

    Args:
        logit: [N], finite.
        label: 0 or 1, [N].
        user: numbers from 0 to U - 1, [N]; a user may be without rows.

    Raises:
        ValueError: a user outside [0, U), lengths that differ, a NaN, a label that is neither 0 nor 1.
    """
    if len(user) and not (user.min() >= 0 and user.max() < draws.num_users):
        raise ValueError(f"users must lie in [0, {draws.num_users}); found {user.min()} to {user.max()}")
    values = (auc(logit, label), gauc(logit, label, user).weighted, logloss(logit, label))
    measures = (
        AucOfDraw.of(logit, label, user),
        _gauc_of_draw(logit, label, user, draws.num_users),
        _logloss_of_draw(logit, label, user, draws.num_users),
    )
    replicates = np.array([[measure(counts) for measure in measures] for counts in draws]).T  # [3, R]
    replicates[[measure.num_users < 2 for measure in measures]] = np.nan
    names = ("auc", "gauc", "logloss")
    return {name: Resampled(*both) for name, *both in zip(names, values, replicates, strict=True)}


@dataclass(frozen=True, slots=True, eq=False)
class AucOfDraw:
    """Exact AUC of rows that count as often as their user was drawn. The rows are sorted once, for all draws."""

    negative_user: npt.NDArray[np.int64]  # users of the negatives, from the lowest score up
    positive_user: npt.NDArray[np.int64]
    below: npt.NDArray[np.int64]  # negatives with a score below that of each positive
    not_above: npt.NDArray[np.int64]  # the same and those it ties with
    num_users: int  # with rows

    @classmethod
    def of(cls, score: Floats, label: Labels, user: Groups) -> AucOfDraw:
        """Sort N rows."""
        order = np.argsort(score, kind="stable")
        score, is_positive, user = score[order], label[order].astype(bool), user[order].astype(np.int64)
        negatives, positives = score[~is_positive], score[is_positive]
        return cls(
            negative_user=user[~is_positive],
            positive_user=user[is_positive],
            below=np.searchsorted(negatives, positives, side="left"),
            not_above=np.searchsorted(negatives, positives, side="right"),
            num_users=len(np.unique(user)),
        )

    def __call__(self, counts: Counts) -> float:
        """Won pairs over all pairs, in integers; NaN without a pair."""
        negatives = np.append(0, np.cumsum(counts[self.negative_user]))
        positives = counts[self.positive_user]
        twice_won = int(positives @ (negatives[self.below] + negatives[self.not_above]))
        pairs = int(positives.sum()) * int(negatives[-1])
        return twice_won / (2 * pairs) if pairs else float("nan")


@dataclass(frozen=True, slots=True, eq=False)
class MeanOfDraw:
    """A weighted mean over users, each of whom counts as often as it was drawn; NaN where no weight was drawn."""

    total: npt.NDArray[np.float64]  # [U] weight x value
    weight: npt.NDArray[np.float64]  # [U]

    @property
    def num_users(self) -> int:
        """Users with a weight."""
        return int(np.count_nonzero(self.weight))

    def __call__(self, counts: Counts) -> float:
        """sum(count x weight x value) / sum(count x weight)."""
        # einsum keeps to one thread: of BLAS's, each waits for the other on a busy machine, and that 2,000 times a cell
        weight = float(np.einsum("u,u->", counts, self.weight))
        return float(np.einsum("u,u->", counts, self.total)) / weight if weight else float("nan")


def _gauc_of_draw(score: Floats, label: Labels, user: Groups, num_users: int) -> MeanOfDraw:
    wins = count_wins(score, label, user)
    counted = wins.pairs > 0
    who, rows = np.unique(user)[counted], wins.rows[counted]  # wins come in the order of the users' numbers
    value = wins.twice_won[counted] / (2 * wins.pairs[counted])
    return MeanOfDraw(_sums(who, rows * value, num_users), _sums(who, rows, num_users))


def _logloss_of_draw(logit: Floats, label: Labels, user: Groups, num_users: int) -> MeanOfDraw:
    ones = np.ones(len(user))
    return MeanOfDraw(_sums(user, row_losses(logit, label), num_users), _sums(user, ones, num_users))


def _sums(user: Groups, value: npt.NDArray[Any], num_users: int) -> npt.NDArray[np.float64]:
    """Sum of the values of each user, [U]."""
    return np.bincount(user, weights=value, minlength=num_users).astype(np.float64)

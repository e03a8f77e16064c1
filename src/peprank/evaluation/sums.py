"""Sums of rows by a code, over batches, and which code a row has."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

Floats = npt.NDArray[np.floating[Any]]
Codes = npt.NDArray[np.int64]
Keys = npt.NDArray[np.int64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio: multiples of it fill the circle evenly


class Sums:
    """For each code from 0 on the sum of its rows; room doubles when a new code needs it.

    Args:
        row_shape: of one row.
        dtype: of the sums.
    """

    def __init__(self, row_shape: tuple[int, ...], dtype: npt.DTypeLike = np.float64) -> None:
        self.totals: Floats = np.zeros((0, *row_shape), dtype)  # [codes, *row_shape], zeros where no row has come yet

    def add(self, codes: Codes, rows: Floats) -> None:
        """Take in rows [B, *row_shape] with their codes [B]."""
        self._make_room(int(codes.max(initial=-1)) + 1)
        rows = rows.astype(self.totals.dtype, copy=False)
        torch.from_numpy(self.totals).index_add_(0, torch.from_numpy(codes), torch.from_numpy(rows))

    def keep(self, codes: Codes) -> None:
        """Forget all but these codes, which are numbered anew in this order."""
        self.totals = self.totals[codes]

    def _make_room(self, num: int) -> None:
        if num > len(self.totals):
            room = np.zeros((max(num, 2 * len(self.totals)), *self.totals.shape[1:]), self.totals.dtype)
            room[: len(self.totals)] = self.totals
            self.totals = room


class Visits:
    """Numbers each (user, domain) that rows come from, and counts the rows of each.

    With very many, a fair sample of the users stands for all: whether a user is in it depends on the user's key alone,
    and it is halved whenever there are too many pairs, so memory has a bound whatever the number of rows and users.

    Args:
        most: pairs to hold at most.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._halvings = 0
        self._code_of: dict[tuple[int, int], int] = {}
        self._rows = Sums(())

    @property
    def keys(self) -> Keys:
        """Key of the user of each code."""
        return np.array([key for key, _ in self._code_of], np.int64)

    @property
    def domains(self) -> Codes:
        """Domain of each code."""
        return np.array([domain for _, domain in self._code_of], np.int64)

    @property
    def rows(self) -> Floats:
        """Rows of each code."""
        return self._rows.totals[: len(self._code_of)]

    def add(self, keys: Keys, domains: Codes) -> Codes:
        """Take in rows [B], whose users must be known; the code of each, -1 where its user is not in the sample."""
        codes = np.full(len(keys), -1, np.int64)
        sampled = np.flatnonzero(is_sampled(keys, self._halvings))
        pairs, inverse = np.unique(np.stack([keys[sampled], domains[sampled]]), axis=1, return_inverse=True)
        known = [self._code_of.setdefault((key, domain), len(self._code_of)) for key, domain in pairs.T.tolist()]
        codes[sampled] = np.array(known, np.int64)[inverse.ravel()]
        self._rows.add(codes[sampled], np.ones(len(sampled)))
        return codes

    def shrink(self) -> Codes | None:
        """Halve the sample until it fits: the codes that stay, numbered anew in this order. None: it fits already."""
        if len(self._code_of) <= self._most:
            return None
        keys, stays = self.keys, np.ones(len(self._code_of), bool)
        while stays.sum() > self._most:
            self._halvings += 1
            stays = is_sampled(keys, self._halvings)
        kept, pairs = np.flatnonzero(stays), list(self._code_of)
        self._code_of = {pairs[code]: new for new, code in enumerate(kept.tolist())}
        self._rows.keep(kept)
        return kept


def is_sampled(keys: Keys, halvings: int) -> npt.NDArray[np.bool_]:
    """Which users [B] are in a sample that was halved so often; those of a smaller sample are in every larger one."""
    if not halvings:
        return np.ones(len(keys), bool)
    stays: npt.NDArray[np.bool_] = (keys.view(np.uint64) * _GOLDEN) >> np.uint64(64 - halvings) == 0
    return stays

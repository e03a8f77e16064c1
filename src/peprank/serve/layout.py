"""Which inputs of a request have a row per candidate, and which a row per user."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from peprank.errors import RequestError

CANDIDATES = "candidates"  # the input that says how many candidates each user has


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How the rows of a request's inputs become the N rows that are scored."""

    num_rows: int  # N
    num_users: int  # U; N where no input has fewer rows
    per_user: frozenset[str] = frozenset()  # inputs of U rows that stand for N
    user_of_row: NDArray[np.int64]  # [N], ascending


def layout_of(rows: Mapping[str, int], per_item: Collection[str], candidates: NDArray[np.int64] | None) -> Layout:
    """Layout of a request.

    Args:
        rows: input -> its number of rows.
        per_item: inputs that must have N rows; the others may have one row per user.
        candidates: rows of each user [U], one user after the other; None: one user, or as many as there are rows.

    Raises:
        RequestError: an input has another number of rows.
    """
    num_rows = _num_rows(rows, per_item)
    if candidates is not None and candidates.sum() != num_rows:
        found = f"input '{CANDIDATES}' counts {candidates.sum()} rows, but {_widest(rows, num_rows)!r} has {num_rows}"
        raise RequestError(f"{found}; make the two agree")
    num_users = 1 if candidates is None else len(candidates)
    _check(rows, num_rows, num_users, is_told=candidates is not None)
    fewer = {name for name, count in rows.items() if count == num_users and name not in per_item}
    if not fewer or (candidates is None and num_rows == 1):
        return Layout(num_rows=num_rows, num_users=num_rows, user_of_row=np.arange(num_rows))
    counts = np.array([num_rows]) if candidates is None else candidates
    user_of_row = np.repeat(np.arange(num_users), counts)
    return Layout(num_rows=num_rows, num_users=num_users, per_user=frozenset(fewer), user_of_row=user_of_row)


def _num_rows(rows: Mapping[str, int], per_item: Collection[str]) -> int:
    first: dict[int, str] = {}  # number of rows -> an item input that has it
    for name, count in rows.items():
        if name in per_item:
            first.setdefault(count, name)
    if len(first) > 1:
        (count, name), (other_count, other) = list(first.items())[:2]
        found = f"inputs {name!r} and {other!r} have {count} and {other_count} rows"
        raise RequestError(f"{found}; give each input of the item side one row per candidate")
    return next(iter(first)) if first else max(rows.values())


def _widest(rows: Mapping[str, int], num_rows: int) -> str:
    return next(name for name, count in rows.items() if count == num_rows)


def _check(rows: Mapping[str, int], num_rows: int, num_users: int, *, is_told: bool) -> None:
    for name, count in rows.items():
        if count not in (num_rows, num_users):
            users = f"{num_users}, one per user" if is_told else "1 if all rows share it"
            remedy = "" if is_told else f"; for several users, count the rows of each in the input '{CANDIDATES}'"
            raise RequestError(f"input {name!r} has {count} rows; give it {num_rows}, or {users}{remedy}")

"""What was known about a user, a video or a pair of both before a row's day, as small ids that an embedding can take.

Every number here is summed over the days *strictly before* the row's day, so no row sees its own outcome nor that of
any row of its day.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

NUM_COUNT_BUCKETS = 32  # ids of `count_bucket`
NUM_LIFT_BUCKETS = 66  # ids of `lift_bucket`: never seen, then 65 steps
_LIFT_STEP = 0.1  # log-odds per bucket: 65 of them reach from 1/25 to 25 times the odds


class EarlierDays:
    """Sums over the days before each row's day, among the rows that share its key.

    Args:
        key: which rows belong together.
        day: number of the row's day; any origin.

    Shapes: key, day int64 [N].

    Example:
        >>> earlier = EarlierDays(key=np.array([7, 7, 7, 8]), day=np.array([1, 1, 2, 2]))
        >>> earlier.total(np.array([1, 1, 1, 1]))
        array([0, 0, 2, 0])
        >>> earlier.days_since()
        array([0, 0, 1, 0])
    """

    def __init__(self, key: IntArray, day: IntArray) -> None:
        self._order = np.lexsort((day, key))
        key, day = key[self._order], day[self._order]
        is_new_key = np.append(True, key[1:] != key[:-1])[: len(key)]
        is_new_run = is_new_key | np.append(True, day[1:] != day[:-1])[: len(key)]  # a run: one day of one key
        place = np.arange(len(key))
        self._day = day
        self._key_start = np.maximum.accumulate(np.where(is_new_key, place, 0))
        self._run_start = np.maximum.accumulate(np.where(is_new_run, place, 0))

    def total(self, values: npt.NDArray[np.integer]) -> IntArray:
        """Sum of `values` over the key's earlier days. Shapes: int [N] -> int64 [N]."""
        running = np.append(0, np.cumsum(values[self._order], dtype=np.int64))
        return self._in_row_order(running[self._run_start] - running[self._key_start])

    def days_since(self) -> IntArray:
        """Days since the key's last earlier day; 0 where it has none. Shapes: int64 [N]."""
        last = self._day[np.maximum(self._run_start - 1, 0)]
        return self._in_row_order(np.where(self._run_start > self._key_start, self._day - last, 0))

    def _in_row_order(self, values: IntArray) -> IntArray:
        out = np.empty_like(values)
        out[self._order] = values
        return out


def smoothed_rate(count: IntArray, exposures: IntArray, prior: FloatArray | float, strength: float) -> FloatArray:
    """(count + strength prior) / (exposures + strength): the mean of a Beta posterior. Shapes: [N] each -> [N]."""
    return (count + strength * prior) / (exposures + strength)


def lift_bucket(rate: FloatArray, prior: FloatArray, exposures: IntArray) -> npt.NDArray[np.uint8]:
    """Id of log-odds(rate) - log-odds(prior): 33 is "as expected", 0 is kept for what was never exposed.

    Shapes: rate, prior [N] in (0, 1), exposures [N] -> ids [N] in [0, NUM_LIFT_BUCKETS).

    Example:
        >>> lift_bucket(np.array([0.5, 0.9, 0.5]), np.array([0.5, 0.5, 0.5]), np.array([3, 3, 0]))
        array([33, 55,  0], dtype=uint8)
    """
    lift = np.log(rate / (1 - rate)) - np.log(prior / (1 - prior))
    middle = NUM_LIFT_BUCKETS // 2
    bucket = np.clip(np.rint(lift / _LIFT_STEP) + middle, 1, NUM_LIFT_BUCKETS - 1)
    return np.where(exposures > 0, bucket, 0).astype(np.uint8)


def count_bucket(count: npt.NDArray[np.integer | np.floating]) -> npt.NDArray[np.uint8]:
    """Id of a count in half octaves: 0 for less than 1, else 1 + floor(2 log2 count), the last one open above.

    Shapes: [N] -> ids [N] in [0, NUM_COUNT_BUCKETS).

    Example:
        >>> count_bucket(np.array([0, 1, 2, 3, 4, 10**9]))
        array([ 0,  1,  3,  4,  5, 31], dtype=uint8)
    """
    bucket = 1 + np.floor(2 * np.log2(np.maximum(count, 1)))
    return np.where(count >= 1, np.minimum(bucket, NUM_COUNT_BUCKETS - 1), 0).astype(np.uint8)

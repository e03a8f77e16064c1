from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from peprank.datasets.statistics import (
    NUM_COUNT_BUCKETS,
    NUM_LIFT_BUCKETS,
    EarlierDays,
    count_bucket,
    lift_bucket,
    smoothed_rate,
)

ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(0, 1)), max_size=40)


@given(rows=ROWS)
def test_totals_and_days_since_equal_a_loop_over_all_pairs_of_rows(rows: list[tuple[int, int, int]]) -> None:
    key, day, label = (np.array([row[k] for row in rows], dtype=np.int64) for k in range(3))
    earlier = EarlierDays(key, day)
    total, since = earlier.total(label), earlier.days_since()
    for i, (k, d, _) in enumerate(rows):
        before = [(other_day, y) for other_key, other_day, y in rows if other_key == k and other_day < d]
        assert total[i] == sum(y for _, y in before)
        assert since[i] == (d - max(other_day for other_day, _ in before) if before else 0)


@given(rows=ROWS.filter(bool), seed=st.integers(0, 9))
def test_labels_of_the_same_or_later_days_change_no_total(rows: list[tuple[int, int, int]], seed: int) -> None:
    key, day, label = (np.array([row[k] for row in rows], dtype=np.int64) for k in range(3))
    now = day[seed % len(rows)]
    flipped = np.where(day >= now, 1 - label, label)
    earlier = EarlierDays(key, day)
    assert (earlier.total(label)[day <= now] == earlier.total(flipped)[day <= now]).all()


def test_smoothed_rate_is_the_prior_without_rows_and_half_way_after_as_many_rows_as_its_strength() -> None:
    rate = smoothed_rate(np.array([0, 20]), np.array([0, 20]), 0.5, strength=20.0)
    assert rate.tolist() == [0.5, 0.75]  # (0 + 10) / 20, (20 + 10) / 40


def test_a_lift_of_zero_is_the_middle_bucket_and_bucket_zero_is_for_what_was_never_exposed() -> None:
    rate, prior = np.array([0.2, 0.2, 0.5, 0.999999, 0.000001]), np.array([0.2, 0.2, 0.2, 0.5, 0.5])
    # log-odds(0.5) - log-odds(0.2) = ln 4 = 1.386: 14 steps of 0.1 above the middle; the last two are out of reach
    assert lift_bucket(rate, prior, np.array([5, 0, 5, 5, 5])).tolist() == [33, 0, 47, NUM_LIFT_BUCKETS - 1, 1]


@given(st.lists(st.integers(0, 10**12), min_size=1))
def test_count_buckets_ascend_with_the_count_and_stay_in_range(counts: list[int]) -> None:
    buckets = count_bucket(np.array(sorted(counts)))
    assert (np.diff(buckets.astype(np.int64)) >= 0).all()
    assert buckets.max() < NUM_COUNT_BUCKETS


def test_no_rows_give_no_statistics() -> None:
    nothing = np.zeros(0, dtype=np.int64)
    earlier = EarlierDays(nothing, nothing)
    assert earlier.total(nothing).tolist() == earlier.days_since().tolist() == []

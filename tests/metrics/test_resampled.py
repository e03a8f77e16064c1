from __future__ import annotations

from math import isnan, log
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peprank.metrics import UserDraws, auc, gauc, logloss, over_users
from peprank.metrics.resampled import AucOfDraw
from tests.metrics.drawn import Table, tables

NUM_USERS = 4


def of_users(table: Table) -> Table:
    """The table with users from 0 to NUM_USERS - 1, and scores that have a logloss."""
    score, label, group = table
    return np.clip(score, -30, 30).astype(np.float32), label, group % NUM_USERS


def repeated(table: Table, counts: npt.NDArray[Any]) -> Table:
    """Each row as often as its user was drawn."""
    times = counts[table[2]]
    score, label, user = (np.repeat(column, times) for column in table)
    return score, label, user


def naive_gauc(table: Table, counts: npt.NDArray[Any]) -> float | None:
    """A loop over the drawn users; one drawn twice is there twice."""
    score, label, user = table
    won = rows = 0.0
    for one, times in enumerate(counts):
        own = user == one
        value = auc(score[own], label[own])
        if value is not None:
            won, rows = won + times * int(own.sum()) * value, rows + times * int(own.sum())
    return won / rows if rows else None


def undefined_is_nan(value: float | None) -> float:
    return float("nan") if value is None else value


@given(tables(), st.integers(0, 2**31))
def test_each_replicate_is_the_measure_of_the_repeated_rows(table: Table, seed: int) -> None:
    table = of_users(table)
    draws = UserDraws(num_users=NUM_USERS, num_replicates=5, seed=seed)
    found = over_users(*table, draws)
    seen = 0
    for k, counts in enumerate(draws):
        score, label, _ = repeated(table, counts)
        expected = {"auc": auc(score, label), "gauc": naive_gauc(table, counts), "logloss": logloss(score, label)}
        for name, value in expected.items():
            if not np.isnan(found[name].replicates).all():  # a measure of a single user; tested by hand below
                got = float(found[name].replicates[k])
                assert got == pytest.approx(undefined_is_nan(value), abs=1e-12, nan_ok=True)
        seen += 1
    assert seen == 5


@given(tables())
def test_the_values_are_those_of_the_plain_measures(table: Table) -> None:
    score, label, user = of_users(table)
    found = over_users(score, label, user, UserDraws(num_users=NUM_USERS, num_replicates=1))
    assert found["auc"].value == auc(score, label)
    assert found["gauc"].value == gauc(score, label, user).weighted
    assert found["logloss"].value == logloss(score, label)


@given(tables())
def test_users_drawn_once_each_give_the_plain_auc_to_the_last_bit(table: Table) -> None:
    score, label, user = table[0], table[1], table[2] % NUM_USERS
    on_draw = AucOfDraw.of(score, label, user)(np.ones(NUM_USERS, np.int64))
    plain = auc(score, label)
    assert isnan(on_draw) if plain is None else on_draw == plain


@given(tables(), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(table: Table, random: Any) -> None:
    score, label, user = of_users(table)
    order = list(range(len(score)))
    random.shuffle(order)
    draws = UserDraws(num_users=NUM_USERS, num_replicates=3)
    found, shuffled = over_users(score, label, user, draws), over_users(score[order], label[order], user[order], draws)
    np.testing.assert_array_equal(found["auc"].replicates, shuffled["auc"].replicates)
    np.testing.assert_array_equal(found["gauc"].replicates, shuffled["gauc"].replicates)
    np.testing.assert_allclose(found["logloss"].replicates, shuffled["logloss"].replicates, rtol=1e-12)


def test_replicates_of_a_table_by_hand() -> None:
    draws = UserDraws(num_users=2, num_replicates=40, seed=1)
    assert {tuple(counts) for counts in draws} == {(2, 0), (1, 1), (0, 2)}
    logit, label = np.array([0.0, 0.0, 2.0, 1.0], np.float32), np.array([1, 0, 0, 1])
    found = over_users(logit, label, np.array([0, 0, 1, 1]), draws)
    # user 0 alone: a tie; user 1 alone: lost; both: a tie, a win against user 0 and two losses against user 1
    auc_of = {(2, 0): 0.5, (0, 2): 0.0, (1, 1): (0.5 + 0 + 1 + 0) / 4}
    gauc_of = {(2, 0): 0.5, (0, 2): 0.0, (1, 1): 0.25}
    loss_1 = (log(1 + np.exp(2.0)) + log(1 + np.exp(-1.0))) / 2
    loss_of = {(2, 0): log(2), (0, 2): loss_1, (1, 1): (log(2) + loss_1) / 2}
    for name, expected in (("auc", auc_of), ("gauc", gauc_of), ("logloss", loss_of)):
        by_hand = [expected[int(counts[0]), int(counts[1])] for counts in draws]
        np.testing.assert_allclose(found[name].replicates, by_hand, rtol=1e-12)


def test_draws_are_the_same_each_time_and_multinomial() -> None:
    draws = UserDraws(num_users=50, num_replicates=400, seed=3)
    first, again = np.stack(list(draws)), np.stack(list(draws))
    np.testing.assert_array_equal(first, again)
    assert first.shape == (400, 50)
    assert (first.sum(axis=1) == 50).all()
    assert first.mean() == 1
    assert first.var() == pytest.approx(1 - 1 / 50, rel=0.03)  # of Binomial(U, 1/U)
    assert not np.array_equal(first, np.stack(list(UserDraws(num_users=50, num_replicates=400, seed=4))))


def test_a_draw_without_a_positive_has_no_auc_but_a_logloss() -> None:
    draws = UserDraws(num_users=3, num_replicates=200)
    found = over_users(np.array([1.0, 0, 0], np.float32), np.array([1, 0, 0]), np.arange(3), draws)
    undrawn = np.array([counts[0] == 0 or counts[0] == 3 for counts in draws])
    assert 0 < undrawn.sum() < 200
    np.testing.assert_array_equal(np.isnan(found["auc"].replicates), undrawn)
    assert not np.isnan(found["logloss"].replicates).any()
    assert found["gauc"].value is None
    assert np.isnan(found["gauc"].replicates).all()


def test_a_single_user_has_values_but_no_replicates() -> None:
    label, user = np.array([0, 1, 1]), np.full(3, 2)
    found = over_users(np.array([0.0, 1, 2], np.float32), label, user, UserDraws(num_users=5, num_replicates=50))
    assert found["auc"].value == found["gauc"].value == 1.0
    assert all(np.isnan(measure.replicates).all() for measure in found.values())


@pytest.mark.parametrize("num_users", [1, 3])
def test_no_rows_have_neither_values_nor_replicates(num_users: int) -> None:
    none = np.zeros(0, np.int64)
    found = over_users(np.zeros(0, np.float32), none, none, UserDraws(num_users=num_users, num_replicates=4))
    assert [measure.value for measure in found.values()] == [None, None, None]
    assert all(np.isnan(measure.replicates).all() and len(measure.replicates) == 4 for measure in found.values())


@pytest.mark.parametrize("user", [[0, 3], [-1, 0]])
def test_users_outside_the_draws_are_refused(user: list[int]) -> None:
    with pytest.raises(ValueError, match=rf"^users must lie in \[0, 3\); found {user[0]} to {user[1]}$"):
        over_users(np.zeros(2, np.float32), np.array([0, 1]), np.array(user), UserDraws(num_users=3))

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peprank.metrics import Resampled, UserDraws, holm, mean_over_seeds, over_users, paired

NUM_USERS, NUM_REPLICATES = 60, 200


def constant(value: float, num_replicates: int = 99) -> Resampled:
    """A measure that is the same on all users."""
    return Resampled(value, np.full(num_replicates, value))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


class MadeUp:
    """Rows of users with tastes of their own, and models that see the truth through noise of users, rows and seeds."""

    def __init__(self, seed: int) -> None:
        self.random = rng(seed)
        self.user = np.repeat(np.arange(NUM_USERS), 8)
        self.truth = self.random.standard_normal(len(self.user)) + self.random.standard_normal(NUM_USERS)[self.user]
        self.label = (self.random.random(len(self.user)) < 1 / (1 + np.exp(-self.truth))).astype(np.int64)
        self.draws = UserDraws(num_users=NUM_USERS, num_replicates=NUM_REPLICATES, seed=seed)

    def model(self, *, noise: float, num_seeds: int = 2) -> list[Resampled]:
        """AUC of seeds that share the model's own view of users and rows, and differ by noise per row."""
        own = noise * (self.random.standard_normal(NUM_USERS)[self.user] + self.noise())
        return [self.auc(self.truth + own + 0.3 * self.noise()) for _ in range(num_seeds)]

    def noise(self) -> npt.NDArray[np.float64]:
        return self.random.standard_normal(len(self.user))

    def auc(self, score: npt.NDArray[np.float64]) -> Resampled:
        return over_users(score.astype(np.float32), self.label, self.user, self.draws)["auc"]


def p_value(a: list[Resampled], b: list[Resampled]) -> float:
    difference = paired(a, b, rng())
    assert difference is not None
    return difference.p


def test_models_that_are_equally_good_differ_by_chance_only() -> None:
    p = []
    for seed in range(100):
        data = MadeUp(seed)
        p.append(p_value(data.model(noise=0.7), data.model(noise=0.7)))
    # about uniform; a share of n = 100 has a standard error of at most 0.05
    assert np.mean(np.array(p) < 0.05) <= 0.1
    assert np.mean(np.array(p) < 0.5) == pytest.approx(0.5, abs=0.15)
    assert np.mean(p) == pytest.approx(0.5, abs=0.1)


def test_a_planted_difference_is_found_and_its_interval_holds_it() -> None:
    found = []
    for seed in range(80):
        data = MadeUp(1000 + seed)
        found.append(paired(data.model(noise=0.2, num_seeds=3), data.model(noise=1.8, num_seeds=3), rng()))
    differences = [difference for difference in found if difference is not None]
    assert len(differences) == 80
    truth = np.mean([difference.value for difference in differences])  # on average over users, models and seeds
    assert truth > 0.05
    assert sum(difference.low <= truth <= difference.high for difference in differences) >= 80 * 0.9
    assert sum(difference.p < 0.05 for difference in differences) >= 80 * 0.8


@pytest.mark.parametrize("num_seeds", [2, 3, 5])
def test_the_noise_of_few_seeds_alone_makes_no_false_alarm(num_seeds: int) -> None:
    # Users all alike, so seeds are the only noise: where a bootstrap over 5 seeds has p < 0.05 in 12 % of the cases.
    random, alarms = rng(7), 0
    for _ in range(800):
        a, b = ([constant(value) for value in random.normal(0.7, 0.01, num_seeds)] for _ in "ab")
        difference = paired(a, b, random)
        assert difference is not None
        alarms += difference.p < 0.05
    assert alarms / 800 < 0.075


def test_the_interval_of_a_mean_over_seeds_is_students() -> None:
    # 0.70 and 0.74: standard error 0.02, one degree of freedom, whose 97.5 % point is 12.706
    mean = mean_over_seeds([constant(0.70, 40_000), constant(0.74, 40_000)], rng())
    assert mean is not None
    assert mean.value == pytest.approx(0.72)
    assert mean.high - mean.value == pytest.approx(12.706 * 0.02, rel=0.05)
    assert mean.value - mean.low == pytest.approx(12.706 * 0.02, rel=0.05)
    assert mean.num_replicates == 40_000


def test_welchs_degrees_of_freedom() -> None:
    # Squared standard errors 0.0004 of 2 seeds and 0.0001 of 3: (0.0005)^2 / (0.0004^2 / 1 + 0.0001^2 / 2) = 1.515
    # degrees of freedom, whose 97.5 % point lies at 5.933
    values_a, values_b = [0.70, 0.74], [0.68, 0.68 + 3**0.5 / 100, 0.68 - 3**0.5 / 100]
    assert np.var(values_b, ddof=1) / 3 == pytest.approx(0.0001)
    a, b = ([constant(value, 40_000) for value in values] for values in (values_a, values_b))
    difference = paired(a, b, rng())
    assert difference is not None
    assert difference.high - difference.value == pytest.approx(5.933 * 0.0005**0.5, rel=0.07)


def test_one_seed_each_leaves_the_users_only() -> None:
    data = MadeUp(5)
    (a,), (b,) = data.model(noise=0.2, num_seeds=1), data.model(noise=2.5, num_seeds=1)
    difference = paired([a], [b], rng())
    assert difference is not None
    replicates = a.replicates - b.replicates
    assert (difference.low, difference.high) == pytest.approx(np.quantile(np.tile(replicates, 2), [0.025, 0.975]))
    below = np.count_nonzero(replicates <= 0)
    assert difference.p == pytest.approx(2 * (1 + min(below, NUM_REPLICATES - below)) / (NUM_REPLICATES + 1))


def test_the_smallest_p_is_two_over_the_draws_and_one() -> None:
    assert p_value([constant(0.8, 999)], [constant(0.7, 999)]) == 2 / 1000


def test_a_model_against_itself_differs_by_nothing() -> None:
    model = MadeUp(3).model(noise=0.5, num_seeds=1)
    difference = paired(model, model, rng())
    assert difference is not None
    assert (difference.value, difference.low, difference.high, difference.p) == (0, 0, 0, 1)


@given(st.integers(0, 2**31), st.integers(1, 4), st.integers(1, 4))
def test_b_against_a_is_a_against_b_mirrored(seed: int, num_a: int, num_b: int) -> None:
    random = rng(seed)
    a, b = ([Resampled(random.random(), random.random(20)) for _ in range(num)] for num in (num_a, num_b))
    ahead, behind = paired(a, b, rng(1)), paired(b, a, rng(1))
    assert ahead is not None
    assert behind is not None
    assert behind.value == -ahead.value
    assert (behind.low, behind.high) == pytest.approx((-ahead.high, -ahead.low), abs=1e-12)
    assert behind.p == ahead.p


@given(st.permutations(range(4)))
def test_the_order_of_the_seeds_does_not_matter(order: list[int]) -> None:
    model = MadeUp(11).model(noise=0.5, num_seeds=4)
    other = [constant(0.7, NUM_REPLICATES)]
    found, shuffled = paired(model, other, rng()), paired([model[k] for k in order], other, rng())
    assert found is not None
    assert shuffled is not None
    assert (shuffled.value, shuffled.low, shuffled.high) == pytest.approx((found.value, found.low, found.high))


def test_draws_without_a_value_are_left_out_and_counted() -> None:
    with_gaps = Resampled(0.8, np.array([0.8, np.nan, 0.9, np.nan]))
    difference = paired([with_gaps], [constant(0.5, 4)], rng())
    assert difference is not None
    assert difference.num_replicates == 2
    assert difference.p == 2 / 3
    assert 0.3 <= difference.low <= difference.high <= 0.4


def test_what_is_undefined_is_none() -> None:
    undefined = Resampled(None, np.full(99, np.nan))
    one_user = Resampled(0.7, np.full(99, np.nan))
    for model in ([undefined], [constant(0.7), undefined], [one_user]):
        assert paired(model, [constant(0.5)], rng()) is None
        assert paired([constant(0.5)], model, rng()) is None
        assert mean_over_seeds(model, rng()) is None


def test_models_of_other_draws_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"^the models were not judged on the same draws of users: there are 9 and 99 o"
    ):
        paired([constant(0.5, 9)], [constant(0.5)], rng())


def test_a_model_without_a_seed_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^a model without a seed has no mean$"):
        paired([], [constant(0.5)], rng())


def test_holm_by_hand() -> None:
    # sorted 0.01 0.03 0.04: times 3, 2, 1 is 0.03 0.06 0.04; the last may not fall below 0.06
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_equals_a_loop_and_keeps_the_order(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    largest = 0.0
    for rank, k in enumerate(sorted(range(len(p_values)), key=lambda k: p_values[k])):
        largest = max(largest, (len(p_values) - rank) * p_values[k])
        assert adjusted[k] == pytest.approx(min(1.0, largest))
        assert adjusted[k] >= p_values[k]

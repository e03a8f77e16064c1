"""Every rival against its loops in NumPy."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.reference.rivals import EVERY_RIVAL, Twins

every_rival = pytest.mark.parametrize("twins", EVERY_RIVAL.values(), ids=EVERY_RIVAL)


@every_rival
def test_a_rival_equals_its_loops(twins: Callable[[], Twins]) -> None:
    assert twins().forward_deviation() <= 1e-12


@every_rival
def test_its_gradients_are_finite_differences_of_the_loops(twins: Callable[[], Twins]) -> None:
    assert twins().gradient_deviation() <= 1e-6

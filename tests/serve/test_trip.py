"""How long a request may wait."""

from __future__ import annotations

import math

import pytest

from peprank.errors import RequestError
from peprank.serve.trip import Trip, patience_of


@pytest.mark.parametrize(
    ("timeout", "default_s", "patience_s"),
    [
        (None, 0.5, 0.5),
        (0, 0.5, 0.5),
        (20_000, 0.5, 0.02),
        (20_000, math.inf, 0.02),
        (10**30, 0.5, 0.5),  # a client may ask for less than the server allows, not for more
    ],
)
def test_a_client_may_shorten_its_deadline(timeout: int | None, default_s: float, patience_s: float) -> None:
    parameters = {} if timeout is None else {"timeout": timeout}
    assert patience_of(parameters, default_s) == patience_s


@pytest.mark.parametrize(("timeout", "shown"), [(-1, "-1"), (1.5, "1.5"), (True, "True"), ("9" * 99, "'" + 39 * "9")])
def test_a_timeout_that_is_no_number_of_microseconds_is_refused(timeout: str | float, shown: str) -> None:
    with pytest.raises(RequestError) as refused:
        patience_of({"timeout": timeout}, 1.0)
    assert str(refused.value) == f"parameters.timeout = {shown}: must be a whole number of microseconds, 0 or more"
    assert refused.value.status == 400


def test_a_deadline_counts_from_the_start() -> None:
    trip = Trip(clock=lambda: 7.0, started_s=5.0)
    assert trip.deadline_s == math.inf
    trip.expire_after(0.25)
    assert trip.deadline_s == 5.25

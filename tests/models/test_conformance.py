"""Every line of the model page's conformance list."""

from __future__ import annotations

import pytest

from tests.models.conformance import CLAIMS, Claim
from tests.shared import needs_shared


@pytest.mark.parametrize(
    "claim",
    [pytest.param(c, marks=[needs_shared] if c.needs_fixtures else [], id=f"line {c.line}: {c.text}") for c in CLAIMS],
)
def test_pepnet_keeps(claim: Claim) -> None:
    assert claim.measure() <= claim.bound


def test_every_line_of_the_list_is_measured() -> None:
    assert {claim.line for claim in CLAIMS} == set(range(1, 10))

"""Gate statistics, held to loops over rows and units."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from peprank.encode.encoder import NO_KEY
from peprank.evaluation import Gate, GateCell, Gates, GateStatistics, Spread, gate_statistics
from peprank.evaluation.gates import QUANTILES
from peprank.evaluation.sums import Sums, Visits
from peprank.models import GateValues
from tests.contract.models import PAPER

WIDTH = PAPER.group("all").dim
FIELDS = {"user": 4, "item": 4, "tab": 4, "tags": 4, "words": 2, "price": 1}
DOMAINS = ("home", "search", "ads")


@dataclass(frozen=True)
class Drawn:
    """Made-up gates on some rows."""

    gates: tuple[GateValues, ...]
    domains: npt.NDArray[np.int64]
    users: npt.NDArray[np.int64]

    def rows(self, part: slice) -> list[GateValues]:
        return [replace(gate, values=gate.values[part]) for gate in self.gates]


def drawn(seed: int, num_rows: int, *, num_users: int = 5) -> Drawn:
    """EPNet's gate, one of a hidden layer with another γ, and a mixture."""
    g = np.random.default_rng(seed)
    wide = 1 / (1 + np.exp(-g.normal(0, 4, (num_rows, WIDTH))))
    shares = np.exp(g.normal(0, 2, (num_rows, 3)))
    users = g.integers(0, num_users, num_rows)
    return Drawn(
        (
            GateValues(gate="EPNet", values=torch.tensor(2 * wide).float(), gamma=2.0, group="all"),
            GateValues(
                gate="PPNet", layer="layer 1", task="click", values=torch.tensor(3 * wide[:, :5]).float(), gamma=3.0
            ),
            GateValues(
                gate="MMoE",
                task="like",
                values=torch.tensor(shares / shares.sum(1, keepdims=True)).float(),
                experts=("a", "b", "c"),
            ),
        ),
        g.integers(0, len(DOMAINS), num_rows),
        np.where(g.random(num_rows) < 0.1, NO_KEY, users * 7919 - 3),
    )


def told(rows: Drawn, *, batch_rows: int = 10**9, with_users: bool = True) -> tuple[Gate, ...]:
    statistics = GateStatistics(PAPER)
    for start in range(0, len(rows.domains), batch_rows):
        part = slice(start, start + batch_rows)
        statistics.add(rows.rows(part), rows.domains[part], rows.users[part] if with_users else None)
    return statistics.gates(DOMAINS[: rows.domains.max(initial=-1) + 1])


def cell_by_loops(gate: GateValues, units: range, rows: Sequence[int], users: Sequence[int]) -> GateCell:
    """A cell from its definition, number by number."""
    gamma = gate.gamma or 1.0
    neutral = 1.0 if gate.gamma else 1 / gate.values.shape[1]
    numbers = [float(gate.values[b, u]) for b in rows for u in units]
    of_user: dict[int, list[float]] = {}
    for b in rows:
        if users[b] != NO_KEY:
            of_user.setdefault(users[b], []).extend(float(gate.values[b, u]) for u in units)
    means = sorted(sum(each) / len(each) for each in of_user.values())
    middle = sum(means) / len(means) if means else 0.0
    spread = Spread(
        users=len(means),
        std=(sum((mean - middle) ** 2 for mean in means) / max(1, len(means))) ** 0.5,
        quantiles=tuple(quantile(means, q) for q in QUANTILES) if means else (),
    )
    return GateCell(
        rows=len(rows),
        mean=sum(numbers) / len(numbers),
        moved=sum(abs(number - neutral) for number in numbers) / len(numbers),
        low=sum(number < 0.05 * gamma for number in numbers) / len(numbers),
        high=sum(number > 0.95 * gamma for number in numbers) / len(numbers),
        spread=spread if means else None,
    )


def quantile(values: Sequence[float], q: float) -> float:
    place = q * (len(values) - 1)
    below = int(place)
    above = min(below + 1, len(values) - 1)
    return values[below] + (place - below) * (values[above] - values[below])


def check(found: GateCell, expected: GateCell) -> None:
    for name in ("mean", "moved", "low", "high"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), abs=2e-6), name
    assert found.rows == expected.rows
    assert (found.spread is None) == (expected.spread is None)
    if found.spread is not None and expected.spread is not None:
        assert found.spread.users == expected.spread.users
        assert found.spread.std == pytest.approx(expected.spread.std, abs=2e-6)
        assert found.spread.quantiles == pytest.approx(expected.spread.quantiles, abs=2e-6)


def parts_of(gate: GateValues) -> dict[str | None, range]:
    """Units of each part."""
    units: dict[str | None, range] = {None: range(gate.values.shape[1])}
    if gate.group:
        ends = np.cumsum(list(FIELDS.values()))
        units |= {name: range(end - FIELDS[name], end) for name, end in zip(FIELDS, ends.tolist(), strict=True)}
    return units | {name: range(k, k + 1) for k, name in enumerate(gate.experts)}


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), num_rows=st.integers(1, 40), batch_rows=st.integers(1, 50))
def test_every_cell_is_what_loops_over_rows_and_units_find(seed: int, num_rows: int, batch_rows: int) -> None:
    rows = drawn(seed, num_rows)
    checked = 0
    for gate, values in zip(told(rows, batch_rows=batch_rows), rows.gates, strict=True):
        for cell in gate.cells:
            code = None if cell.domain is None else DOMAINS.index(cell.domain)
            inside = [b for b in range(num_rows) if code is None or rows.domains[b] == code]
            check(cell, cell_by_loops(values, parts_of(values)[cell.part], inside, rows.users.tolist()))
            checked += 1
        assert gate.parts == tuple(name for name in parts_of(values) if name is not None)
        assert gate.units == values.values.shape[1]
    num_domains = len(set(rows.domains.tolist()))
    assert checked == (1 + num_domains) * (1 + len(FIELDS) + 1 + 1 + 3)


def test_domains_come_largest_first_and_all_units_before_the_parts() -> None:
    rows = drawn(1, 6)
    rows = replace(rows, domains=np.array([2, 2, 2, 0, 0, 1]))
    epnet, ppnet, _ = told(rows)
    assert [cell.domain for cell in epnet.cells if cell.part is None] == [None, "ads", "home", "search"]
    assert [cell.part for cell in epnet.cells if cell.domain is None] == [None, *FIELDS]
    assert [cell.part for cell in ppnet.cells] == [None] * 4
    assert epnet.cells[0].domain is None
    assert [gate.title for gate in told(rows)] == ["EPNet", "PPNet click layer 1", "MMoE like"]


def test_without_users_nothing_is_said_of_their_spread() -> None:
    assert all(cell.spread is None for gate in told(drawn(1, 20), with_users=False) for cell in gate.cells)


def test_the_strongest_part_is_the_one_whose_mean_is_farthest_from_neutral() -> None:
    values = torch.ones(4, WIDTH)
    values[:, 4:8], values[:, 16:18] = 0.2, 1.5  # item and words
    statistics = GateStatistics(PAPER)
    statistics.add([GateValues(gate="EPNet", values=values, gamma=2.0, group="all")], np.zeros(4, np.int64))
    (gate,) = statistics.gates()
    assert [cell.part for cell in gate.strongest()][:3] == ["item", "words", "user"]
    assert [cell.mean for cell in gate.strongest()][:2] == pytest.approx([0.2, 1.5])


@pytest.mark.parametrize(
    ("values", "gamma", "reason"),
    [
        (torch.tensor([0.01, 1.99]).repeat(120, 4), 2.0, "100.0% of its numbers are below 5% or above 95% of γ = 2"),
        (torch.full((120, 3), 1.2), 2.0, "its numbers stray by 0 between rows, so it is a constant"),
        (torch.linspace(0.1, 1.9, 360).view(120, 3), 2.0, None),
        (torch.full((99, 3), 1.2), 2.0, None),
        (torch.tensor([[0.99, 0.01]]).repeat(120, 1), None, "'b' gets 99.0% of the mixture"),
        (torch.tensor([[0.5, 0.5]]).repeat(120, 1), None, "its numbers stray by 0 between rows, so it is a constant"),
        (torch.softmax(torch.linspace(-4, 4, 120)[:, None] * torch.tensor([1.0, 0.0]), 1), None, None),
        (torch.ones(120, 1), None, None),
    ],
    ids=["saturated", "constant", "healthy", "few rows", "one expert", "equal shares", "mixes", "nothing to choose"],
)
def test_a_collapsed_gate_says_why(values: torch.Tensor, gamma: float | None, reason: str | None) -> None:
    experts = ("b", "a")[: values.shape[1]] if gamma is None else ()
    statistics = GateStatistics(PAPER)
    gate = GateValues(gate="G", task="click", values=values, gamma=gamma, experts=experts)
    statistics.add([gate], np.zeros(len(values), np.int64))
    (found,) = statistics.gates()
    assert found.collapse == reason
    gates = Gates(model="M", rows=1, user_feature=None, domain_column=None, domains=(), gates=(found,))
    assert gates.warnings == (() if reason is None else (f"G click has collapsed: {reason}",))


def test_how_far_a_gate_strays_between_rows() -> None:
    values = torch.tensor([[1.0, 0.2], [1.0, 0.4], [1.0, 0.6]])  # variances 0 and (0.04 + 0.04) / 3
    statistics = GateStatistics(PAPER)
    for row in range(3):
        statistics.add([GateValues(gate="G", values=values[row : row + 1], gamma=2.0)], np.zeros(1, np.int64))
    (gate,) = statistics.gates()
    assert gate.between_rows == pytest.approx((0.08 / 3 / 2) ** 0.5, abs=1e-6)


def test_json_gives_the_same_gates_back_to_the_last_bit() -> None:
    for with_users in (True, False):
        gates = Gates(
            model="PEPNet",
            rows=30,
            user_feature="user_id" if with_users else None,
            domain_column="tab",
            domains=DOMAINS,
            gates=told(drawn(3, 30), with_users=with_users),
        )
        assert Gates.from_json(json.loads(json.dumps(gates.to_json(), allow_nan=False))) == gates


def test_many_users_are_sampled_fairly_and_memory_stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_statistics, "_MOST_USER_SUMS", 10 * 1000)  # 10 columns: 1,000 (user, domain)
    rows = drawn(5, 20_000, num_users=4000)
    sampled = told(rows, batch_rows=1000)
    monkeypatch.undo()
    for some, whole in zip(sampled, told(rows), strict=True):
        for cell, exact in zip(some.cells, whole.cells, strict=True):
            assert cell.spread is not None
            assert exact.spread is not None
            assert replace(cell, spread=None) == replace(exact, spread=None)
            assert 50 < cell.spread.users <= 1000 < exact.spread.users
            assert cell.spread.std == pytest.approx(exact.spread.std, rel=0.25)


def test_visits_count_the_rows_of_each_user_in_each_domain() -> None:
    visits = Visits(10)
    assert visits.add(np.array([7, 7, 9]), np.array([0, 1, 0])).tolist() == [0, 1, 2]
    assert visits.add(np.array([9, 7]), np.array([0, 1])).tolist() == [2, 1]
    assert (visits.keys.tolist(), visits.domains.tolist(), visits.rows.tolist()) == ([7, 7, 9], [0, 1, 0], [1, 2, 2])
    assert visits.shrink() is None


def test_a_user_who_leaves_the_sample_does_not_come_back() -> None:
    visits, users = Visits(8), np.arange(64)
    first = visits.add(users, users * 0)
    kept = visits.shrink()
    assert kept is not None
    assert 0 < len(kept) <= 8
    again = visits.add(users, users * 0)
    assert np.flatnonzero(again >= 0).tolist() == first[kept].tolist()
    assert again[kept].tolist() == list(range(len(kept)))
    assert visits.rows.tolist() == [2] * len(kept)


def test_sums_grow_with_their_codes() -> None:
    sums = Sums((2,))
    sums.add(np.array([3, 0, 3]), np.array([[1, 2], [3, 4], [5, 6]], np.float32))
    sums.add(np.empty(0, np.int64), np.empty((0, 2), np.float32))
    assert sums.totals.tolist() == [[3, 4], [0, 0], [0, 0], [6, 8]]
    sums.keep(np.array([3, 0]))
    assert sums.totals.tolist() == [[6, 8], [3, 4]]

"""Add up what gates give, batch by batch, and tell it per part and domain. Memory does not grow with the rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from peprank.encode.encoder import NO_KEY
from peprank.evaluation.gate_sums import GateHead, GateSums
from peprank.evaluation.gates import HIGH, LOW, QUANTILES, Gate, GateCell, Spread
from peprank.evaluation.sums import Codes, Floats, Keys, Sums, Visits
from peprank.models import GateValues
from peprank.spec.model import ModelSpec

COLLAPSED_SHARE = 0.95  # of the numbers at an end, or of the mixture for one expert
STILL = 0.001  # of γ: a gate whose numbers stray less than this between rows is a constant
JUDGED_ROWS = 100  # on fewer rows no gate is called collapsed

_MOST_USER_SUMS = 32_000_000  # 128 MB: further users are sampled
_DIGITS = 6  # after the point, about what float32 holds of a number near 1


class GateStatistics:
    """What the gates of a model give, until `gates` tells it.

    Args:
        model: the plan, which knows the fields of each group.
    """

    def __init__(self, model: ModelSpec) -> None:
        self._model = model
        self._gates: list[GateSums] = []
        self._rows = Sums(())  # by domain
        self._visits = Visits(0)

    def add(self, gates: Sequence[GateValues], domains: Codes, users: Keys | None = None) -> None:
        """Take in B rows.

        Args:
            gates: what each gate gives them; the same gates in the same order each time.
            domains: [B], code of each row's domain.
            users: [B], key of each row's user, NO_KEY where there is none; None: users do not matter.
        """
        if not self._gates:
            self._gates = [GateSums(GateHead.of(gate, self._model)) for gate in gates]
            self._visits = Visits(_MOST_USER_SUMS // max(1, sum(len(gate.head.widths) for gate in self._gates)))
        self._rows.add(domains, np.ones(len(domains)))
        rows_of = {int(code): np.flatnonzero(domains == code) for code in np.unique(domains)}
        visits = self._visits_of(users, domains)
        for sums, gate in zip(self._gates, gates, strict=True):
            sums.add(gate.values.float().cpu().numpy(), rows_of, visits)
        if (kept := self._visits.shrink()) is not None:
            for sums in self._gates:
                sums.by_visit.keep(kept)

    @property
    def num_rows(self) -> int:
        """Rows so far."""
        return int(self._rows.totals.sum())

    def domains(self, names: Sequence[str]) -> list[str]:
        """Names of the domains, given by code; the one with most rows first, equal ones by name."""
        return [names[code] for code in self._largest_first(names)]

    def gates(self, domain_names: Sequence[str] = ()) -> tuple[Gate, ...]:
        """Each gate as it was on all rows so far.

        Args:
            domain_names: by code; (): rows are not told apart by domain.
        """
        places = [self._place(None, np.flatnonzero(self._rows.totals).tolist())]
        places += [self._place(domain_names[code], [code]) for code in self._largest_first(domain_names)]
        return tuple(_told(gate, places) for gate in self._gates)

    def _visits_of(self, users: Keys | None, domains: Codes) -> Codes:
        """Code of each row's (user, domain) [B], -1 where the user is not known or not in the sample."""
        visits = np.full(len(domains), -1, np.int64)
        if users is not None:
            known = np.flatnonzero(users != NO_KEY)
            visits[known] = self._visits.add(users[known], domains[known])
        return visits

    def _largest_first(self, names: Sequence[str]) -> list[int]:
        rows = self._rows.totals
        with_rows = [code for code in range(len(names)) if rows[code]]
        return sorted(with_rows, key=lambda code: (-rows[code], names[code]))

    def _place(self, domain: str | None, codes: list[int]) -> _Place:
        visits = np.flatnonzero(np.isin(self._visits.domains, codes))
        _, users = np.unique(self._visits.keys[visits], return_inverse=True)
        rows = int(self._rows.totals[codes].sum())
        return _Place(domain, codes, rows, visits, users, self._visits.rows[visits])


@dataclass(frozen=True, slots=True)
class _Place:
    """The rows of a domain, or all rows."""

    domain: str | None
    codes: list[int]  # of the domains in it
    rows: int
    visits: Codes  # codes of each (user, domain) in it
    users: Codes  # number of the user of each visit, from 0 on
    visit_rows: Floats  # rows of each visit

    def means_of_users(self, by_visit: Sums) -> Floats:
        """Mean of each user's rows [users, C]."""
        num_users = int(self.users.max(initial=-1)) + 1
        sums, rows = Sums(by_visit.totals.shape[1:]), Sums(())
        sums.add(self.users, by_visit.totals[self.visits])
        rows.add(self.users, self.visit_rows)
        return sums.totals[:num_users] / rows.totals[:num_users, None]


def _told(gate: GateSums, places: Sequence[_Place]) -> Gate:
    """A gate on each of these places, all rows first."""
    head, between_rows = gate.head, _between_rows(gate, places[0].rows)
    cells = tuple(chain.from_iterable(zip(*(_cells(gate, place) for place in places), strict=True)))
    return Gate(
        name=head.name,
        layer=head.layer,
        task=head.task,
        gamma=head.gamma,
        units=head.units,
        between_rows=round(between_rows, _DIGITS),
        collapse=_collapse(head, [cell for cell in cells if cell.domain is None], between_rows),
        cells=cells,
    )


def _cells(gate: GateSums, place: _Place) -> Iterator[GateCell]:
    """All units of a gate on these rows, then each part."""
    head = gate.head
    whole = np.array(head.widths)[:, None] / head.units  # [C, 1]
    parts = np.eye(len(head.widths))[:, : len(head.parts)]
    shares = np.concatenate([whole, parts], axis=1)  # [C, 1 + parts]: what a column counts in each cell
    sums = np.sum([gate.by_domain[code] for code in place.codes], axis=0)  # [4, C]
    numbers = sums / place.rows @ shares  # [4, 1 + parts]
    spreads = _spreads(place.means_of_users(gate.by_visit) @ shares)
    for name, (mean, moved, low, high), spread in zip((None, *head.parts), _rounded(numbers.T), spreads, strict=True):
        yield GateCell(
            part=name, domain=place.domain, rows=place.rows, mean=mean, moved=moved, low=low, high=high, spread=spread
        )


def _spreads(means: Floats) -> list[Spread | None]:
    """For each column how the users' means [users, C] differ; None without users."""
    num_users, num_columns = means.shape
    if not num_users:
        return [None] * num_columns
    stds, quantiles = _rounded(means.std(axis=0)), _rounded(np.quantile(means, QUANTILES, axis=0).T)
    return [Spread(users=num_users, std=s, quantiles=tuple(q)) for s, q in zip(stds, quantiles, strict=True)]


def _rounded(values: Floats) -> list[Any]:
    rounded: list[Any] = values.round(_DIGITS).tolist()
    return rounded


def _between_rows(gate: GateSums, rows: int) -> float:
    """Standard deviation of a unit's numbers over the rows, as the root mean square over the units."""
    variances = gate.squares / rows - (gate.numbers / rows) ** 2  # [U]
    return float(np.sqrt(np.maximum(variances, 0).mean()))


def _collapse(head: GateHead, cells: Sequence[GateCell], between_rows: float) -> str | None:
    """Why a gate counts as collapsed, given its cells of all rows; None: it does not, or there are too few rows."""
    whole, *parts = cells
    if whole.rows < JUDGED_ROWS or (head.units == 1 and head.gamma is None):
        return None
    if head.gamma is None:
        winner = max(parts, key=lambda cell: cell.mean)
        if winner.mean >= COLLAPSED_SHARE:
            return f"'{winner.part}' gets {winner.mean:.1%} of the mixture"
    elif whole.saturated >= COLLAPSED_SHARE:
        return f"{whole.saturated:.1%} of its numbers are below {LOW:.0%} or above {HIGH:.0%} of γ = {head.gamma:g}"
    if between_rows < STILL * head.top:
        return f"its numbers stray by {between_rows:.1g} between rows, so it is a constant"
    return None

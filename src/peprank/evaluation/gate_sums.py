"""Sums over the rows of one gate: by domain, by user and domain, by unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from peprank.evaluation.gates import HIGH, LOW
from peprank.evaluation.sums import Codes, Floats, Sums
from peprank.models import GateValues
from peprank.spec.model import ModelSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class GateHead:
    """Which gate it is, and the parts that its units are told in."""

    name: str
    layer: str
    task: str | None
    gamma: float | None
    parts: tuple[str, ...]  # fields of the group that it scales, or experts that it mixes; (): one whole
    widths: tuple[int, ...]  # units of each part, or of the whole

    @classmethod
    def of(cls, gate: GateValues, model: ModelSpec) -> GateHead:
        """The head of what a gate gave, with the fields that the plan knows."""
        parts, widths = gate.experts, (1,) * len(gate.experts) or (gate.values.shape[1],)
        if gate.group is not None:
            inputs = model.group(gate.group).inputs
            parts, widths = tuple(item.feature for item in inputs), tuple(item.dim for item in inputs)
        return cls(name=gate.gate, layer=gate.layer, task=gate.task, gamma=gate.gamma, parts=parts, widths=widths)

    @property
    def units(self) -> int:
        """Numbers that it gives a row."""
        return sum(self.widths)

    @property
    def top(self) -> float:
        """Upper end of its numbers."""
        return 1.0 if self.gamma is None else self.gamma

    @property
    def neutral(self) -> float:
        """The number that changes nothing."""
        return 1.0 if self.gamma is not None else 1 / self.units


class GateSums:
    """Sums of a gate's numbers over the rows so far.

    Args:
        head: which gate.
    """

    def __init__(self, head: GateHead) -> None:
        self.head = head
        self.by_domain: dict[int, Floats] = {}  # code -> [4, C]: numbers, distances, low ones, high ones
        self.by_visit = Sums((len(head.widths),), np.float32)  # the mean number of a row
        self.squares = np.zeros(head.units)
        self.numbers = np.zeros(head.units)
        self._means = _mean_over_parts(head.widths)

    def add(self, values: Floats, rows_of: Mapping[int, Codes], visits: Codes) -> None:
        """Take in rows.

        Args:
            values: float32 [B, U].
            rows_of: the rows of each domain, by its code.
            visits: [B], codes of their (user, domain); -1 for none.
        """
        for code, rows in rows_of.items():
            sums = self._sums(values[rows]) @ self._means
            self.by_domain[code] = self.by_domain[code] + sums if code in self.by_domain else sums
        known = visits >= 0
        if known.any():
            self.by_visit.add(visits[known], (values @ self._means.astype(np.float32))[known])
        self.numbers += values.sum(0, dtype=np.float64)
        self.squares += np.square(values).sum(0, dtype=np.float64)

    def _sums(self, values: Floats) -> Floats:
        """Over the rows of one domain [4, U]."""
        head = self.head
        terms = (values, np.abs(values - head.neutral), values < LOW * head.top, values > HIGH * head.top)
        return np.stack([term.sum(0, dtype=np.float64) for term in terms])


def _mean_over_parts(widths: Sequence[int]) -> Floats:
    """What each unit counts in the mean of each part [U, C]."""
    return np.repeat(np.diag(1 / np.array(widths)), widths, axis=0)

"""Sums over the rows of one gate: by domain, by user and domain, by unit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

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
        num_columns = len(head.widths)
        self.by_domain = Sums((4, num_columns))  # mean, moved, low, high of a row, over the units of each part
        self.by_visit = Sums((num_columns,), np.float32)  # mean of a row
        self.by_unit = np.zeros((2, head.units))  # the numbers and their squares
        self._widths: Codes = np.array(head.widths, np.int64)
        self._starts = np.cumsum(self._widths) - self._widths

    def add(self, values: Floats, domains: Codes, visits: Codes) -> None:
        """Take in rows.

        Args:
            values: [B, U].
            domains: [B], codes.
            visits: [B], codes of their (user, domain); -1 for none.
        """
        head = self.head
        means = self._by_part(values)  # [B, C]
        moved = self._by_part(np.abs(values - head.neutral))
        low, high = self._by_part(values < LOW * head.top), self._by_part(values > HIGH * head.top)
        self.by_domain.add(domains, np.stack([means, moved, low, high], axis=1))
        self.by_visit.add(visits[visits >= 0], means[visits >= 0])
        self.by_unit += values.sum(0, dtype=np.float64), np.einsum("bu,bu->u", values, values, dtype=np.float64)

    def _by_part(self, values: Floats | npt.NDArray[np.bool_]) -> Floats:
        """[B, U] -> mean over the units of each part [B, C]."""
        sums = np.add.reduceat(values, self._starts, axis=1, dtype=np.float32)
        means: npt.NDArray[np.float32] = np.divide(sums, self._widths, dtype=np.float32)
        return means

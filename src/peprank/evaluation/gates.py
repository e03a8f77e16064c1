"""What a model's gates do: one `Gate` each, told by feature field or expert and by domain, beside what it stands on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

FORMAT = 1  # of the JSON; raised when an older reader would misread it
LOW, HIGH = 0.05, 0.95  # shares of γ; a number below the one or above the other is saturated
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How the users' own means differ from each other; each user counts alike."""

    users: int
    std: float  # standard deviation of their means
    quantiles: tuple[float, ...]  # of their means, at QUANTILES


@dataclass(frozen=True, slots=True, kw_only=True)
class GateCell:
    """What a gate gave some rows: its δ on the units of a field or of the whole layer, or an expert's share."""

    part: str | None = None  # the feature field or the expert; None: all units
    domain: str | None = None  # None: the rows of all domains
    rows: int
    mean: float  # over rows and units
    moved: float  # mean distance from what leaves a unit as it is
    low: float  # share of the numbers below LOW of γ
    high: float  # share of the numbers above HIGH of γ
    spread: Spread | None = None  # None: no user is known

    @property
    def saturated(self) -> float:
        """Share of the numbers at either end, where a gate no longer learns."""
        return self.low + self.high


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One gate. `cells` holds all units, then each part; each over all rows, then by domain, the largest first."""

    name: str  # "EPNet", "PPNet", "MMoE" ...
    layer: str = ""  # "input", "layer 1" ...; "" where such a gate stands in one place only
    task: str | None = None  # whom it serves; None: all tasks
    gamma: float | None  # open upper end of δ; None: a mixture, its numbers are shares of experts
    units: int
    between_rows: float  # how far a unit's number strays between rows: root mean square over units
    collapse: str | None = None  # why the gate counts as collapsed; None: it does not
    cells: tuple[GateCell, ...]

    @property
    def title(self) -> str:
        """What to call it: "PPNet click layer 1"."""
        return " ".join(part for part in (self.name, self.task, self.layer) if part)

    @property
    def neutral(self) -> float:
        """The number that changes nothing: δ = 1, or an equal share of each expert."""
        return 1.0 if self.gamma is not None else 1 / self.units

    @property
    def parts(self) -> tuple[str, ...]:
        """Feature fields in the order of the embedding, or experts; empty for the gate of a hidden layer."""
        return tuple(dict.fromkeys(cell.part for cell in self.cells if cell.part is not None))

    def cell(self, part: str | None = None, domain: str | None = None) -> GateCell | None:
        """The cell of a part and domain; None where the domain has no rows."""
        return next((cell for cell in self.cells if (cell.part, cell.domain) == (part, domain)), None)

    def strongest(self, domain: str | None = None) -> list[GateCell]:
        """Cells of the parts, the one whose mean is farthest from neutral first."""
        cells = [cell for cell in self.cells if cell.part is not None and cell.domain == domain]
        return sorted(cells, key=lambda cell: -abs(cell.mean - self.neutral))


@dataclass(frozen=True, slots=True, kw_only=True)
class Gates:
    """All gates of a model on some rows."""

    model: str
    rows: int
    user_feature: str | None  # whose values are the users; None: nobody said
    domain_column: str | None
    domains: tuple[str, ...]  # their names in these rows, the largest first
    gates: tuple[Gate, ...]

    def named(self, name: str) -> Iterator[Gate]:
        """Gates called `name`, such as "PPNet"."""
        return (gate for gate in self.gates if gate.name == name)

    @property
    def warnings(self) -> tuple[str, ...]:
        """One sentence per collapsed gate."""
        return tuple(f"{gate.title} has collapsed: {gate.collapse}" for gate in self.gates if gate.collapse)

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, lists, strings and finite numbers."""
        return {"format": FORMAT, "quantiles": list(QUANTILES), "warnings": list(self.warnings), **asdict(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Gates:
        """The gates that `to_json` wrote, equal to the last bit."""
        return cls(
            model=data["model"],
            rows=data["rows"],
            user_feature=data["user_feature"],
            domain_column=data["domain_column"],
            domains=tuple(data["domains"]),
            gates=tuple(_gate_from_json(gate) for gate in data["gates"]),
        )


def _gate_from_json(data: Mapping[str, Any]) -> Gate:
    return Gate(**{**data, "cells": tuple(_cells_from_json(data["cells"]))})


def _cells_from_json(cells: Iterable[Mapping[str, Any]]) -> Iterator[GateCell]:
    for data in cells:
        spread = data["spread"]
        yield GateCell(**{**data, "spread": spread and Spread(**{**spread, "quantiles": tuple(spread["quantiles"])})})

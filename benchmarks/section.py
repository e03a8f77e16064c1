"""What a benchmark returns: tables with their text, and the aims that it measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True)
class Aim:
    """One aim, and what was measured in each round.

    Args:
        name: what is aimed at, in a few words.
        target: the figure to reach, in `unit`.
        measured: one figure per round, in `unit`; (): it could not be measured here, and `remark` says why.
        unit: such as "rows/s"; "" for a plain number.
        at_most: whether the target is an upper bound.
        remark: what a reader must know beside the verdict.
    """

    name: str
    target: float
    measured: Sequence[float]
    unit: str = ""
    at_most: bool = False
    remark: str = ""

    @property
    def verdict(self) -> str:
        """Plain words: met, or by how much of the target it fell short."""
        if not self.measured:
            return "not measured"
        value = median(self.measured)
        if (value <= self.target) if self.at_most else (value >= self.target):
            return "met"
        return f"fell short by {abs(value - self.target) / self.target:.0%}".replace("%", " %")

    @property
    def cells(self) -> tuple[str, str, str, str]:
        """Name, aim, measured and verdict as table cells."""
        bound = f"{'<=' if self.at_most else '>='} {_with_unit(number(self.target), self.unit)}"
        measured = _with_unit(spread(self.measured), self.unit) if self.measured else "-"
        return self.name, bound, measured, f"{self.verdict}; {self.remark}" if self.remark else self.verdict


@dataclass(frozen=True, slots=True)
class Section:
    """One table under a heading.

    Args:
        title: the heading.
        text: what was measured and how; Markdown.
        columns: heads of the columns.
        rows: cells, as many in each row as there are columns.
        notes: lines below the table.
        aims: those that this table measured.
    """

    title: str
    text: str = ""
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    notes: Sequence[str] = ()
    aims: Sequence[Aim] = ()

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"{self.title}: row {row} has {len(row)} cells: must be {len(self.columns)}")

    def markdown(self) -> str:
        """Heading, text, table and notes."""
        blocks = [
            f"## {self.title}",
            self.text,
            table(self.columns, self.rows),
            "\n".join(f"- {n}" for n in self.notes),
        ]
        return "\n\n".join(block for block in blocks if block) + "\n"

    def to_json(self) -> dict[str, Any]:
        """Plain lists and dicts."""
        return asdict(self)

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Section:
        """The inverse of `to_json`."""
        return cls(**{**kept, "aims": [Aim(**aim) for aim in kept["aims"]]})


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, "" without columns."""
    if not columns:
        return ""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


def number(value: float) -> str:
    """Three significant digits, or all that stand before the point, with thousands apart."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3g}"


def spread(values: Sequence[float]) -> str:
    """The median, and the least and the greatest value in brackets: `12,300 (12,100 to 12,600)`."""
    middle = number(median(values))
    return middle if len(values) == 1 else f"{middle} ({number(min(values))} to {number(max(values))})"


def _with_unit(text: str, unit: str) -> str:
    return f"{text} {unit}" if unit else text

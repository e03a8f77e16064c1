"""What a page is made of: sections of paragraphs, tables, figures and folds. The HTML is in templates/."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, TypeAlias

UNDEFINED = "–"


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table."""

    text: str
    order: float | None = None  # what its column is sorted by; None: its text, after all numbers
    reason: str = ""  # why there is no number; shown below the table
    tone: str = ""  # "good", "bad" or "": how it is coloured
    detail: str = ""  # shown smaller after the text, as a spread is


@dataclass(frozen=True, slots=True)
class Column:
    """The heading of a column, and a few words that explain it."""

    name: str
    hint: str = ""
    is_text: bool = False  # flush left, sorted as text


@dataclass(frozen=True, slots=True)
class Table:
    """Rows that a reader may sort by any column. The first cell of each row names it."""

    kind: ClassVar[str] = "table"
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why numbers are missing, each reason once; a cell's note is its place here, from 1."""
        return tuple(dict.fromkeys(cell.reason for row in self.rows for cell in row if cell.reason))


@dataclass(frozen=True, slots=True)
class Figure:
    """A plot of the plotting library: data and layout, which the page's script completes with the colours in force."""

    kind: ClassVar[str] = "figure"
    caption: str
    plot: dict[str, Any]
    height: int  # pixels


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph."""

    kind: ClassVar[str] = "text"
    text: str
    tone: str = ""  # "lead", "warning" or ""


@dataclass(frozen=True, slots=True)
class Code:
    """Text as it stands in a file."""

    kind: ClassVar[str] = "code"
    text: str


@dataclass(frozen=True, slots=True)
class Grid:
    """Figures side by side where there is room."""

    kind: ClassVar[str] = "grid"
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class Fold:
    """Blocks that a reader opens when they want them; plots within are drawn then."""

    kind: ClassVar[str] = "fold"
    title: str
    blocks: tuple[Block, ...]
    is_open: bool = False


Block: TypeAlias = Text | Table | Figure | Code | Grid | Fold


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page with a line in the list of contents."""

    id: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A whole page, verdict first."""

    title: str
    subtitle: str
    verdict: tuple[Text, ...]
    sections: tuple[Section, ...]


def in_words(time: datetime) -> str:
    """Such as "2026-11-22 07:30 UTC"."""
    return f"{time:%Y-%m-%d %H:%M %Z}".strip()


def made_by(version: str, made_at: datetime) -> str:
    """Who made a page, and when."""
    return f"Made by peprank {version}, {in_words(made_at)}."


def words(text: str, tone: str = "") -> Cell:
    """A cell of text."""
    return Cell(text, tone=tone)


def count(number: int | None, reason: str = "") -> Cell:
    """A cell of a whole number, with thousands apart."""
    return missing(reason) if number is None else Cell(f"{number:,}", float(number))


def share(part: float | None, reason: str = "", decimals: int = 1) -> Cell:
    """A cell of a share of 1, as percent."""
    return missing(reason) if part is None else Cell(f"{100 * part:.{decimals}f} %", part)


def number(value: float | None, decimals: int = 4, reason: str = "") -> Cell:
    """A cell of a number."""
    return missing(reason) if value is None else Cell(f"{value:.{decimals}f}", value)


def missing(reason: str) -> Cell:
    """A cell without a number."""
    return Cell(UNDEFINED, reason=reason)


def table_of(caption: str, items: Sequence[Any], columns: Sequence[tuple[Column, Callable[[Any], Cell]]]) -> Table:
    """One row per item; each column says what it shows of one."""
    rows = tuple(tuple(show(item) for _, show in columns) for item in items)
    return Table(caption, tuple(column for column, _ in columns), rows)


def once_or_folded(each: Mapping[str, tuple[Block, ...]]) -> tuple[Block, ...]:
    """What is told of each name: once where it is the same for all, else a fold for those that share it.

    Args:
        each: name -> its blocks.
    """
    groups: list[tuple[list[str], tuple[Block, ...]]] = []
    for name, told in each.items():
        known = next((names for names, same in groups if same == told), None)
        if known is None:
            groups.append(([name], told))
        else:
            known.append(name)
    return groups[0][1] if len(groups) == 1 else tuple(Fold(", ".join(names), told) for names, told in groups)

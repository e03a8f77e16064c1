"""What a reader left out or replaced, noted by unit: a second pass over the same rows notes nothing twice."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from peprank.data.unit import Unit

_SHOWN_FILES = 5  # bad files that `sentences` tells of


@dataclass(frozen=True, slots=True, kw_only=True)
class Repairs:
    """What was left out of the rows of some files, and what was replaced in them."""

    num_files: int  # that were named
    bad_files: Mapping[str, str] = field(default_factory=dict)  # a file, or the part of one, left out -> why
    dropped_rows: Mapping[str, int] = field(default_factory=dict)  # column -> rows left out for its bad value
    replaced: Mapping[str, int] = field(default_factory=dict)  # column -> cells with a bad value that was replaced

    @property
    def sentences(self) -> tuple[str, ...]:
        """What a user should know of it, a line each; empty if nothing was left out or replaced."""
        told = [f"left out: {reason}" for reason in self.bad_files.values()]
        if len(told) > _SHOWN_FILES:
            told[_SHOWN_FILES:] = [f"left out: {len(told) - _SHOWN_FILES} more"]
        if told:
            told.append(f"bad files or parts of files left out: {len(self.bad_files)}, of {self.num_files} files")
        told += [f"column '{name}': {num:,} rows with a bad value dropped" for name, num in self.dropped_rows.items()]
        told += [f"column '{name}': {num:,} bad values replaced" for name, num in self.replaced.items()]
        return tuple(told)

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, strings and numbers."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Repairs:
        """What `to_json` wrote."""
        return cls(**data)


@dataclass(slots=True)
class Tally:
    """What was left out of one unit, and replaced in it."""

    damage: tuple[str, str] | None = None  # place and reason, where the rest of the unit cannot be read
    dropped_rows: Counter[str] = field(default_factory=Counter)
    replaced: Counter[str] = field(default_factory=Counter)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to tell."""
        return not (self.damage or self.dropped_rows or self.replaced)


class RepairLog:
    """Notes what is left out and replaced while files are read, by several threads at once."""

    def __init__(self, num_files: int) -> None:
        self._num_files = num_files
        self._lock = threading.Lock()
        self._files: dict[str, str] = {}
        self._units: dict[Unit, Tally] = {}

    def leave_out(self, file: str, reason: str) -> None:
        """Nothing of a file is read."""
        with self._lock:
            self._files[file] = reason

    @contextmanager
    def tally(self, unit: Unit) -> Iterator[Tally]:
        """Give a tally for one pass over a unit; it takes the place of an earlier pass's."""
        tally = Tally()
        try:
            yield tally
        finally:
            with self._lock:
                self._units.pop(unit, None)
                if not tally.is_empty:
                    self._units[unit] = tally

    @property
    def repairs(self) -> Repairs:
        """All that was noted so far."""
        with self._lock:
            tallies = [self._units[unit] for unit in sorted(self._units, key=lambda unit: (unit.file, unit.part))]
            return Repairs(
                num_files=self._num_files,
                bad_files=self._files | dict(tally.damage for tally in tallies if tally.damage),
                dropped_rows=dict(sum((tally.dropped_rows for tally in tallies), Counter())),
                replaced=dict(sum((tally.replaced for tally in tallies), Counter())),
            )

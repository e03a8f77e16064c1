"""One thing that the doctor has looked at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any


class Level(Enum):
    """How it stands."""

    OK = "ok"
    NOTE = "note"  # works, but slower or larger than it need be
    PROBLEM = "problem"  # something will not work


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, what was found, and what to do about it."""

    about: str
    level: Level
    found: str
    remedy: str = ""  # "": nothing to do

    def to_json(self) -> dict[str, Any]:
        """Plain strings."""
        return {"about": self.about, "level": self.level.value, "found": self.found, "remedy": self.remedy}


def ok(about: str, found: str) -> Finding:
    """All is well."""
    return Finding(about, Level.OK, found)


def note(about: str, found: str, remedy: str) -> Finding:
    """It works, but could be better."""
    return Finding(about, Level.NOTE, found, remedy)


def problem(about: str, found: str, remedy: str) -> Finding:
    """It will not work."""
    return Finding(about, Level.PROBLEM, found, remedy)

"""Every error that peprank raises on purpose. Each message names the place, the value, and the rule or remedy.

PeprankError
├── ConfigError       a config file that cannot be used; carries every problem found in it
├── SpecError         one value that breaks a rule of the plan
├── DataError         rows that cannot be read, or do not fit the plan
│   └── BadFileError  a file that is damaged, cut short or of another format; it may be left out
├── TrainingError     a run that must not go on: a loss that is not finite, a model_dir in use
├── ArtifactError     a checkpoint or a bundle that is damaged, incomplete or does not reproduce its scores
└── RequestError      a request that a server does not answer with scores; carries the HTTP status
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class PeprankError(Exception):
    """Base of all errors that peprank raises on purpose; str() is a sentence for the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake or oddity in a config file.

    `str()` gives `file:line:col  path.to.field = value: what is wrong; what to write instead`.
    """

    message: str  # what is wrong; what to write instead
    path: str = ""  # path.to.field, empty for a syntax error
    value: str | None = None  # as it would stand in the file
    file: str = ""
    line: int | None = None  # counted from 1
    column: int | None = None  # counted from 1
    is_warning: bool = False

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part not in ("", None))
        subject = self.path if self.value is None else f"{self.path} = {self.value}"
        return "  ".join(part for part in (place, f"{subject}: {self.message}" if subject else self.message) if part)


class ConfigError(PeprankError):
    """A config that cannot be used; `problems` lists all that was found, in file order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class SpecError(PeprankError):
    """One value that breaks a rule of the plan."""

    def __init__(self, place: str, value: object, rule: str) -> None:
        self.place, self.value, self.rule = place, value, rule
        super().__init__(f"{place} = {value!r}: {rule}")


class DataError(PeprankError):
    """Rows that cannot be read, or that do not fit the plan."""


class BadFileError(DataError):
    """A file that is damaged, cut short, empty or of another format."""


class TrainingError(PeprankError):
    """A training run that must not go on."""


class ArtifactError(PeprankError):
    """A checkpoint or bundle that is damaged, incomplete, or does not reproduce its own scores."""


class RequestError(PeprankError):
    """A request that a server does not answer with scores.

    Args:
        status: of HTTP: 400 for a request that is wrong, 404 for an unknown model, 429 for a full queue and so on.
        retry_after_s: when to try again, for 429 and 503.
    """

    def __init__(self, message: str, *, status: int = 400, retry_after_s: int | None = None) -> None:
        self.status, self.retry_after_s = status, retry_after_s
        super().__init__(message)

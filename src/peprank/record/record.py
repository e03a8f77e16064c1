"""The record of a run: what was asked for, where and on what it ran, how long, and what came of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from peprank.bundle import ConfigSource
from peprank.errors import ArtifactError
from peprank.evaluation import Results
from peprank.record.data import FileMark
from peprank.record.git import GitState
from peprank.sealed import write_whole
from peprank.training.checkpoint import RECORD

FORMAT = 1  # of the JSON; raised when an older reader would misread it
RUNNING, FINISHED = "running", "finished"

Marks = Mapping[str, tuple[FileMark, ...]]  # field of the config, such as train_input_path -> its files


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One process that trained in this model_dir. A run that was stopped and resumed has several."""

    started_at: str  # ISO 8601, UTC
    ended_at: str | None = None
    outcome: str = RUNNING  # or "finished", or why it ended; still "running" after a kill -9
    first_step: int = 0
    last_step: int | None = None  # None: it ended without a word
    changes: tuple[str, ...] = ()  # what the command line changed in the config
    data_sha256: str
    environment: Mapping[str, str]  # versions, processor, threads, device, precision
    project: GitState | None = None  # where the user's project stood
    seconds: Mapping[str, float] = field(default_factory=dict)  # starting, training, saving, evaluating
    notes: tuple[str, ...] = ()  # what the user was told
    repairs: Mapping[str, Any] = field(default_factory=dict)  # train_input_path, eval_input_path -> what was left out


@dataclass(frozen=True, slots=True)
class Judged:
    """What the evaluation rows said of a step's weights."""

    step: int
    results: Results


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """All sessions of a run; config and data are those of the last one.

    A run goes on only with a plan that computes the same, so the last session's config makes the whole run again.
    """

    config: ConfigSource
    seed: int
    data: Marks
    sessions: tuple[Session, ...]
    steps: int = 0  # of the last checkpoint that the last session told of
    rows: int | None = None  # trained on, over all epochs; None: the run is not finished
    best: Judged | None = None
    latest: Judged | None = None

    @property
    def session(self) -> Session:
        """The last one."""
        return self.sessions[-1]

    def with_session(self, **changes: Any) -> RunRecord:
        """This record with fields of its last session changed."""
        return replace(self, sessions=(*self.sessions[:-1], replace(self.session, **changes)))

    def write(self, model_dir: Path) -> None:
        """Put it into `model_dir`, whole or not at all.

        Raises:
            OSError: it cannot be written.
        """
        write_whole(model_dir / RECORD, json.dumps(self.to_json(), indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> RunRecord:
        """Read the record of a model_dir, or the file itself.

        Raises:
            ArtifactError: there is none, or it is damaged.
        """
        path = path / RECORD if path.is_dir() else path
        try:
            return cls.from_json(json.loads(path.read_text("utf-8")))
        except FileNotFoundError as error:
            raise ArtifactError(f"{path}: there is no record; `peprank train` writes it into model_dir") from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise ArtifactError(f"{path}: is no record of a run, or a damaged one ({_reason(error)})") from error

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, lists, strings and numbers."""
        return {
            "format": FORMAT,
            "config": asdict(self.config),
            "seed": self.seed,
            "data": {name: [asdict(mark) for mark in marks] for name, marks in self.data.items()},
            "sessions": [asdict(session) for session in self.sessions],
            "result": {
                "steps": self.steps,
                "rows": self.rows,
                "best": _judged_to_json(self.best),
                "latest": _judged_to_json(self.latest),
            },
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> RunRecord:
        """The inverse of `to_json`."""
        if kept["format"] != FORMAT:
            raise ValueError(f"it has format {kept['format']}, this peprank reads {FORMAT}")
        result = kept["result"]
        return cls(
            config=ConfigSource(**{**kept["config"], "overrides": tuple(kept["config"]["overrides"])}),
            seed=kept["seed"],
            data={name: tuple(FileMark(**mark) for mark in marks) for name, marks in kept["data"].items()},
            sessions=tuple(map(_session, _some(kept["sessions"]))),
            steps=result["steps"],
            rows=result["rows"],
            best=_judged(result["best"]),
            latest=_judged(result["latest"]),
        )


def digest_of(data: Marks) -> str:
    """SHA-256 of all marks."""
    marks = {name: [asdict(mark) for mark in marks] for name, marks in data.items()}
    return hashlib.sha256(json.dumps(marks, sort_keys=True).encode()).hexdigest()


def _session(kept: Mapping[str, Any]) -> Session:
    project = None if kept["project"] is None else GitState(**kept["project"])
    lists = {name: tuple(kept[name]) for name in ("changes", "notes")}
    return Session(**{**kept, **lists, "project": project})


def _some(sessions: Sequence[Any]) -> Sequence[Any]:
    if not sessions:
        raise ValueError("it has no session")
    return sessions


def _judged_to_json(judged: Judged | None) -> dict[str, Any] | None:
    return None if judged is None else {"step": judged.step, "results": judged.results.to_json()}


def _judged(kept: Mapping[str, Any] | None) -> Judged | None:
    return None if kept is None else Judged(kept["step"], Results.from_json(kept["results"]))


def _reason(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error) or type(error).__name__

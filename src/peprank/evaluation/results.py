"""What an evaluation found: one cell per task and segment of the rows, each number beside what it stands on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from peprank.data import Repairs
from peprank.drift import Drift

FORMAT = 1  # of the JSON; raised when an older reader would misread it


class TaskKind(Enum):
    """What a tower predicts, and so how it is judged."""

    BINARY = "binary"  # one probability; also softmax towers of two classes
    MULTICLASS = "multiclass"  # one of several classes
    REGRESSION = "regression"  # a number


@dataclass(frozen=True, slots=True)
class Measure:
    """One number, or the reason why there is none."""

    value: float | None
    reason: str | None = None  # set exactly when value is None

    def __post_init__(self) -> None:
        if (self.value is None) != (self.reason is not None):
            raise ValueError(f"a measure has a value or a reason; got {self.value!r} and {self.reason!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One task on one segment of the rows."""

    task: str
    kind: TaskKind
    column: str | None = None  # the column that splits the rows; None: all rows
    segment: str = ""  # its value in these rows
    in_space: bool = False  # only rows inside the task's space
    rows: int
    positives: int | None = None  # binary tasks only
    groups: int | None = None  # groups with both classes, those that GAUC counts
    group_rows: int | None = None  # their rows
    measures: Mapping[str, Measure] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """A whole evaluation. `cells` holds, per task, all rows, the task's space, and each segment by falling rows."""

    rows: int
    group_feature: str | None  # whose values form GAUC's groups
    domain_column: str | None
    spaces: Mapping[str, str]  # task -> the label that is > 0 in its space
    cells: tuple[Cell, ...]
    asked: Mapping[str, Measure]  # the config's own metrics and losses by the peer's names, over all rows
    drift: Drift | None = field(default=None, compare=False)  # how far the rows are from training's, if that is known
    repairs: Repairs | None = field(default=None, compare=False)  # what was left out of the files, if that is known

    def select(self, *, task: str | None = None, column: str | None = None, in_space: bool = False) -> Iterator[Cell]:
        """Cells of `column` (None: all rows), in order."""
        for cell in self.cells:
            if cell.column == column and cell.in_space == in_space and task in (None, cell.task):
                yield cell

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that split the rows, in order."""
        return tuple(dict.fromkeys(cell.column for cell in self.cells if cell.column is not None))

    @property
    def tasks(self) -> tuple[str, ...]:
        """Task names in their order."""
        return tuple(dict.fromkeys(cell.task for cell in self.cells))

    def named(self) -> dict[str, float | None]:
        """Overall numbers by name: what best checkpoint, early stopping and logs read.

        `auc_ctr` for each measure and tower, `auc_cvr_in_space` inside the task's space, `auc` for the mean over the
        tasks where it is defined; and the metrics and losses that the config asks for by the peer's names, such as
        `grouped_auc_cvr` and `binary_cross_entropy_ctr`. A name that means both is what the config asks for: with
        `auc { thresholds: 200 }`, `auc_ctr` is binned.
        """
        means = {name: _mean(values) for name, values in self._by_measure().items()}
        overall = {f"{name}_{cell.task}": m.value for cell in self.select() for name, m in cell.measures.items()}
        inside = {
            f"{name}_{cell.task}_in_space": m.value
            for cell in self.select(in_space=True)
            for name, m in cell.measures.items()
        }
        return means | overall | inside | {name: measure.value for name, measure in self.asked.items()}

    def _by_measure(self) -> dict[str, list[float]]:
        values: dict[str, list[float]] = {}
        for cell in self.select():
            for name, measure in cell.measures.items():
                values.setdefault(name, []).extend([] if measure.value is None else [measure.value])
        return values

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, lists, strings and finite numbers, also under `named` for readers that want one number."""
        return {
            "format": FORMAT,
            "rows": self.rows,
            "group_feature": self.group_feature,
            "domain_column": self.domain_column,
            "spaces": dict(self.spaces),
            "named": self.named(),
            "asked": _measures_to_json(self.asked),
            "cells": [_cell_to_json(cell) for cell in self.cells],
        } | {name: part.to_json() for name, part in (("repairs", self.repairs), ("drift", self.drift)) if part}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Results:
        """The results that `to_json` wrote, equal to the last bit."""
        return cls(
            rows=data["rows"],
            group_feature=data["group_feature"],
            domain_column=data["domain_column"],
            spaces=dict(data["spaces"]),
            cells=tuple(_cell_from_json(cell) for cell in data["cells"]),
            asked=_measures_from_json(data["asked"]),
            repairs=Repairs.from_json(data["repairs"]) if "repairs" in data else None,
            drift=Drift.from_json(data["drift"]) if "drift" in data else None,
        )


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _cell_to_json(cell: Cell) -> dict[str, Any]:
    return {
        "task": cell.task,
        "kind": cell.kind.value,
        "column": cell.column,
        "segment": cell.segment,
        "in_space": cell.in_space,
        "rows": cell.rows,
        "positives": cell.positives,
        "groups": cell.groups,
        "group_rows": cell.group_rows,
        "measures": _measures_to_json(cell.measures),
    }


def _cell_from_json(data: Mapping[str, Any]) -> Cell:
    measures = _measures_from_json(data["measures"])
    return Cell(**{**data, "kind": TaskKind(data["kind"]), "measures": measures})


def _measures_to_json(measures: Mapping[str, Measure]) -> dict[str, Any]:
    return {
        name: {"value": measure.value} | ({"reason": measure.reason} if measure.reason else {})
        for name, measure in measures.items()
    }


def _measures_from_json(data: Mapping[str, Any]) -> dict[str, Measure]:
    return {name: Measure(entry["value"], entry.get("reason")) for name, entry in data.items()}

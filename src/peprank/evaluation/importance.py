"""How much a model needs each feature field, per task and domain: by permutation, and by how far its gates move it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from peprank.evaluation.gates import Gates
from peprank.evaluation.results import Cell, Results

FORMAT = 1  # of the JSON; raised when an older reader would misread it
MEASURES = ("auc", "gauc", "logloss", "multiclass_auc", "cross_entropy", "xauc", "mean_absolute_error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """By how much a measure got worse; below 0 it got better."""

    mean: float  # over the repeats
    std: float  # standard deviation over the repeats; 0 for one


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldImportance:
    """What a field is worth to one task on some rows."""

    field: str
    task: str
    domain: str | None = None  # None: the rows of all domains
    rows: int
    drops: Mapping[str, Drop]  # measure -> what shuffling the field costs; those that are defined
    moved: float | None = None  # |δ - 1| of the mean δ on its way to the task; None: no gate scales fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Importance:
    """All fields that were shuffled. Per field and task all rows come first, then the domains, the largest first."""

    repeats: int
    seed: int
    baseline: Results  # of the model as it is, on the same rows
    cells: tuple[FieldImportance, ...]

    @property
    def fields(self) -> tuple[str, ...]:
        """In the order in which they were shuffled."""
        return tuple(dict.fromkeys(cell.field for cell in self.cells))

    def select(self, *, field: str | None = None, domain: str | None = None) -> Iterator[FieldImportance]:
        """Cells of a domain (None: all rows), of one field or all."""
        return (cell for cell in self.cells if cell.domain == domain and field in (None, cell.field))

    def ranked(
        self, measure: str = "auc", *, task: str | None = None, domain: str | None = None
    ) -> list[tuple[str, float]]:
        """Fields and what `measure` loses without them, most first; a field is left out where it is undefined.

        Without a task it is the mean over the tasks, each weighed by the rows of its rarer class: a task with a handful
        of positives says little, and that loudly.
        """
        weights = {cell.task: _weight(cell) for cell in self.baseline.select()}
        found: dict[str, list[tuple[float, float]]] = {}
        for cell in self.select(domain=domain):
            if task in (None, cell.task) and measure in cell.drops:
                found.setdefault(cell.field, []).append((weights[cell.task], cell.drops[measure].mean))
        means = [(field, _weighted_mean(drops)) for field, drops in found.items()]
        return sorted(means, key=lambda pair: -pair[1])

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, lists, strings and finite numbers."""
        return {
            "format": FORMAT,
            "repeats": self.repeats,
            "seed": self.seed,
            "baseline": self.baseline.to_json(),
            "cells": [_cell_to_json(cell) for cell in self.cells],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Importance:
        """The importance that `to_json` wrote, equal to the last bit."""
        return cls(
            repeats=data["repeats"],
            seed=data["seed"],
            baseline=Results.from_json(data["baseline"]),
            cells=tuple(_cell_from_json(cell) for cell in data["cells"]),
        )


def moved_by_gates(gates: Gates, field: str, task: str, domain: str | None) -> float | None:
    """How far a field is moved on its way to a task: |δ - 1|, δ the product of the mean δ of each gate that scales it.

    None when no gate scales fields. Means multiply as if the gates did not depend on each other.
    """
    on_the_way = [gate for gate in gates.gates if gate.gamma is not None and gate.task in (None, task)]
    cells = [cell for gate in on_the_way if field in gate.parts and (cell := gate.cell(field, domain)) is not None]
    return abs(prod(cell.mean for cell in cells) - 1) if cells else None


def _weight(cell: Cell) -> float:
    """How much a task says: rows of the rarer class, or all rows where there are no classes."""
    rarer = cell.rows if cell.positives is None else min(cell.positives, cell.rows - cell.positives)
    return max(1, rarer)


def _weighted_mean(weighed: list[tuple[float, float]]) -> float:
    return sum(weight * value for weight, value in weighed) / sum(weight for weight, _ in weighed)


def _cell_to_json(cell: FieldImportance) -> dict[str, Any]:
    return {
        "field": cell.field,
        "task": cell.task,
        "domain": cell.domain,
        "rows": cell.rows,
        "drops": {name: {"mean": drop.mean, "std": drop.std} for name, drop in cell.drops.items()},
        "moved": cell.moved,
    }


def _cell_from_json(data: Mapping[str, Any]) -> FieldImportance:
    return FieldImportance(**{**data, "drops": {name: Drop(**drop) for name, drop in data["drops"].items()}})

"""Runs made by hand, to be told side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from peprank.evaluation import Cell, Curves, Measure, Results, TaskKind
from peprank.metrics import reliability, roc
from peprank.models import describe
from peprank.report.about import Config
from peprank.report.rows import Data, Rows
from peprank.report.run import Run
from peprank.report.training import Training
from tests.evaluation.plan import plan
from tests.report.world import MADE_AT

DOMAINS = ("1", "2")


def cell(task: str, value: float | None, *, tab: str | None = None, rows: int = 1000, positives: int = 500) -> Cell:
    """A binary cell whose AUC and GAUC are `value`; logloss falls as they rise."""
    loss = None if value is None else 1 - value
    numbers = {"auc": value, "gauc": value, "logloss": loss, "normalized_entropy": loss, "calibration": 1.0}
    measures = {name: Measure(number, None if number is not None else "no rows") for name, number in numbers.items()}
    place: dict[str, Any] = {} if tab is None else {"column": "tab", "segment": tab}
    return Cell(task=task, kind=TaskKind.BINARY, rows=rows, positives=positives, groups=90, measures=measures, **place)


def number(task: str, error: float, *, rows: int = 1000) -> Cell:
    """A cell of a regression task."""
    names = ("mean_absolute_error", "mean_squared_error", "xauc")
    measures = {name: Measure(error) for name in names}
    return Cell(task=task, kind=TaskKind.REGRESSION, rows=rows, measures=measures)


def results(*cells: Cell, **changes: Any) -> Results:
    """Results of these cells; those of all rows say how many rows there are."""
    column = "tab" if any(each.column for each in cells) else None
    whole: dict[str, Any] = {
        "rows": next(each.rows for each in cells if each.column is None),
        "group_feature": "user",
        "domain_column": column,
        "spaces": {},
        "cells": cells,
        "asked": {},
    }
    return Results(**{**whole, **changes})


def run(name: str, found: Results, **changes: Any) -> Run:
    """A run of three steps with these results; `changes` are of its fields."""
    rows = Rows(title="Training rows", paths=("train.parquet",), census=None, problem="They hold no rows.")
    history = [{"step": k, "rows": 10 * k, "losses": {"binary_cross_entropy_click": 1 / k}} for k in (1, 2, 3)]
    history = [{**line, "learning_rates": {"dense": 0.01}} for line in history]
    history += [{"step": k, "rows": 10 * k, "evaluation": {"gauc_click": 0.6, "auc_click": 0.7}} for k in (2, 3)]
    whole: dict[str, Any] = {
        "name": name,
        "made_at": MADE_AT,
        "model": describe(plan().model),
        "results": found,
        "curves": (curves("click"),),
        "gates": None,
        "training": Training(history, found.tasks, 3),
        "data": Data(trained=rows, judged=replace(rows, title="Judged rows"), columns={"users": "user", "items": None}),
        "config": Config(text=f"# {name}\n", changes=(), settings={"train_config.seed": "1"}),
        "record": None,
        "environment": {"peprank": "1"},
    }
    return Run(**{**whole, **changes})


def curves(task: str) -> Curves:
    """Of four rows."""
    prob, label = np.array([0.1, 0.4, 0.6, 0.9]), np.array([0, 1, 0, 1])
    return Curves(task=task, reliability=reliability(prob, label), roc=roc(prob, label))


def by_tab(task: str, whole: float, tabs: Sequence[float | None]) -> list[Cell]:
    """A task over all rows and in each domain."""
    parts = [cell(task, value, tab=tab, rows=500, positives=200) for tab, value in zip(DOMAINS, tabs, strict=True)]
    return [cell(task, whole), *parts]


def three() -> tuple[Run, Run, Run]:
    """wide leads in click but not in tab 2, base in like, deep nowhere."""
    return (
        run("base", results(*by_tab("click", 0.70, (0.70, 0.70)), *by_tab("like", 0.80, (0.80, 0.80)))),
        run(
            "wide",
            results(*by_tab("click", 0.73, (0.75, 0.69)), *by_tab("like", 0.79, (0.79, 0.79))),
            config=Config(text="# wide\n", changes=("train_config.seed=2",), settings={"train_config.seed": "2"}),
        ),
        run("deep", results(*by_tab("click", 0.65, (0.65, 0.65)), *by_tab("like", 0.75, (0.75, 0.75)))),
    )

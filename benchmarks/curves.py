"""How the cost of a training step grows: rows/s against one quantity at a time, beside one law for all of them.

The full form draws a picture of each curve and writes the figures into docs/speed.md; the quick form writes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch

from benchmarks import made_up, page, pictures
from benchmarks.law import Law, Rates, Work, arithmetic_seconds, fit, work_of
from benchmarks.machine import Gemm, describe, memory_bandwidth, num_cores, threads
from benchmarks.made_up import Shape
from benchmarks.section import Aim, Section, number, spread, table
from benchmarks.timing import in_turn
from benchmarks.workload import ROOT
from peprank.training.learner import Learner

PAGE = ROOT / "docs" / "speed.md"
PICTURES = ROOT / "docs" / "pictures"

BASE = Shape(batch_rows=8192)
NARROW = replace(BASE, embedding_dim=4)  # 500 features of width 16 would be 8000 inputs
QUICK = Shape(batch_rows=64, num_features=4, embedding_dim=4, table_rows=1000, hidden_dims=(16, 8), tower_dims=(8,))

_FIRST_STEPS = 2  # not counted: they take memory that the following ones find ready
_SECONDS = 1.5  # of steps at one point, if they are short
_LEAST_ROUNDS, _MOST_ROUNDS = 3, 15
_MEMORY_SHARE = 0.6  # of the machine's, that tables and their state may take
_ROW_BYTES = 8  # of a table's row and its Adagrad state, per column


@dataclass(frozen=True, slots=True)
class Curve:
    """One quantity, and the shapes that differ in nothing else."""

    name: str  # in the picture's file name
    quantity: str  # label of the x axis
    points: tuple[tuple[int, Shape], ...]
    num_threads: tuple[int, ...] = ()  # per point; (): all cores


@dataclass(frozen=True, slots=True)
class Point:
    """What was measured at one point of a curve."""

    x: int
    work: Work
    rates: Rates
    seconds: list[float]  # of each step

    @property
    def rows_per_second(self) -> list[float]:
        """Of each step."""
        return [self.work.rows / s for s in self.seconds]

    @property
    def gemm_share(self) -> float:
        """Arithmetic that the mathematics needs, over what the GEMM rate allows in that time."""
        return arithmetic_seconds(self.work, self.rates) / median(self.seconds)

    @property
    def seconds_per_flop(self) -> float:
        """Of the median step."""
        return median(self.seconds) / self.work.flop


def curves(base: Shape, narrow: Shape) -> tuple[Curve, ...]:
    """All curves, around `base`; the one over features around `narrow`."""
    cores = num_cores()
    counts = sorted({1, *(2**k for k in range(1, cores.bit_length()) if 2**k < cores), cores})
    return (
        _curve("batch", "rows in a batch", "batch_rows", [2**k for k in range(8, 16)], base),
        _curve("width", "width of an embedding, columns", "embedding_dim", [4, 8, 16, 32, 64], base),
        _curve("tasks", "tasks", "num_tasks", [1, 2, 4, 8, 16], base),
        _curve("domains", "domains with towers of their own", "num_domains", [1, 2, 4, 8, 16, 32, 64], base),
        _curve("features", "features, of width 4", "num_features", [10, 20, 50, 100, 200, 500], narrow),
        _curve("vocabulary", "rows of all tables", "table_rows", [10**k for k in range(4, 9)], base),
        Curve("threads", "threads", tuple((num, base) for num in counts), tuple(counts)),
    )


def _curve(name: str, quantity: str, field: str, values: Sequence[int], base: Shape) -> Curve:
    changes: list[dict[str, Any]] = [{field: value} for value in values]
    shapes = [(value, replace(base, **change)) for value, change in zip(values, changes, strict=True)]
    return Curve(name, quantity, tuple((value, shape) for value, shape in shapes if _fits(shape)))


def _fits(shape: Shape) -> bool:
    needed = shape.table_rows * shape.embedding_dim * _ROW_BYTES
    return needed <= _MEMORY_SHARE * describe().memory_gib * 2**30


def run(quick: bool) -> list[Section]:
    """Measure all curves; the full form rewrites the pictures and the figures of the page too."""
    chosen = curves(QUICK, QUICK) if quick else curves(BASE, NARROW)
    if quick:
        chosen = tuple(replace(curve, points=curve.points[:2], num_threads=(1, 1)) for curve in chosen)
    measured = {curve.name: _measure(curve, quick=quick) for curve in chosen}
    law = fit([(p.work, p.rates, median(p.seconds)) for points in measured.values() for p in points])
    if quick:
        with TemporaryDirectory() as folder:
            _draw(chosen, measured, law, Path(folder))
    else:
        PICTURES.mkdir(exist_ok=True)
        _draw(chosen, measured, law, PICTURES)
        figures = {name: _table(points, law) for name, points in measured.items()}
        found = page.filled(PAGE.read_text("utf-8"), figures | {"law": _law_table(law), "machine": _machine()})
        PAGE.write_text(found, "utf-8")
    return [_summary(chosen, measured, law)]


def _measure(curve: Curve, *, quick: bool) -> list[Point]:
    counts = curve.num_threads or (num_cores(),) * len(curve.points)
    bandwidths = {num: memory_bandwidth(num, **({"num_bytes": 2**22} if quick else {})) for num in set(counts)}
    return [
        _point(x, shape, num, bandwidths[num], quick=quick)
        for (x, shape), num in zip(curve.points, counts, strict=False)
    ]


def _point(x: int, shape: Shape, num_threads: int, bandwidth: float, *, quick: bool) -> Point:
    """Time updates of a new network, and the GEMM rate between them."""
    spec, batches = made_up.plan(shape), made_up.batches(shape, 3)
    gemm = Gemm()
    with threads(num_threads):
        learner = Learner(spec, torch.device("cpu"))
        done = 0

        def update() -> None:
            nonlocal done
            learner.update([batches[done % len(batches)]], step=done, epoch=0)
            done += 1

        for _ in range(_FIRST_STEPS):
            start = time.perf_counter()
            update()
        rounds = int(_SECONDS / (time.perf_counter() - start))
        rounds = 1 if quick else min(max(rounds, _LEAST_ROUNDS), _MOST_ROUNDS)
        seconds = in_turn({"step": update, "gemm": gemm}, rounds)
    rates = Rates(gemm=gemm.flop / median(seconds["gemm"]), bandwidth=bandwidth)
    return Point(x, work_of(spec, batches), rates, seconds["step"])


def _draw(chosen: Sequence[Curve], measured: dict[str, list[Point]], law: Law, folder: Path) -> None:
    for curve in chosen:
        points = measured[curve.name]
        pictures.draw(
            folder / f"speed-{curve.name}.svg",
            curve.quantity,
            [p.x for p in points],
            measured=[p.rows_per_second for p in points],
            law=[p.work.rows / law.seconds(p.work, p.rates) for p in points],
            arithmetic=[p.work.rows / arithmetic_seconds(p.work, p.rates) for p in points],
        )


_COLUMNS = ("", "rows/s", "GFLOP a step", "share of the GEMM rate", "off the law")


def _table(points: Sequence[Point], law: Law) -> str:
    return table(_COLUMNS, [[f"{p.x:,}", *_cells(p, law)] for p in points])


def _cells(point: Point, law: Law) -> list[str]:
    rows = point.rows_per_second
    off = law.seconds(point.work, point.rates) / median(point.seconds) - 1
    return [spread(rows), number(point.work.flop / 1e9), f"{point.gemm_share:.0%}".replace("%", " %"), _signed(off)]


def _signed(share: float) -> str:
    return f"{100 * share:+.0f} %"


def _law_table(law: Law) -> str:
    return table(
        ("what", "fitted", "unit"),
        [
            ("passes over the activations", number(law.passes), ""),
            ("a lookup", number(1e9 * law.lookup_s), "ns"),
            ("a distinct row", number(1e9 * law.row_s), "ns"),
            ("a step", number(1e3 * law.step_s), "ms"),
        ],
    )


def _machine() -> str:
    machine = describe()
    return f"Measured on {machine.date}: {machine.describe()}."


def _summary(chosen: Sequence[Curve], measured: dict[str, list[Point]], law: Law) -> Section:
    """Where each curve begins and ends, and whether tasks and domains cost more than their multiply-adds."""
    rows = [
        [curve.name, f"{point.x:,}", *_cells(point, law)]
        for curve in chosen
        for point in (measured[curve.name][0], measured[curve.name][-1])
    ]
    return Section(
        title="Curves",
        text="How the training step's cost grows, first and last point of each curve; docs/speed.md has all points, "
        "the law and a picture each. Off the law: what the law says over what was measured, less one.",
        columns=("curve", "at", *_COLUMNS[1:]),
        rows=rows,
        aims=[_no_dearer(name, measured[name]) for name in ("tasks", "domains")],
    )


def _no_dearer(name: str, points: Sequence[Point]) -> Aim:
    """The dearest point's time per multiply-add over that of the first."""
    worst = max(points, key=lambda p: p.seconds_per_flop)
    return Aim(
        name=f"time per multiply-add, any number of {name} against one",
        target=1.0,
        measured=[s / worst.work.flop / points[0].seconds_per_flop for s in worst.seconds],
        at_most=True,
        remark=f"the dearest is {worst.x} {name}",
    )

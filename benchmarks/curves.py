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
from benchmarks.machine import describe, gemm_flops, memory_bandwidth, num_cores, threads
from benchmarks.made_up import Shape
from benchmarks.section import Aim, Section, number, spread, table
from benchmarks.timing import ratios
from benchmarks.workload import ROOT
from peprank.training.learner import Learner

PAGE = ROOT / "docs" / "speed.md"
PICTURES = ROOT / "docs" / "pictures"

BASE = Shape(batch_rows=8192)
NARROW = replace(BASE, embedding_dim=4)  # 500 features of width 16 would be 8000 inputs
QUICK = Shape(batch_rows=64, num_features=4, embedding_dim=4, table_rows=1000, hidden_dims=(16, 8), tower_dims=(8,))

_ROUNDS = 3
_VISIT_S = 0.3  # of steps in one visit to a point, if they are short
_MEMORY_SHARE = 0.6  # of the machine's, that tables and their state may take
_ROW_BYTES = 8  # of a table's row and its Adagrad state, per column


@dataclass(frozen=True, slots=True)
class Curve:
    """One quantity, and the shapes that differ in nothing else."""

    name: str  # in the picture's file name
    quantity: str  # label of the x axis
    points: tuple[tuple[int, Shape], ...]
    num_threads: tuple[int, ...] = ()  # per point; (): all cores

    @property
    def places(self) -> list[tuple[tuple[int, Shape], int]]:
        """Each point with its number of threads."""
        return list(zip(self.points, self.num_threads or [num_cores()] * len(self.points), strict=True))


@dataclass(frozen=True, slots=True)
class Visit:
    """What was measured at one point of a curve in one round."""

    seconds: float  # of a step
    rates: Rates  # just before and after


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a curve, all rounds together.

    The machine's rate changes from minute to minute, so the seconds of each visit are scaled by the GEMM rate beside
    them to the median GEMM rate of the whole run.
    """

    x: int
    work: Work
    rates: Rates  # medians of the whole run, for as many threads
    seconds: list[float]  # of a step in each round, scaled

    @property
    def rows_per_second(self) -> list[float]:
        """In each round."""
        return [self.work.rows / s for s in self.seconds]

    @property
    def gemm_share(self) -> float:
        """Arithmetic that the mathematics needs, over what the GEMM rate allows in that time."""
        return arithmetic_seconds(self.work, self.rates) / median(self.seconds)

    @property
    def seconds_per_flop(self) -> list[float]:
        """In each round."""
        return [s / self.work.flop for s in self.seconds]


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
    measured = _measured(chosen, 1 if quick else _ROUNDS)
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


def _measured(chosen: Sequence[Curve], rounds: int) -> dict[str, list[Point]]:
    """The points of each curve; every round visits all points of all curves, so that a slow minute meets each once."""
    places = [(curve.name, x, shape, num) for curve in chosen for (x, shape), num in curve.places]
    visits = [[_visit(shape, num) for _, _, shape, num in places] for _ in range(rounds)]
    usual = {
        num: _median_rates(
            [visited[k].rates for visited in visits for k, place in enumerate(places) if place[3] == num]
        )
        for num in {place[3] for place in places}
    }
    measured: dict[str, list[Point]] = {curve.name: [] for curve in chosen}
    for k, (name, x, shape, num) in enumerate(places):
        scaled = [visited[k].seconds * visited[k].rates.gemm / usual[num].gemm for visited in visits]
        work = work_of(made_up.plan(shape), made_up.batches(shape, 1)[0])
        measured[name].append(Point(x, work, usual[num], scaled))
    return measured


def _visit(shape: Shape, num_threads: int) -> Visit:
    """Time updates of a new network, between measurements of the machine's rates."""
    learner = Learner(made_up.plan(shape), torch.device("cpu"))
    batches = made_up.batches(shape, 2)
    with threads(num_threads):
        learner.update(batches[:1], step=0, epoch=0)  # takes memory that the following ones find ready
        rates = [_rates(num_threads)]
        seconds: list[float] = []
        while sum(seconds) < _VISIT_S:
            start = time.perf_counter()
            learner.update([batches[len(seconds) % 2]], step=1 + len(seconds), epoch=0)
            seconds.append(time.perf_counter() - start)
        rates.append(_rates(num_threads))
    return Visit(median(seconds), _median_rates(rates))


def _rates(num_threads: int) -> Rates:
    return Rates(
        gemm=gemm_flops(torch.float32, num_threads, repeats=3),
        bandwidth=memory_bandwidth(num_threads, num_bytes=2**26, repeats=3),
    )


def _median_rates(rates: Sequence[Rates]) -> Rates:
    return Rates(gemm=median(r.gemm for r in rates), bandwidth=median(r.bandwidth for r in rates))


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
            ("a linear map", number(1e6 * law.map_s), "us"),
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
    """The dearest point's time per multiply-add over that of one task or domain."""
    worst = max(points[1:], key=lambda point: median(point.seconds_per_flop))
    return Aim(
        name=f"time per multiply-add, any number of {name} against one",
        target=1.0,
        measured=ratios(worst.seconds_per_flop, points[0].seconds_per_flop),
        at_most=True,
        remark=f"the dearest is {worst.x} {name}",
    )

"""The network alone, in this process: the serving engine, the training forward and ONNX Runtime against the floor."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import torch

from benchmarks import machine
from benchmarks.arithmetic import needed
from benchmarks.machine import GEMM_SHAPE, Gemm
from benchmarks.serving_case import Case
from peprank import api
from peprank.batch import Features
from peprank.infer import Engine, Precision
from peprank.infer.engine import has_int8
from peprank.models import score
from peprank.onnx import OnnxScorer, arrays_of
from peprank.spec.feature import Side

ENGINE, PLAIN, ONNX, BF16, INT8 = "engine", "training forward", "ONNX Runtime", "engine, BF16", "engine, INT8"
_LEAST_CALLS = 3

Call = Callable[[], object]
Prepare = Callable[[Features], Call]


class Int8Gemm:
    """The ruler of 8-bit integers: the same product as `Gemm`, into 32 bits."""

    def __init__(self) -> None:
        rows, inputs, outputs = GEMM_SHAPE
        self._x, self._w = (
            torch.randint(-127, 128, shape, dtype=torch.int8) for shape in ((rows, inputs), (inputs, outputs))
        )
        self.flop = 2 * rows * inputs * outputs

    def __call__(self) -> None:
        """Multiply."""
        torch._int_mm(self._x, self._w)


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds of one request, p50 in each round.

    Args:
        by_way: name -> p50 by round.
        floors: name -> the request's multiply-adds over the GEMM rate of the way's arithmetic, by round.
    """

    num_items: int
    threads: int
    by_way: Mapping[str, Sequence[float]]
    floors: Mapping[str, Sequence[float]]

    def over_floor(self, way: str) -> list[float]:
        """By how much a way is above its floor, by round."""
        return [ms / floor for ms, floor in zip(self.by_way[way], self.floors[way], strict=True)]

    def over(self, way: str, other: str) -> list[float]:
        """A way's time over another's, by round."""
        return [a / b for a, b in zip(self.by_way[way], self.by_way[other], strict=True)]


def measure(case: Case, num_items: Sequence[int], threads: int, *, rounds: int, seconds: float) -> list[Times]:
    """Time every way for every number of items, in turn within a round.

    Args:
        seconds: how long each way is called in a round.
    """
    with machine.threads(threads):
        ways, rulers = _ways(case, threads), _rulers()
        return [_times(case, num, threads, ways, rulers, rounds, seconds) for num in num_items]


def _times(
    case: Case,
    num_items: int,
    threads: int,
    ways: Mapping[str, Prepare],
    rulers: Mapping[str, Gemm | Int8Gemm],
    rounds: int,
    seconds: float,
) -> Times:
    (request,) = case.requests(num_items, 1)
    features, flop = case.features(request), needed(case.plan.model).forward_flop * num_items
    calls = {name: prepare(features) for name, prepare in ways.items()}
    by_way: dict[str, list[float]] = {name: [] for name in ways}
    floors: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        rates = {name: ruler.flop / _p50_ms(ruler, seconds) for name, ruler in rulers.items()}  # FLOP a millisecond
        for name, call in calls.items():
            by_way[name].append(_p50_ms(call, seconds))
            floors[name].append(flop / rates.get(name, rates[ENGINE]))
    return Times(num_items, threads, by_way, floors)


def _ways(case: Case, threads: int) -> dict[str, Prepare]:
    """How a request can be scored here, by name."""
    ranker, onnx = case.model.scorer.ranker, OnnxScorer.load(_graph(case), threads=threads)
    once = {feature.name for feature in case.plan.input_features if feature.side is not Side.ITEM}
    engines = {ENGINE: Precision.FLOAT32}
    if machine.describe().has_bf16:
        engines[BF16] = Precision.BF16
    if has_int8():
        engines[INT8] = Precision.INT8
    made = {name: Engine(ranker, precision, once=once) for name, precision in engines.items()}
    ways: dict[str, Prepare] = {name: partial(partial, engine.logits) for name, engine in made.items()}
    ways[PLAIN] = lambda features: partial(score, ranker, features)
    ways[ONNX] = lambda features: partial(onnx.run, arrays_of(onnx.signature.inputs, features))
    return ways


def _rulers() -> dict[str, Gemm | Int8Gemm]:
    """What the floor of a way is measured with; ENGINE stands for all in float32."""
    rulers: dict[str, Gemm | Int8Gemm] = {ENGINE: Gemm()}
    if machine.describe().has_bf16:
        rulers[BF16] = Gemm(torch.bfloat16)
    if has_int8():
        rulers[INT8] = Int8Gemm()
    return rulers


def _graph(case: Case) -> Path:
    """The model as ONNX, kept beside the bundle."""
    folder = case.bundle.with_name(f"{case.bundle.name}-onnx")
    if not folder.exists():
        api.export_onnx(case.bundle, folder)
    return folder


def _p50_ms(call: Call, seconds: float) -> float:
    """Median of the calls of some seconds, after one that is not counted."""
    call()
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while len(taken) < _LEAST_CALLS or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return 1e3 * median(taken)

"""What a training step should cost: a law with two measured rates and four fitted constants for all curves together.

seconds = flop / GEMM rate                        the arithmetic; nothing fitted
        + bytes of Adam / memory bandwidth        seven floats per dense parameter; nothing fitted
        + passes x bytes of activations / memory bandwidth
        + seconds per lookup x lookups
        + seconds per row x distinct rows         of the tables, that a batch looks up: these are updated
        + seconds per step
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from benchmarks.arithmetic import needed
from peprank.models import build
from peprank.spec.pipeline import PipelineSpec
from peprank.training.batches import Batch

_FLOAT_BYTES = 4
_ADAM_FLOATS = 7  # weight, gradient and two moments are read, all but the gradient written


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What the machine can do with the threads that the step has."""

    gemm: float  # FLOP/s
    bandwidth: float  # bytes/s, read and written


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What one step has to do."""

    rows: int
    flop: float  # that the mathematics needs
    adam_bytes: float  # moved by the dense optimiser
    activation_bytes: float  # inputs and outputs of the linear maps, once each
    lookups: int
    distinct_rows: int
    linear_maps: int  # of the towers of all domains


def work_of(spec: PipelineSpec, batch: Batch) -> Work:
    """Count the work of a step over a batch of single ids with rows of every domain."""
    rows = batch.num_rows
    with torch.device("meta"):
        ranker = build(spec.model, seed=0)
    dense = sum(value.numel() for _, value in ranker.dense_parameters())
    trunk, towers = _widths(ranker.trunk), _widths(ranker.towers)
    inputs = sum(group.dim for group in spec.model.groups)
    return Work(
        rows=rows,
        flop=needed(spec.model).step_flop * rows,
        adam_bytes=_ADAM_FLOATS * _FLOAT_BYTES * dense,
        activation_bytes=_FLOAT_BYTES * rows * (inputs + sum(trunk) + sum(towers) // ranker.towers.num_domains),
        lookups=rows * len(batch.features.ids),
        distinct_rows=sum(len(np.unique(ids.values.numpy())) for ids in batch.features.ids.values()),
        linear_maps=len(trunk) + len(towers),
    )


def _widths(part: object) -> list[int]:
    """Output widths of a part's linear maps."""
    assert isinstance(part, nn.Module)
    return [linear.out_features for linear in part.modules() if isinstance(linear, nn.Linear)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """The fitted constants."""

    passes: float  # over the activations
    lookup_s: float
    row_s: float
    map_s: float

    def seconds(self, work: Work, rates: Rates) -> float:
        """The whole law."""
        fitted = np.array([self.passes, self.lookup_s, self.row_s, self.map_s])
        return known_seconds(work, rates) + float(_amounts(work, rates) @ fitted)


def arithmetic_seconds(work: Work, rates: Rates) -> float:
    """The multiply-adds alone, at the GEMM rate."""
    return work.flop / rates.gemm


def known_seconds(work: Work, rates: Rates) -> float:
    """What needs no fit."""
    return arithmetic_seconds(work, rates) + work.adam_bytes / rates.bandwidth


def fit(measured: Sequence[tuple[Work, Rates, float]]) -> Law:
    """The constants, none below 0, that leave the least sum of squared relative errors of the measured seconds."""
    seconds = np.array([s for _, _, s in measured])
    known = np.array([known_seconds(work, rates) for work, rates, _ in measured])
    amounts = np.array([_amounts(work, rates) for work, rates, _ in measured])
    passes, lookup_s, row_s, map_s = _non_negative(amounts / seconds[:, None], (seconds - known) / seconds)
    return Law(passes=passes, lookup_s=lookup_s, row_s=row_s, map_s=map_s)


def _amounts(work: Work, rates: Rates) -> npt.NDArray[np.float64]:
    """What each of the fitted constants is multiplied with."""
    return np.array([work.activation_bytes / rates.bandwidth, work.lookups, work.distinct_rows, work.linear_maps])


def _non_negative(columns: npt.NDArray[np.float64], target: npt.NDArray[np.float64]) -> list[float]:
    """Least squares with no negative coefficient: the best of all subsets of the few columns."""
    scale = np.abs(columns).max(axis=0)
    best, least = np.zeros(columns.shape[1]), float(target @ target)
    for num in range(1, columns.shape[1] + 1):
        for chosen in map(list, combinations(range(columns.shape[1]), num)):
            found = np.linalg.lstsq(columns[:, chosen] / scale[chosen], target, rcond=None)[0]
            rest = target - columns[:, chosen] / scale[chosen] @ found
            if (found >= 0).all() and rest @ rest < least:
                best, least = np.zeros(columns.shape[1]), float(rest @ rest)
                best[chosen] = found / scale[chosen]
    return [float(value) for value in best]

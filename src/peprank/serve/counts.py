"""What is counted about one version of a model: the one truth behind /metrics and Triton's statistics."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from peprank.batch import MISSING, Features
from peprank.serve.request import OutputTensor
from peprank.serve.trip import STAGES, Trip

SECONDS = (1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
ROWS = tuple(float(2**power) for power in range(15))
PROBABILITIES = (0.001, 0.003, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
NUMBERS = (-1000.0, -100.0, -10.0, -1.0, -0.1, 0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 1000.0, 10000.0)
NUM_DOMAINS = 64  # with a series of their own; later ones share one
OTHER_DOMAIN = NUM_DOMAINS


class Histogram:
    """How many values fell up to each of some bounds, and their sum. Values that are not finite are left out."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = np.zeros(len(bounds) + 1, np.int64)  # [k]: above bounds[k - 1], up to and with bounds[k]
        self.sum = 0.0
        self._edges = np.array(bounds, np.float32)

    @property
    def count(self) -> int:
        """How many values there were."""
        return int(self.counts.sum())

    def add(self, value: float) -> int:
        """Count one value; return its place in `counts`."""
        place = bisect_left(self.bounds, value)
        self.counts[place] += 1
        self.sum += value
        return place

    def add_all(self, values: NDArray[np.float32]) -> None:
        """Count many values."""
        finite = values[np.isfinite(values)]
        places = np.searchsorted(self._edges, finite)
        self.counts += np.bincount(places, minlength=len(self.counts))
        self.sum += float(finite.sum(dtype=np.float64))


class Counts:
    """What happened to one version of a model since the server began."""

    def __init__(self) -> None:
        self.statuses: Counter[int] = Counter()  # of HTTP
        self.answered_s = Histogram(SECONDS)  # whole time of requests that got scores
        self.failed_s = Histogram(SECONDS)  # and of those that did not
        self.stage_s = {stage: Histogram(SECONDS) for stage in STAGES}  # of requests that got scores
        self.num_rows = 0  # of requests that got scores
        self.last_ended_s = 0.0  # since 1970; the last request that got scores
        self.batch_rows = Histogram(ROWS)  # of executions of the model
        self.batch_s = np.zeros(len(ROWS) + 1)  # seconds in the model, by place in `batch_rows.counts`
        self.pending_requests = 0  # wait to be scored
        self.pending_rows = 0
        self.unknown_values: Counter[str] = Counter()  # by feature
        self.num_unknown_items = 0
        self.domain_requests: Counter[int] = Counter()
        self.domain_rows: Counter[int] = Counter()
        self.scores: dict[str, Histogram] = {}  # by output

    def execute(self, num_rows: int, seconds: float) -> None:
        """Count one execution of the model."""
        self.batch_s[self.batch_rows.add(num_rows)] += seconds

    def end(self, trip: Trip, now_s: float) -> None:
        """Count a request that has ended, at `now_s` since 1970."""
        self.statuses[trip.status] += 1
        if trip.status >= 400:
            self.failed_s.add(trip.whole_s)
            return
        self.answered_s.add(trip.whole_s)
        for stage, seconds in trip.stage_s.items():
            self.stage_s[stage].add(seconds)
        self.last_ended_s = now_s
        self.num_unknown_items += trip.num_unknown_items
        if trip.features is not None:
            self._count_rows(trip.features)
        for output in trip.outputs:
            self._count_scores(output)

    def _count_rows(self, features: Features) -> None:
        self.num_rows += features.num_rows
        self.unknown_values.update(features.unknown)
        places = np.minimum(features.domain.numpy(), OTHER_DOMAIN) - MISSING
        for place in np.flatnonzero(rows := np.bincount(places)).tolist():
            self.domain_requests[place + MISSING] += 1
            self.domain_rows[place + MISSING] += int(rows[place])

    def _count_scores(self, output: OutputTensor) -> None:
        """Of a softmax tower, each class by itself."""
        if output.name.startswith("logits_"):
            return  # says nothing that the probability does not
        bounds = PROBABILITIES if output.name.startswith("probs") else NUMBERS
        columns = np.atleast_2d(output.values.T)  # [C, N]
        names = [output.name] if output.values.ndim == 1 else [f"{output.name}[{k}]" for k in range(len(columns))]
        for name, values in zip(names, columns, strict=True):
            self.scores.setdefault(name, Histogram(bounds)).add_all(values)

"""What is counted about one version of a model: the one truth behind /metrics and Triton's statistics."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from peprank.batch import MISSING, Features
from peprank.serve.request import OutputTensor
from peprank.serve.rows import Encoded
from peprank.serve.trip import STAGES, Trip

SECONDS = (1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
ROWS = tuple(float(2**power) for power in range(15))
PROBABILITIES = (0.001, 0.003, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
NUMBERS = (-1000.0, -100.0, -10.0, -1.0, -0.1, 0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 1000.0, 10000.0)
NUM_DOMAINS = 64  # with a series of their own; later ones share one


class Histogram:
    """How many values fell up to each of some bounds, and their sum. Values that are not finite are left out."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.count = 0
        self.up_to = np.zeros(len(bounds), np.int64)  # [k]: values up to and with bounds[k]
        self.sum = 0.0
        self._edges = np.array(bounds, np.float32)

    def add(self, value: float) -> int:
        """Count one value; return the place of the first bound that it does not pass."""
        place = bisect_left(self.bounds, value)
        self.up_to[place:] += 1
        self.count += 1
        self.sum += value
        return place

    def add_all(self, values: NDArray[np.float32]) -> None:
        """Count many values."""
        is_finite = np.isfinite(values)
        if not is_finite.all():
            values = values[is_finite]
        self.up_to += np.sort(values).searchsorted(self._edges, "right")  # faster than to look up each value
        self.count += len(values)
        self.sum += float(values.sum(dtype=np.float64))


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
        self.batch_s = np.zeros(len(ROWS) + 1)  # seconds in the model, by place in `batch_rows`
        self.pending_requests = 0  # wait to be scored
        self.pending_rows = 0
        self.feature_rows: Counter[str] = Counter()  # that were encoded for a feature
        self.unknown_values: Counter[str] = Counter()  # by feature
        self.num_unknown_items = 0
        self.domain_names: Mapping[int, str] = {}  # of those that are not called by their id
        self.domain_requests = np.zeros(NUM_DOMAINS + 2, np.int64)  # [1 + id]; first the unknown, last the others
        self.domain_rows = np.zeros(NUM_DOMAINS + 2, np.int64)
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
        if trip.encoded is not None:
            self._count_rows(trip.encoded)
        for output in trip.outputs:
            self._count_scores(output)

    def _count_rows(self, encoded: Encoded) -> None:
        self.num_rows += encoded.num_rows
        self.feature_rows.update(encoded.looked_at)
        self.unknown_values.update(encoded.features.unknown)
        self.num_unknown_items += encoded.num_unknown_items
        if encoded.domain_names is not None:
            self.domain_names = encoded.domain_names
            self._count_domains(encoded.features)

    def _count_domains(self, features: Features) -> None:
        places = np.minimum(features.domain.numpy(), NUM_DOMAINS) - MISSING
        rows = np.bincount(places, minlength=NUM_DOMAINS + 2)
        self.domain_rows += rows
        self.domain_requests += rows > 0

    def _count_scores(self, output: OutputTensor) -> None:
        """Of a softmax tower, each class by itself."""
        if output.name.startswith("logits_"):
            return  # says nothing that the probability does not
        bounds = PROBABILITIES if output.name.startswith("probs") else NUMBERS
        columns = np.atleast_2d(output.values.T)  # [C, N]
        names = [output.name] if output.values.ndim == 1 else [f"{output.name}[{k}]" for k in range(len(columns))]
        for name, values in zip(names, columns, strict=True):
            if name not in self.scores:
                self.scores[name] = Histogram(bounds)
            self.scores[name].add_all(values)

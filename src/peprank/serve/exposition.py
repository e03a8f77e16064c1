"""Counts as metric families of Prometheus, called as Triton calls its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.utils import floatToGoString

from peprank.serve.counts import NUM_DOMAINS, Counts, Histogram
from peprank.serve.trip import CLIENT_GONE

Version = tuple[str, str]  # a model's name and one of its versions

_LABELS = ("model", "version")


def families(
    counts: Mapping[Version, Counts], loaded: Mapping[Version, str], refused: Mapping[str, int]
) -> list[Metric]:
    """All metrics of all versions.

    Args:
        loaded: versions that are served -> SHA-256 of their bundle.
        refused: model -> how many versions of it were not loaded.
    """
    return [*_requests(counts), *_executions(counts), *_rows(counts), *_models(loaded, refused)]


def reason_of(status: int) -> str:
    """Triton's word for why a request with this HTTP status has no scores."""
    match status:
        case 429 | 503 | 504:
            return "REJECTED"
        case 500:
            return "BACKEND"
        case _:
            return "CANCELED" if status == CLIENT_GONE else "OTHER"


def _requests(counts: Mapping[Version, Counts]) -> list[Metric]:
    answered = [(key, item.answered_s.count) for key, item in counts.items()]
    statuses = [((*key, str(status)), n) for key, item in counts.items() for status, n in item.statuses.items()]
    failed: dict[tuple[str, ...], int] = {}
    for (model, version, status), n in statuses:
        if int(status) >= 400:
            label = (model, version, reason_of(int(status)))
            failed[label] = failed.get(label, 0) + n
    whole = [
        ((*key, outcome), histogram)
        for key, item in counts.items()
        for outcome, histogram in (("success", item.answered_s), ("failure", item.failed_s))
    ]
    stages = [((*key, stage), each) for key, item in counts.items() for stage, each in item.stage_s.items()]
    return [
        _counter("requests", "Requests by HTTP status; 499: the client went away.", ("status",), statuses),
        _counter("request_success", "Requests that got scores.", (), answered),
        _counter("request_failure", "Requests that did not, by reason.", ("reason",), failed.items()),
        _histogram("request_seconds", "Whole time of requests, from their last byte on.", ("outcome",), whole),
        _histogram("stage_seconds", "Time of requests that got scores, by stage.", ("stage",), stages),
    ]


def _executions(counts: Mapping[Version, Counts]) -> list[Metric]:
    each = counts.items()
    return [
        _counter("inference_count", "Rows that got scores.", (), [(key, item.num_rows) for key, item in each]),
        _counter("exec_count", "Executions of the model.", (), [(key, item.batch_rows.count) for key, item in each]),
        _histogram("batch_rows", "Rows per execution.", (), [(key, item.batch_rows) for key, item in each]),
        _gauge("pending_requests", "Requests that wait.", (), [(key, item.pending_requests) for key, item in each]),
        _gauge("pending_rows", "Rows that wait.", (), [(key, item.pending_rows) for key, item in each]),
    ]


def _rows(counts: Mapping[Version, Counts]) -> list[Metric]:
    each = counts.items()
    rows = [((*key, feature), n) for key, item in each for feature, n in item.feature_rows.items()]
    unknown = [((*key, feature), n) for key, item in each for feature, n in item.unknown_values.items()]
    domain_requests = [((*key, label), n) for key, item in each for label, n in _by_domain(item, item.domain_requests)]
    domain_rows = [((*key, label), n) for key, item in each for label, n in _by_domain(item, item.domain_rows)]
    scores = [((*key, output), histogram) for key, item in each for output, histogram in item.scores.items()]
    return [
        _counter("feature_rows", "Rows encoded for a feature: one per user or item.", ("feature",), rows),
        _counter("unknown_values", "Values outside a feature's vocabulary.", ("feature",), unknown),
        _counter("unknown_items", "Item ids outside the item table.", (), [(k, i.num_unknown_items) for k, i in each]),
        _counter("domain_requests", "Requests with rows of a domain.", ("domain",), domain_requests),
        _counter("domain_rows", "Rows of a domain.", ("domain",), domain_rows),
        _histogram("score", "Scores given, by output.", ("output",), scores),
    ]


def _models(loaded: Mapping[Version, str], refused: Mapping[str, int]) -> list[Metric]:
    info = InfoMetricFamily("peprank_model", "Versions that are served.", labels=_LABELS)
    for key, sha256 in loaded.items():
        info.add_metric(key, {"sha256": sha256})
    loads = CounterMetricFamily("peprank_loads_refused", "Versions that were not loaded.", labels=("model",))
    for model, n in refused.items():
        loads.add_metric((model,), n)
    return [info, loads]


def _by_domain(item: Counts, counts: NDArray[np.int64]) -> list[tuple[str, int]]:
    """Label and count of each domain that was seen."""
    labels = ["unknown", *(item.domain_names.get(k, str(k)) for k in range(NUM_DOMAINS)), "other"]
    return [(label, n) for label, n in zip(labels, counts.tolist(), strict=True) if n]


def _counter(
    name: str, what: str, labels: tuple[str, ...], samples: Iterable[tuple[tuple[str, ...], int]]
) -> CounterMetricFamily:
    family = CounterMetricFamily(f"peprank_{name}", what, labels=(*_LABELS, *labels))
    for values, n in samples:
        family.add_metric(values, n)
    return family


def _gauge(
    name: str, what: str, labels: tuple[str, ...], samples: Iterable[tuple[tuple[str, ...], int]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"peprank_{name}", what, labels=(*_LABELS, *labels))
    for values, n in samples:
        family.add_metric(values, n)
    return family


def _histogram(
    name: str, what: str, labels: tuple[str, ...], samples: Iterable[tuple[tuple[str, ...], Histogram]]
) -> HistogramMetricFamily:
    family = HistogramMetricFamily(f"peprank_{name}", what, labels=(*_LABELS, *labels))
    for values, histogram in samples:
        buckets = zip(map(floatToGoString, histogram.bounds), histogram.up_to.tolist(), strict=True)
        family.add_metric(values, [*buckets, ("+Inf", histogram.count)], histogram.sum)
    return family

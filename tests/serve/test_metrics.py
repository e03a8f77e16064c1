"""Metrics: what Prometheus and Triton's clients read are two views of the same counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from prometheus_client.parser import text_string_to_metric_families

from peprank.batch import MISSING, Features
from peprank.serve.counts import NUM_DOMAINS, Histogram
from peprank.serve.metrics import Metrics
from peprank.serve.request import OutputTensor
from peprank.serve.rows import Encoded
from peprank.serve.statistics import statistics

DOCS = Path(__file__).resolve().parents[2] / "docs" / "serving.md"
V = {"model": "ctr", "version": "4"}


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


def found(domains: list[int], unknown: Mapping[str, int], num_unknown_items: int = 0) -> Encoded:
    """A request with rows of these domains; `tags` belongs to the user."""
    return Encoded(
        features=Features(len(domains), {}, {}, torch.tensor(domains, dtype=torch.int64), dict(unknown)),
        num_rows=len(domains),
        num_users=1,
        looked_at={"item": len(domains), "tags": 1},
        domain_names={0: "home"},
        num_unknown_items=num_unknown_items,
    )


def outputs(**values: list[float] | list[list[float]]) -> tuple[OutputTensor, ...]:
    return tuple(OutputTensor(name=name, values=np.array(each, np.float32)) for name, each in values.items())


def serve(metrics: Metrics, clock: Clock) -> None:
    """Two requests with scores, one refused, one for a model that is not there."""
    metrics.loaded("ctr", "4", "ab" * 32)
    for k in (1, 2):
        with metrics.trip() as trip:
            trip.model, trip.version = "ctr", "4"
            for stage, seconds in {"decode": 0.25, "encode": 0.5, "reply": 0.125}.items():
                with trip.stage(stage):  # type: ignore[arg-type]
                    clock.s += k * seconds
            trip.stage_s |= {"queue": k * 1.0, "model": k * 2.0}
            trip.encoded = found([0, 0, 5, MISSING, 1000], {"tags": k}, num_unknown_items=3)
            trip.outputs = outputs(probs_buy=[0.0, 0.001, 0.5, 0.6, 1.0], y_price=[3.0] * 5, logits_buy=[0.0] * 5)
    metrics.executed("ctr", "4", 10, 2.0)
    for model, version, status in (("ctr", "4", 429), ("", "", 404)):
        with metrics.trip() as trip:
            trip.model, trip.version, trip.status = model, version, status
            clock.s += 0.5


def samples(metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    text, content_type = metrics.exposition()
    assert content_type.startswith("text/plain")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_prometheus_reads_every_count() -> None:
    clock = Clock()
    metrics = Metrics(clock=clock)
    serve(metrics, clock)
    metrics.refused("ctr")
    values = samples(metrics)

    def value(name: str, **labels: str) -> float:
        return values[f"peprank_{name}", frozenset((V | labels).items())]

    assert value("requests_total", status="200") == 2
    assert value("requests_total", status="429") == 1
    assert value("requests_total", model="", version="", status="404") == 1
    assert value("request_success_total") == 2
    assert value("request_failure_total", reason="REJECTED") == 1
    assert value("request_failure_total", model="", version="", reason="OTHER") == 1
    assert value("inference_count_total") == 10
    assert value("exec_count_total") == 1
    assert value("pending_requests") == 0
    assert value("request_seconds_sum", outcome="success") == 0.875 + 1.75
    assert value("request_seconds_count", outcome="failure") == 1
    assert value("stage_seconds_sum", stage="model") == 6
    assert value("stage_seconds_bucket", stage="model", le="2.5") == 1
    assert value("stage_seconds_bucket", stage="model", le="+Inf") == 2
    assert value("batch_rows_bucket", le="8.0") == 0
    assert value("batch_rows_bucket", le="16.0") == 1
    assert value("unknown_values_total", feature="tags") == 3
    assert value("unknown_items_total") == 6
    assert value("feature_rows_total", feature="item") == 10
    assert value("feature_rows_total", feature="tags") == 2
    domain_rows = {k: value("domain_rows_total", domain=k) for k in ("home", "5", "unknown", "other")}
    assert domain_rows == {"home": 4, "5": 2, "unknown": 2, "other": 2}
    assert value("domain_requests_total", domain="home") == 2
    assert value("score_bucket", output="probs_buy", le="0.001") == 4  # 0 and 0.001, twice
    assert value("score_bucket", output="probs_buy", le="1.0") == 10
    assert value("score_bucket", output="y_price", le="1.0") == 0
    assert value("score_bucket", output="y_price", le="3.0") == 10
    assert not any("logits_buy" in dict(labels).values() for _, labels in values)
    assert value("model_info", sha256="ab" * 32) == 1
    assert values["peprank_loads_refused_total", frozenset({("model", "ctr")})] == 1
    assert ("process_resident_memory_bytes", frozenset()) in values


def test_every_series_is_in_the_docs() -> None:
    text, page = Metrics().exposition()[0].decode(), DOCS.read_text("utf-8")
    names = {family.name for family in text_string_to_metric_families(text)}
    own = {name.removeprefix("peprank_") for name in names if name.startswith("peprank_")}
    assert len(own) == 18
    assert not {name for name in own if f"`{name}" not in page}


def test_a_plan_without_domains_has_no_series_of_domains() -> None:
    metrics = Metrics()
    with metrics.trip() as trip:
        trip.encoded = replace(found([0, 0], {}), domain_names=None)
    assert metrics.of("", "").num_rows == 2
    assert not any(name.startswith("peprank_domain") for name, _ in samples(metrics))


def test_openmetrics_is_given_to_who_accepts_it() -> None:
    metrics = Metrics(clock=(clock := Clock()))
    serve(metrics, clock)
    text, content_type = metrics.exposition("application/openmetrics-text;version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert text.endswith(b"# EOF\n")


def test_triton_reads_the_same_counts() -> None:
    clock = Clock()
    metrics = Metrics(clock=clock, now=lambda: 12.5)
    serve(metrics, clock)
    (stats,) = statistics(metrics, [("ctr", "4")])["model_stats"]
    second = 1_000_000_000
    assert stats["name"] == "ctr"
    assert stats["version"] == "4"
    assert stats["last_inference"] == 12_500
    assert (stats["inference_count"], stats["execution_count"]) == (10, 1)
    assert stats["inference_stats"] == {
        "success": {"count": 2, "ns": 2.625 * second},
        "fail": {"count": 1, "ns": 0.5 * second},
        "queue": {"count": 2, "ns": 3 * second},
        "compute_input": {"count": 2, "ns": 2.25 * second},
        "compute_infer": {"count": 2, "ns": 6 * second},
        "compute_output": {"count": 2, "ns": 0.375 * second},
        "cache_hit": {"count": 0, "ns": 0},
        "cache_miss": {"count": 0, "ns": 0},
    }
    assert [(each["batch_size"], each["compute_infer"]) for each in stats["batch_stats"]] == [
        (16, {"count": 1, "ns": 2 * second})
    ]


def test_statistics_of_no_version_are_empty() -> None:
    assert statistics(Metrics(), []) == {"model_stats": []}


def test_classes_of_a_softmax_tower_are_counted_by_themselves() -> None:
    metrics = Metrics()
    with metrics.trip() as trip:
        trip.outputs = outputs(probs_stars=[[0.25, 0.75], [0.5, 0.5]], probs_none=[])
    scores = metrics.of("", "").scores
    assert {name: each.sum for name, each in scores.items()} == {
        "probs_stars[0]": 0.75,
        "probs_stars[1]": 1.25,
        "probs_none": 0.0,
    }


def test_the_number_of_series_stays_bounded() -> None:
    metrics = Metrics()
    for version in range(200):
        metrics.loaded("ctr", str(version), "0" * 64)
        with metrics.trip() as trip:
            trip.model, trip.version = "ctr", str(version)
            trip.encoded = found(list(range(500)), {})
        metrics.unloaded("ctr", str(version))
    labels = [dict(labels) for name, labels in samples(metrics) if name == "peprank_domain_rows_total"]
    assert {each["version"] for each in labels} == {str(version) for version in range(184, 200)}
    assert len(labels) == 16 * (NUM_DOMAINS + 1)
    assert metrics.of("ctr", "199").domain_rows[-1] == 500 - NUM_DOMAINS


def test_a_version_that_comes_back_keeps_its_counts() -> None:
    metrics = Metrics()
    for version in [*map(str, range(16)), "0", *map(str, range(16, 31))]:
        metrics.loaded("ctr", version, "0" * 64)
        with metrics.trip() as trip:
            trip.model, trip.version = "ctr", version
        metrics.unloaded("ctr", version)
    assert metrics.of("ctr", "0").statuses == {200: 2}


@given(arrays(np.float32, st.integers(0, 50)), st.lists(st.floats(-100, 100, width=32), min_size=1, unique=True))
def test_a_histogram_counts_many_values_as_one_by_one(values: np.ndarray, bounds: list[float]) -> None:
    together, alone = Histogram(sorted(bounds)), Histogram(sorted(bounds))
    together.add_all(values)
    finite = values[np.isfinite(values)]
    for value in finite.tolist():
        alone.add(value)
    assert together.up_to.tolist() == alone.up_to.tolist()
    assert together.count == alone.count == len(finite)
    assert together.sum == pytest.approx(alone.sum, rel=1e-6, abs=1e-3 * float(np.abs(finite).max(initial=0)))
    assert [int((finite <= bound).sum()) for bound in sorted(bounds)] == together.up_to.tolist()

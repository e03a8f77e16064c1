"""What was counted, as Triton's statistics extension has it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from peprank.serve.counts import Counts, Histogram
from peprank.serve.exposition import Version
from peprank.serve.metrics import Metrics
from peprank.serve.trip import Stage


def statistics(metrics: Metrics, versions: Iterable[Version]) -> dict[str, Any]:
    """The answer to a request for the statistics of some versions, in their order.

    Triton's input is our decode and encode, its output our reply. Times are in nanoseconds. Executions are listed by
    their rows, rounded up to a power of two; beyond 16384 there is one entry for all, called 32768.
    """
    return {"model_stats": [_of_version(*version, metrics.of(*version)) for version in versions]}


def _of_version(model: str, version: str, counts: Counts) -> dict[str, Any]:
    return {
        "name": model,
        "version": version,
        "last_inference": int(1000 * counts.last_ended_s),  # milliseconds since 1970
        "inference_count": counts.num_rows,
        "execution_count": counts.batch_rows.count,
        "inference_stats": {
            "success": _duration(counts.answered_s),
            "fail": _duration(counts.failed_s),
            "queue": _stages(counts, "queue"),
            "compute_input": _stages(counts, "decode", "encode"),
            "compute_infer": _stages(counts, "model"),
            "compute_output": _stages(counts, "reply"),
            "cache_hit": _NONE,
            "cache_miss": _NONE,
        },
        "response_stats": {},
        "batch_stats": _batches(counts),
        "memory_usage": [],
    }


_NONE = {"count": 0, "ns": 0}


def _duration(histogram: Histogram) -> dict[str, int]:
    return {"count": histogram.count, "ns": _nanoseconds(histogram.sum)}


def _stages(counts: Counts, *stages: Stage) -> dict[str, int]:
    """How many requests passed these stages, and how long they took together."""
    histograms = [counts.stage_s[stage] for stage in stages]
    return {"count": max(h.count for h in histograms), "ns": _nanoseconds(sum(h.sum for h in histograms))}


def _batches(counts: Counts) -> list[dict[str, Any]]:
    rows = counts.batch_rows
    sizes, ends = [*rows.bounds, 2 * rows.bounds[-1]], [*rows.up_to.tolist(), rows.count]
    each = zip(sizes, ends, [0, *ends], counts.batch_s.tolist(), strict=False)
    return [
        {
            "batch_size": int(size),
            "compute_input": _NONE,
            "compute_infer": {"count": end - start, "ns": _nanoseconds(seconds)},
            "compute_output": _NONE,
        }
        for size, end, start, seconds in each
        if end > start
    ]


def _nanoseconds(seconds: float) -> int:
    return round(1e9 * seconds)

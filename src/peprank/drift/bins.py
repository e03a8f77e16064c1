"""One distribution as counts by bin, and how far two of them are apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_IDS = 32  # most frequent ids with a bin of their own
FLOOR = 1e-4  # least share of a bin in `psi`: an empty one would make it infinite
_DECILES = np.arange(1, 10) / 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Bins:
    """Counts of numbers between `edges`, or of single `ids` and then of all others."""

    edges: tuple[float, ...] | None = None  # ascending; bin k holds [edges[k - 1], edges[k])
    ids: tuple[int, ...] = ()  # ascending; without edges
    counts: tuple[int, ...]

    @staticmethod
    def of_numbers(values: NDArray[np.float32]) -> Bins:
        """Bins between the deciles. A number that fills several deciles, such as 0 in a rare count, has one alone."""
        deciles = np.quantile(values, _DECILES, method="nearest") if len(values) else np.zeros(0, np.float32)
        once, times = np.unique(deciles, return_counts=True)
        edges = np.union1d(once, np.nextafter(once[times > 1], np.float32(np.inf)))
        empty = Bins(edges=tuple(edges.astype(float).tolist()), counts=())
        return Bins(edges=empty.edges, counts=tuple(empty.count(values).tolist()))

    @staticmethod
    def of_ids(values: NDArray[np.int64]) -> Bins:
        """One bin for each of the most frequent ids, one for all others."""
        ids, counts = np.unique(values, return_counts=True)
        top = np.sort(ids[np.argsort(-counts, kind="stable")[:MAX_IDS]])
        empty = Bins(ids=tuple(top.tolist()), counts=())
        return Bins(ids=empty.ids, counts=tuple(empty.count(values).tolist()))

    def count(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """How many values lie in each bin."""
        if self.edges is not None:
            places = np.searchsorted(np.array(self.edges), values, side="right")
            return np.bincount(places, minlength=len(self.edges) + 1)
        if not self.ids:
            return np.array([len(values)])
        ids = np.array(self.ids)
        places = np.minimum(np.searchsorted(ids, values), len(ids) - 1)
        return np.bincount(np.where(ids[places] == values, places, len(ids)), minlength=len(ids) + 1)

    def to_json(self) -> dict[str, Any]:
        """Plain lists of numbers."""
        bounds = {"ids": list(self.ids)} if self.edges is None else {"edges": list(self.edges)}
        return {**bounds, "counts": list(self.counts)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Bins:
        """What `to_json` wrote."""
        edges = tuple(map(float, data["edges"])) if "edges" in data else None
        return cls(edges=edges, ids=tuple(map(int, data.get("ids", ()))), counts=tuple(map(int, data["counts"])))


def psi(before: NDArray[np.int64], now: NDArray[np.int64]) -> float:
    """Population stability index of two counts by bin: sum (q - p) ln(q / p), 0 for equal shares.

    Source: Siddiqi, Credit Risk Scorecards (2006): below 0.1 hardly any change, above 0.25 a large one.

    Shapes: [bins], [bins] -> one number; each sum > 0
    """
    p, q = (np.maximum(counts / counts.sum(), FLOOR) for counts in (before, now))
    return float(((q - p) * np.log(q / p)).sum())

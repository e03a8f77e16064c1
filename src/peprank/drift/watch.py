"""Hold the rows being scored against a profile of the training rows, batch by batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from peprank.batch import Features
from peprank.drift.bins import Bins, psi
from peprank.drift.profile import Profile, score_names, values_of
from peprank.spec.model import ModelSpec

MIN_ROWS = 1000  # of fewer rows nothing is told: by chance alone ten bins are 0.01 apart at 1,000 rows, 0.2 at 50
PSI_LIMIT = 0.2
UNKNOWN_LIMIT = 0.01  # by which a share of unknown values may rise, unless it doubles as well


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """How far scored rows are from those of training."""

    rows: int  # scored
    psi: dict[str, float]  # "feature price", "score ctr", "domains" -> population stability index
    unknown: dict[str, tuple[float, float]]  # feature -> share of unknown values in training and now

    @property
    def sentences(self) -> tuple[str, ...]:
        """What lies above the limits, the furthest first, a line each; nothing for fewer than MIN_ROWS rows."""
        if self.rows < MIN_ROWS:
            return ()
        far = sorted((item for item in self.psi.items() if item[1] > PSI_LIMIT), key=lambda item: -item[1])
        told = [f"drift: {what}: PSI {value:.2f} against the training rows, limit {PSI_LIMIT}" for what, value in far]
        risen = [
            f"drift: feature {name}: {now:.1%} of its values are unknown, {before:.1%} in the training rows"
            for name, (before, now) in self.unknown.items()
            if now > max(before + UNKNOWN_LIMIT, 2 * before)
        ]
        return (*told, *risen)

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, lists and numbers."""
        unknown = {name: list(shares) for name, shares in self.unknown.items()}
        return {"rows": self.rows, "psi": self.psi, "unknown": unknown, "told": list(self.sentences)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Drift:
        """What `to_json` wrote."""
        unknown = {name: (before, now) for name, (before, now) in data["unknown"].items()}
        return cls(rows=data["rows"], psi=dict(data["psi"]), unknown=unknown)


class DriftWatch:
    """Counts rows into the bins of a profile."""

    def __init__(self, profile: Profile, spec: ModelSpec) -> None:
        self._profile, self._score_names = profile, score_names(spec)
        self._rows = 0
        self._counts: dict[str, NDArray[np.int64]] = {}
        self._num_values: Counter[str] = Counter()
        self._num_unknown: Counter[str] = Counter()

    def add(self, features: Features, logits: NDArray[np.float32]) -> None:
        """Take in B encoded rows and their logits [B, K]."""
        self._rows += features.num_rows
        for name, values in values_of(features):
            self._num_values[name] += len(values)
            self._count(f"feature {name}", self._profile.features.get(name), values)
        self._num_unknown.update(features.unknown)
        self._count("domains", self._profile.domains, features.domain.numpy())
        for k, name in enumerate(self._score_names):
            self._count(f"score {name}", self._profile.scores.get(name), logits[:, k])

    def drift(self) -> Drift:
        """How far all rows so far are from the profile's."""
        bins = {f"feature {name}": bins for name, bins in self._profile.features.items()}
        bins |= {f"score {name}": bins for name, bins in self._profile.scores.items()}
        bins |= {"domains": self._profile.domains} if self._profile.domains is not None else {}
        return Drift(
            rows=self._rows,
            psi={
                what: psi(np.array(bins[what].counts), now)
                for what, now in self._counts.items()
                if now.sum() and sum(bins[what].counts)
            },
            unknown={
                name: (before, self._num_unknown[name] / max(self._num_values[name], 1))
                for name, before in self._profile.unknown.items()
            },
        )

    def _count(self, what: str, bins: Bins | None, values: NDArray[Any]) -> None:
        if bins is not None:
            self._counts[what] = self._counts.get(what, 0) + bins.count(values)

"""What the rows of a model's training were like: kept in its bundle as plain JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from peprank.batch import Features
from peprank.drift.bins import Bins
from peprank.spec.model import ModelSpec

FORMAT = 1  # of the JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Distributions of some rows: each feature's values, the domains, each score, and values that nobody knows."""

    rows: int
    features: Mapping[str, Bins]  # encoded values: ids, or numbers after the normalizer
    unknown: Mapping[str, float]  # feature -> share of its values that it does not know
    domains: Bins | None  # None: the plan tells no domains apart
    scores: Mapping[str, Bins]  # logits, by `score_names`

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, lists and numbers."""
        return {
            "format": FORMAT,
            "rows": self.rows,
            "features": {name: bins.to_json() for name, bins in self.features.items()},
            "unknown": dict(self.unknown),
            "domains": None if self.domains is None else self.domains.to_json(),
            "scores": {name: bins.to_json() for name, bins in self.scores.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Profile:
        """What `to_json` wrote.

        Raises:
            ValueError, KeyError, TypeError: something else did.
        """
        if data["format"] != FORMAT:
            raise ValueError(f"it has format {data['format']}, this peprank reads {FORMAT}")
        return cls(
            rows=int(data["rows"]),
            features={name: Bins.from_json(bins) for name, bins in data["features"].items()},
            unknown={name: float(share) for name, share in data["unknown"].items()},
            domains=None if data["domains"] is None else Bins.from_json(data["domains"]),
            scores={name: Bins.from_json(bins) for name, bins in data["scores"].items()},
        )


def profile_of(spec: ModelSpec, batches: Sequence[Features], logits: NDArray[np.float32]) -> Profile:
    """Describe encoded rows, and the logits [N, K] of these or others."""
    values: dict[str, list[NDArray[Any]]] = {}
    unknown: dict[str, int] = {}
    for features in batches:
        for name, part in values_of(features):
            values.setdefault(name, []).append(part)
        for name, num in features.unknown.items():
            unknown[name] = unknown.get(name, 0) + num
    whole = {name: np.concatenate(parts) for name, parts in values.items()}
    domains = np.concatenate([features.domain.numpy() for features in batches])
    return Profile(
        rows=sum(features.num_rows for features in batches),
        features={name: _bins(part) for name, part in whole.items()},
        unknown={name: unknown.get(name, 0) / max(len(part), 1) for name, part in whole.items()},
        domains=Bins.of_ids(domains) if spec.domain is not None else None,
        scores={name: Bins.of_numbers(logits[:, k]) for k, name in enumerate(score_names(spec))},
    )


def score_names(spec: ModelSpec) -> list[str]:
    """The task of each logit; of a softmax tower with the class."""
    return [
        task.name if task.num_class == 1 else f"{task.name}[{k}]" for task in spec.tasks for k in range(task.num_class)
    ]


def values_of(features: Features) -> Iterator[tuple[str, NDArray[Any]]]:
    """All values of each feature, whichever row they are of."""
    for name, ids in features.ids.items():
        yield name, ids.values.numpy()
    for name, numbers in features.numbers.items():
        yield name, numbers.numpy().ravel()


def _bins(values: NDArray[Any]) -> Bins:
    return Bins.of_ids(values) if values.dtype == np.int64 else Bins.of_numbers(values)

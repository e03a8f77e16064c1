"""What a model's gates do to the rows of a request: the numbers of `peprank gates`, row by row."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from peprank.batch import Features
from peprank.evaluation.gate_sums import GateHead
from peprank.models import GateValues, look_at_gates
from peprank.predict import Scorer

_DIGITS = 6  # after the point, about what float32 holds of a number near 1


class Probe:
    """Looks at the gates of one version of a model.

    To the queue it is a model of its own, whose `logits` are what it sees; so looking waits, and is bounded, like
    scoring. Gates are seen as the model itself has them, in float32, whatever the precision of the server.

    Args:
        name, version: of the model.
        scorer: the model.
        features: a row of it, to learn which gates there are.
    """

    def __init__(self, name: str, version: str, scorer: Scorer, features: Features) -> None:
        self.name, self.version = name, version
        self._ranker = scorer.ranker
        self._tasks = [task.name for task in scorer.spec.model.tasks]
        self.heads = tuple(GateHead.of(gate, scorer.spec.model) for gate in self._look(features))
        self._shares = [_shares(head) for head in self.heads]

    def logits(self, features: Features) -> NDArray[np.float32]:
        """Of each gate the mean of its numbers and their mean distance from neutral, for all units and each part.

        Shapes: B rows -> float32 [B, sum over gates of 2 (1 + parts)]
        """
        columns = [np.empty((features.num_rows, 0), np.float32)]
        for head, shares, gate in zip(self.heads, self._shares, self._look(features), strict=True):
            values = gate.values.float().numpy()  # [B, U]
            columns += [values @ shares, np.abs(values - np.float32(head.neutral)) @ shares]
        return np.concatenate(columns, axis=1)

    def told(self, seen: NDArray[np.float32]) -> list[dict[str, Any]]:
        """What `logits` saw, gate by gate, for an answer in JSON."""
        widths = [1 + len(head.parts) for head in self.heads for _ in ("mean", "moved")]
        columns = np.split(seen, np.cumsum(widths)[:-1], axis=1) if widths else []
        return [_told(head, *columns[2 * k : 2 * k + 2]) for k, head in enumerate(self.heads)]

    def _look(self, features: Features) -> list[GateValues]:
        return look_at_gates(self._ranker, features, self._tasks)


def _shares(head: GateHead) -> NDArray[np.float32]:
    """What each unit counts in the mean of all units and in that of each part [U, 1 + parts]."""
    widths = np.array(head.widths)
    parts = np.repeat(np.diag(1 / widths), widths, axis=0)[:, : len(head.parts)]
    whole = np.full((head.units, 1), 1 / head.units)
    return np.concatenate([whole, parts], axis=1).astype(np.float32)


def _told(head: GateHead, means: NDArray[np.float32], moved: NDArray[np.float32]) -> dict[str, Any]:
    numbers = zip(_by_column(means), _by_column(moved), strict=True)
    cells = [{"part": part, "mean": m, "moved": d} for part, (m, d) in zip((None, *head.parts), numbers, strict=True)]
    return {
        "name": head.name,
        "layer": head.layer,
        "task": head.task,
        "gamma": head.gamma,
        "neutral": head.neutral,
        "units": head.units,
        "cells": cells,  # all units first
    }


def _by_column(values: NDArray[np.float32]) -> list[list[float]]:
    columns: list[list[float]] = values.astype(np.float64).round(_DIGITS).T.tolist()
    return columns

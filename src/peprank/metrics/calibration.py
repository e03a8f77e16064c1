"""Probabilities of logits, and whether they are right on average."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from peprank.metrics.logloss import exp_minus_abs
from peprank.metrics.wins import Floats, Labels


def sigmoid(logit: Floats) -> npt.NDArray[np.float64]:
    """1 / (1 + exp(-logit)) in float64; no overflow for any logit."""
    decay = exp_minus_abs(logit.astype(np.float64))
    prob = np.where(logit >= 0, 1.0, decay)
    decay += 1.0
    prob /= decay
    return prob


def softmax(logits: Floats) -> npt.NDArray[np.float64]:
    """exp(logit) / sum exp(logit) over the last axis, in float64: [N, C] -> [N, C]."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    odds = np.exp(shifted)
    # Summed in sorted order, so that rows with the same logits in another order do not differ by a rounding.
    return np.asarray(odds / np.sort(odds, axis=-1).sum(axis=-1, keepdims=True))


def calibration(prob: Floats, label: Labels) -> float | None:
    """Mean prob / mean label: 1 is right on average, 2 predicts twice what happens. None without a positive."""
    positives = float(label.sum(dtype=np.float64))
    return float(prob.sum(dtype=np.float64)) / positives if positives else None

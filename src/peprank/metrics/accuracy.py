"""How often the decision is right."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from peprank.metrics.wins import Floats, Labels


def accuracy(prob: Floats, label: Labels, *, threshold: float = 0.5) -> float | None:
    """Share of rows where `prob > threshold` says the label. None without rows."""
    return float(((prob > threshold) == label.astype(bool)).mean()) if len(prob) else None


def top_k_accuracy(logits: Floats, label: npt.NDArray[np.integer], *, top_k: int = 1) -> float | None:
    """Share of rows whose class is among the `top_k` largest logits; of equal ones the lower class index comes first.

    Args:
        logits: [N, C].
        label: class index [N].
    """
    if not len(logits):
        return None
    own = np.take_along_axis(logits, label[:, None].astype(np.int64), axis=1)  # [N, 1]
    is_ahead = (logits > own) | ((logits == own) & (np.arange(logits.shape[1]) < label[:, None]))
    return float((is_ahead.sum(axis=1) < top_k).mean())

"""Binary cross-entropy of logits, plain and against the entropy of the labels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from peprank.metrics.wins import Floats, Labels


def row_losses(logit: Floats, label: Labels) -> npt.NDArray[np.float64]:
    """-(y log p + (1 - y) log(1 - p)) of each row, in nats, with p = sigmoid(logit); stable for any finite logit."""
    x = logit.astype(np.float64)
    return np.maximum(x, 0) - x * label + np.log1p(np.exp(-np.abs(x)))


def logloss(logit: Floats, label: Labels) -> float | None:
    """Mean of -(y log p + (1 - y) log(1 - p)), in nats, from logits in float64. None without rows.

    Labels may be soft, anywhere in [0, 1].
    """
    return float(row_losses(logit, label).mean()) if len(logit) else None


def normalized_entropy(logit: Floats, label: Labels, *, eta: float = 1e-12) -> float | None:
    """Logloss over the entropy of the mean label: below 1 beats the best constant. None when one class is missing.

    Args:
        eta: the mean label is kept in [eta, 1 - eta].
    """
    loss = logloss(logit, label)
    if loss is None or not 0 < (rate := float(label.mean(dtype=np.float64))) < 1:
        return None
    rate = min(max(rate, eta), 1 - eta)
    return float(loss / -(rate * np.log(rate) + (1 - rate) * np.log1p(-rate)))

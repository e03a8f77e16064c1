"""Errors of unbounded predictions."""

from __future__ import annotations

import numpy as np

from peprank.metrics.wins import Floats


def mean_absolute_error(prediction: Floats, label: Floats) -> float | None:
    """Mean |y - label|. None without rows."""
    return float(np.abs(np.subtract(prediction, label, dtype=np.float64)).mean()) if len(label) else None


def mean_squared_error(prediction: Floats, label: Floats) -> float | None:
    """Mean (y - label)^2. None without rows."""
    return float(np.square(np.subtract(prediction, label, dtype=np.float64)).mean()) if len(label) else None

"""The training losses as plain means over rows, in float64: no row weights, no batches."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from peprank.metrics.calibration import sigmoid
from peprank.metrics.logloss import row_losses
from peprank.metrics.wins import Floats, Groups, Labels


def smoothed(label: Labels, label_smoothing: float) -> npt.NDArray[np.float64]:
    """y (1 - s) + s / 2."""
    return label * (1 - label_smoothing) + label_smoothing / 2


def binary_focal_loss(logit: Floats, label: Labels, *, gamma: float = 2.0, alpha: float = 0.5) -> float | None:
    """Mean of (alpha y (1-p)^gamma + (1-alpha) (1-y) p^gamma) x binary cross-entropy. None without rows."""
    if not len(logit):
        return None
    prob = sigmoid(logit)
    weight = alpha * label * (1 - prob) ** gamma + (1 - alpha) * (1 - label) * prob**gamma
    return float((weight * row_losses(logit, label)).mean())


def cross_entropy(logits: Floats, label: npt.NDArray[np.integer], *, label_smoothing: float = 0.0) -> float | None:
    """Mean of -log p(class), in nats, smoothed towards the mean of -log p over all classes. None without rows.

    Args:
        logits: [N, C].
        label: class index [N].
    """
    if not len(logits):
        return None
    surprise = -_log_softmax(logits)  # [N, C]
    own = np.take_along_axis(surprise, label[:, None].astype(np.int64), axis=1)
    return float((1 - label_smoothing) * own.mean() + label_smoothing * surprise.mean())


def _log_softmax(logits: Floats) -> npt.NDArray[np.float64]:
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def jrc_loss(logits: Floats, label: Labels, session: Groups, *, alpha: float = 0.5) -> float | None:
    """alpha CE + (1 - alpha) mean of each row's contrast with the rows of the other class in its session.

    Within a session a positive's class-1 logit competes with those of the negatives, a negative's class-0 logit with
    those of the positives. Sessions are whole here; in training they end at the batch. None without rows.

    Source: Sheng et al., "Joint Optimization of Ranking and Calibration with Contextualized Hybrid Model", KDD 2023.

    Args:
        logits: [N, 2].
    """
    if not len(logits):
        return None
    is_positive = label.astype(bool)
    _, code = np.unique(session, return_inverse=True)
    x = logits.astype(np.float64)
    own = np.where(is_positive, x[:, 1], x[:, 0])
    # Row b competes on its own class's logit with the rows of the other class.
    rivals_of_positive = _log_sum_exp(np.where(is_positive, -np.inf, x[:, 1]), code)[code]
    rivals_of_negative = _log_sum_exp(np.where(is_positive, x[:, 0], -np.inf), code)[code]
    contrast = np.logaddexp(0, np.where(is_positive, rivals_of_positive, rivals_of_negative) - own)
    entropy = cross_entropy(logits, is_positive.astype(np.int64))
    return float(alpha * (entropy or 0.0) + (1 - alpha) * contrast.mean())


def _log_sum_exp(value: npt.NDArray[np.float64], group: Groups) -> npt.NDArray[np.float64]:
    """log sum exp of the values of each group, [G]; -inf where all of them are."""
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.append(True, np.diff(group[order]) > 0))
    return np.logaddexp.reduceat(value[order], starts)

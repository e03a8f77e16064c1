"""Two curves of a binary task, as a few points each: are probabilities right, and how do the classes part?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from peprank.metrics.wins import Floats, Labels

_Z95 = 1.959963984540054  # 97.5 % point of the normal distribution


@dataclass(frozen=True, slots=True)
class Reliability:
    """Rows in K bins of probability, from the least probable up."""

    rows: npt.NDArray[np.int64]  # [K], at least 1
    positives: npt.NDArray[np.int64]  # [K]
    mean_prob: npt.NDArray[np.float64]  # [K]

    @property
    def rate(self) -> npt.NDArray[np.float64]:
        """Share of positives in each bin, [K]: equal to `mean_prob` where the probabilities are right."""
        return self.positives / self.rows


@dataclass(frozen=True, slots=True)
class Roc:
    """Points of the ROC curve from (0, 0) to (1, 1): shares of both classes that score at least some threshold."""

    false_positive_rate: npt.NDArray[np.float64]  # [P] ascending
    true_positive_rate: npt.NDArray[np.float64]  # [P] ascending


def reliability(prob: Floats, label: Labels, *, bins: int = 10) -> Reliability:
    """Cut the rows into bins of about equal size by probability; rows that tie stay together, empty bins are left out.

    The bins are those of scikit-learn's `calibration_curve(strategy="quantile")`.
    """
    if not len(prob):
        none = np.zeros(0, np.int64)
        return Reliability(none, none, np.zeros(0))
    # percentile, not quantile: an edge that is off by one rounding parts other ties than scikit-learn's
    edges = np.percentile(prob, 100 * np.linspace(0.0, 1.0, bins + 1)[1:-1])
    bin_of = np.searchsorted(edges, prob)
    rows = np.bincount(bin_of, minlength=bins)
    positives = np.bincount(bin_of, weights=label, minlength=bins).astype(np.int64)
    prob_sums = np.bincount(bin_of, weights=prob, minlength=bins)
    some = rows > 0
    return Reliability(rows[some], positives[some], prob_sums[some] / rows[some])


def wilson_interval(
    positives: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Bounds of the 95 % interval of a share, which holds for rare positives too; rows must be at least 1.

    Source: Wilson, "Probable inference, the law of succession, and statistical inference", JASA 1927.

    Shapes: [K], [K] -> [K], [K], both in [0, 1]
    """
    share, spread = positives / rows, _Z95**2 / rows
    middle = share + spread / 2
    half = np.sqrt(spread * (share * (1 - share) + spread / 4))
    return np.maximum(middle - half, 0.0) / (1 + spread), np.minimum((middle + half) / (1 + spread), 1.0)


def roc(score: Floats, label: Labels, *, max_points: int = 200) -> Roc | None:
    """Points of the ROC curve: one per distinct score, or `max_points` spread evenly. None when one class is missing.

    A point left out lies within 2 / (max_points - 1) of the ones kept, but where that many rows tie.
    """
    order = np.argsort(-score)
    falling, positive = score[order], np.asarray(label, bool)[order]
    positives, num_rows = int(positive.sum()), len(positive)
    if not 0 < positives < num_rows:
        return None
    last_of_tie = np.append(np.flatnonzero(falling[1:] != falling[:-1]), num_rows - 1)
    above = np.append(0, last_of_tie + 1)  # [P] rows that score at least the threshold
    hits = np.append(0, np.cumsum(positive)[last_of_tie])
    true_rate, false_rate = hits / positives, (above - hits) / (num_rows - positives)
    kept = _spread(true_rate + false_rate, max_points)
    return Roc(false_rate[kept], true_rate[kept])


def _spread(length: npt.NDArray[np.float64], max_points: int) -> npt.NDArray[np.int64]:
    """Positions of at most `max_points` values of an ascending array, the first and the last among them."""
    if len(length) <= max_points:
        return np.arange(len(length))
    return np.unique(np.searchsorted(length, np.linspace(length[0], length[-1], max_points)))

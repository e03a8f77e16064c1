"""Area under the ROC curve, of two classes and of many."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from peprank.metrics.wins import Floats, Labels, count_wins


def auc(score: Floats, label: Labels) -> float | None:
    """Chance that a positive outranks a negative; a tie counts one half. None when one class is missing.

    Exact, whatever the order of the rows: scores are compared bit for bit, pairs are counted in integers.

    Raises:
        ValueError: lengths differ, a score is NaN, a label is neither 0 nor 1.

    Example:
        >>> auc(np.array([0.1, 0.4, 0.4, 0.8], np.float32), np.array([0, 0, 1, 1]))
        0.875
    """
    wins = count_wins(score, label)
    twice_won, pairs = int(wins.twice_won.sum()), int(wins.pairs.sum())
    return twice_won / (2 * pairs) if pairs else None


def binned_auc(prob: Floats, label: Labels, thresholds: int) -> float | None:
    """AUC after each probability is rounded down to one of `thresholds` even steps from 0 to 1.

    What the peer's `auc { thresholds: N }` measures. None when one class is missing.
    """
    bins = np.searchsorted(np.linspace(0.0, 1.0, thresholds), prob, side="right")
    positives = np.bincount(bins, weights=label, minlength=thresholds + 1)
    negatives = np.bincount(bins, minlength=thresholds + 1) - positives
    pairs = positives.sum() * negatives.sum()
    won = positives @ (np.cumsum(negatives) - negatives / 2)
    return float(won / pairs) if pairs else None


def multiclass_auc(
    prob: Floats, label: npt.NDArray[np.integer], *, average: str = "macro", thresholds: int | None = None
) -> float | None:
    """Mean over the classes of one-against-the-rest AUC; a class without rows, or with all of them, is left out.

    Args:
        prob: [N, C]; in float64, so that rounding makes no ties.
        label: class index [N].
        average: "macro" gives each class one vote, "weighted" as many as it has rows.
        thresholds: None: exact; else as in `binned_auc`.
    """
    classes = range(prob.shape[1])
    values = [_one_against_rest(prob[:, k], label == k, thresholds) for k in classes]
    votes = [int((label == k).sum()) if average == "weighted" else 1 for k in classes]
    counted = [(value, vote) for value, vote in zip(values, votes, strict=True) if value is not None]
    return sum(value * vote for value, vote in counted) / sum(vote for _, vote in counted) if counted else None


def _one_against_rest(prob: Floats, is_class: npt.NDArray[np.bool_], thresholds: int | None) -> float | None:
    return auc(prob, is_class) if thresholds is None else binned_auc(prob, is_class, thresholds)

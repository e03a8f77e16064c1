"""Measures of a ranking: numpy arrays in, one number out, None where it is undefined; and curves, a few points out.

No torch, no state.

Ranking metrics (auc, gauc, xauc) read only the order of the scores. Give them float32 logits rather than
probabilities: a float32 sigmoid saturates near 0 and 1 and makes ties that the model did not.
"""

from peprank.metrics.accuracy import accuracy, top_k_accuracy
from peprank.metrics.auc import auc, binned_auc, multiclass_auc
from peprank.metrics.calibration import calibration, sigmoid, softmax
from peprank.metrics.curves import Reliability, Roc, reliability, roc, wilson_interval
from peprank.metrics.gauc import gauc
from peprank.metrics.logloss import label_entropy, logloss, normalized_entropy
from peprank.metrics.losses import binary_focal_loss, cross_entropy, jrc_loss, smoothed
from peprank.metrics.paired import Difference, Interval, holm, mean_over_seeds, paired
from peprank.metrics.regression import mean_absolute_error, mean_squared_error
from peprank.metrics.resampled import Resampled, UserDraws, over_users
from peprank.metrics.wins import Grouped
from peprank.metrics.xauc import grouped_xauc, xauc

__all__ = [
    "Difference",
    "Grouped",
    "Interval",
    "Reliability",
    "Resampled",
    "Roc",
    "UserDraws",
    "accuracy",
    "auc",
    "binary_focal_loss",
    "binned_auc",
    "calibration",
    "cross_entropy",
    "gauc",
    "grouped_xauc",
    "holm",
    "jrc_loss",
    "label_entropy",
    "logloss",
    "mean_absolute_error",
    "mean_over_seeds",
    "mean_squared_error",
    "multiclass_auc",
    "normalized_entropy",
    "over_users",
    "paired",
    "reliability",
    "roc",
    "sigmoid",
    "smoothed",
    "softmax",
    "top_k_accuracy",
    "wilson_interval",
    "xauc",
]

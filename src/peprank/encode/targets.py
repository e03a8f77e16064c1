"""Labels, row weights and task spaces: what a loss and a metric need of the rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from peprank.errors import DataError
from peprank.spec.model import TaskSpace, TaskSpec


def labels_of(tasks: Sequence[TaskSpec], rows: pa.RecordBatch) -> NDArray[np.float32]:
    """Labels [B, T]; class index for softmax towers.

    Raises:
        DataError: a label that its task cannot have.
    """
    labels = np.empty((rows.num_rows, len(tasks)), np.float32)
    for index, task in enumerate(tasks):
        column = _numbers(rows, task.label)
        _check_labels(task, column)
        labels[:, index] = column
    return labels


def weights_of(tasks: Sequence[TaskSpec], rows: pa.RecordBatch) -> NDArray[np.float32]:
    """Sample weight x task-space weight [B, T], 1 where a task has neither.

    Raises:
        DataError: a sample weight is negative or not finite.
    """
    weights = np.ones((rows.num_rows, len(tasks)), np.float32)
    for index, task in enumerate(tasks):
        if task.sample_weight is not None:
            weights[:, index] = _sample_weights(rows, task.sample_weight)
        if task.space is not None:
            is_inside = is_in_space(task.space, rows)
            weights[:, index] *= np.where(is_inside, task.space.in_weight, task.space.out_weight)
    return weights


def is_in_space(space: TaskSpace, rows: pa.RecordBatch) -> NDArray[np.bool_]:
    """Rows inside a task space: label > 0, [B]."""
    return _numbers(rows, space.label) > 0


def _numbers(rows: pa.RecordBatch, column: str) -> NDArray[np.float64]:
    numbers: NDArray[np.float64] = rows.column(column).to_numpy(zero_copy_only=False)
    return numbers


def _sample_weights(rows: pa.RecordBatch, column: str) -> NDArray[np.float64]:
    weights = _numbers(rows, column)
    is_bad = ~(np.isfinite(weights) & (weights >= 0))
    if is_bad.any():
        found = weights[is_bad][0]
        raise DataError(f"column {column!r}: {is_bad.sum()} weights are not finite and >= 0, the first is {found}")
    return weights


def _check_labels(task: TaskSpec, labels: NDArray[np.float64]) -> None:
    if task.is_regression:
        is_good, rule = np.isfinite(labels), "finite numbers"
    elif task.num_class == 1:
        is_good, rule = (labels == 0) | (labels == 1), "0 or 1"
    else:
        is_good = (labels >= 0) & (labels < task.num_class) & (np.floor(labels) == labels)
        rule = f"whole numbers in [0, {task.num_class})"
    if not is_good.all():
        found, count = labels[~is_good][0], int(np.count_nonzero(~is_good))
        raise DataError(
            f"column {task.label!r}: {count} labels of task {task.name!r} are not {rule}, the first is {found}"
        )

"""Labels, row weights and task spaces: what a loss and a metric need of the rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from peprank.errors import DataError
from peprank.spec.model import TaskSpace, TaskSpec

Numbers: TypeAlias = NDArray[np.int64 | np.float32 | np.float64]


def labels_of(tasks: Sequence[TaskSpec], rows: pa.RecordBatch) -> NDArray[np.float32]:
    """Labels [B, T]; class index for softmax towers.

    Raises:
        DataError: a label that its task cannot have.
    """
    labels = np.empty((rows.num_rows, len(tasks)), np.float32)
    for index, task in enumerate(tasks):
        labels[:, index] = _labels(task, _numbers(rows, task.label))
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


def _numbers(rows: pa.RecordBatch, column: str) -> Numbers:
    numbers: Numbers = rows.column(column).to_numpy(zero_copy_only=False)
    return numbers


def _labels(task: TaskSpec, column: Numbers) -> NDArray[np.float32]:
    labels = _float32(column)
    if task.is_regression:
        is_good, rule = np.isfinite(labels), "finite numbers"
    elif task.num_class == 1:
        is_good, rule = (labels == 0) | (labels == 1), "0 or 1"
    else:
        is_good = (labels >= 0) & (labels < task.num_class) & (np.floor(labels) == labels)
        rule = f"whole numbers in [0, {task.num_class})"
    if not is_good.all():
        subject = f"column {task.label!r}: {np.count_nonzero(~is_good)} labels of task {task.name!r}"
        raise DataError(f"{subject} are not {rule}, the first is {column[~is_good][0]}")
    return labels


def _sample_weights(rows: pa.RecordBatch, name: str) -> NDArray[np.float32]:
    column = _numbers(rows, name)
    weights = _float32(column)
    is_bad = ~(np.isfinite(weights) & (weights >= 0))
    if is_bad.any():
        found = f"{np.count_nonzero(is_bad)} weights are not finite and >= 0, the first is {column[is_bad][0]}"
        raise DataError(f"column {name!r}: {found}")
    return weights


def _float32(column: Numbers) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        return column.astype(np.float32)

"""Collect logits and labels batch by batch; judge them per task, per domain and overall."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from peprank.encode.encoder import NO_KEY
from peprank.errors import DataError
from peprank.evaluation.curves import Curves, curves_of
from peprank.evaluation.growing import Growing
from peprank.evaluation.measures import TaskRows, asked_for, judge, kind_of
from peprank.evaluation.results import Cell, Measure, Results, TaskKind
from peprank.evaluation.segments import Segments, naming_of, value_names
from peprank.spec.model import TaskSpec
from peprank.spec.pipeline import PipelineSpec

Rows = npt.NDArray[np.int64]
Part = tuple[str, str, Rows]  # column, its value, the rows that have it

_LABEL_DTYPES = {TaskKind.BINARY: np.bool_, TaskKind.MULTICLASS: np.int32, TaskKind.REGRESSION: np.float32}


class Evaluation:
    """What a model said about rows and what was true, until `result` judges it.

    It holds about 5 bytes per row and task and 10 per row, so memory grows with the rows but stays small: 10 million
    rows of 4 tasks are 0.3 GB, and judging them takes 0.6 GB more and about 15 s.

    Args:
        spec: the plan: tasks, their metrics and spaces, the domain feature, the feature whose values are GAUC's groups.
        by: one more column that splits the rows.
    """

    def __init__(self, spec: PipelineSpec, *, by: str | None = None) -> None:
        self._spec = spec
        self._tasks = [_TaskColumns(task) for task in spec.model.tasks]
        self._spaces = {task.name: Growing(np.bool_) for task in spec.model.tasks if task.space is not None}
        self._keys = {feature.name: Growing(np.int64) for feature in spec.key_features}
        self._segments = _segments(spec, by)
        self._num_rows = 0

    def add(
        self,
        rows: pa.RecordBatch,
        logits: npt.NDArray[np.float32],
        labels: npt.NDArray[np.float32],
        keys: Mapping[str, npt.NDArray[np.int64]],
        spaces: Mapping[str, npt.NDArray[np.bool_]],
    ) -> None:
        """Take in B rows.

        Args:
            rows: conformed rows, with the column of the domain feature and the one to split by.
            logits: [B, K], columns as `ModelSpec.logit_slices`.
            labels: [B, T], as `Targets.labels`, checked there.
            keys: feature -> [B], as `Targets.keys`.
            spaces: task -> [B], rows inside its space.

        Raises:
            DataError: a logit is not finite, or a column to split by is missing or cannot be.
        """
        for k, (task, columns) in enumerate(zip(self._tasks, self._spec.model.logit_slices, strict=True)):
            task.append(logits[:, columns], labels[:, k])
        for name, space in self._spaces.items():
            space.append(spaces[name])
        for name, key in self._keys.items():
            key.append(keys[name])
        for segments in self._segments:
            segments.add(rows)
        self._num_rows += rows.num_rows

    def result(self) -> Results:
        """Judge all rows so far."""
        parts = list(self._parts())
        cells: list[Cell] = []
        asked: dict[str, Measure] = {}
        for rows in self._rows_by_task():
            overall = judge(rows, self._gauc_feature)
            asked |= asked_for(rows, overall, self._gauc_feature)
            cells += [overall, *self._partial_cells(rows, parts)]
        return Results(
            rows=self._num_rows,
            group_feature=self._gauc_feature,
            domain_column=_domain_column(self._spec),
            spaces={task.name: task.space.label for task in self._spec.model.tasks if task.space is not None},
            cells=tuple(cells),
            asked=asked,
        )

    def curves(self, *, max_segments: int = 5) -> Iterator[Curves]:
        """Draw each binary task on all rows so far, then on those of the largest segments of each split."""
        parts = [part for segments in self._segments for part in islice(_parts_of(segments), max_segments)]
        for rows in self._rows_by_task():
            if kind_of(rows.task) is TaskKind.BINARY:
                yield curves_of(rows)
                for column, name, part in parts:
                    yield replace(curves_of(rows.take(part)), column=column, segment=name)

    def _rows_by_task(self) -> Iterator[TaskRows]:
        groups = {name: _group_codes(key.whole()) for name, key in self._keys.items()}
        return (task.rows(groups) for task in self._tasks)

    def _parts(self) -> Iterator[Part]:
        return chain.from_iterable(map(_parts_of, self._segments))

    @property
    def _gauc_feature(self) -> str | None:
        return self._spec.evaluation.gauc_feature

    def _partial_cells(self, rows: TaskRows, parts: Sequence[Part]) -> Iterator[Cell]:
        """A task's cells besides the one of all rows: its space, the segments, the segments inside its space."""
        space = self._spaces[rows.task.name].whole() if rows.task.name in self._spaces else None
        if space is not None:
            yield replace(self._judge(rows, np.flatnonzero(space)), in_space=True)
        for column, name, part in parts:
            yield replace(self._judge(rows, part), column=column, segment=name)
            if space is not None:
                inside = self._judge(rows, part[space[part]])
                yield replace(inside, column=column, segment=name, in_space=True)

    def _judge(self, rows: TaskRows, part: Rows) -> Cell:
        return judge(rows.take(part), self._gauc_feature)


class _TaskColumns:
    """Logits and label of one task."""

    def __init__(self, task: TaskSpec) -> None:
        self._task = task
        self._kind = kind_of(task)
        self._logits = Growing(np.float32, (task.num_class,))
        self._label = Growing(_LABEL_DTYPES[self._kind])

    def append(self, logits: npt.NDArray[np.float32], label: npt.NDArray[np.float32]) -> None:
        """Take in logits [B, C] and labels [B]."""
        self._check(logits)
        self._logits.append(logits)
        self._label.append(label)

    def rows(self, groups: Mapping[str, npt.NDArray[np.int32]]) -> TaskRows:
        """All rows so far."""
        return TaskRows(self._task, self._logits.whole(), self._label.whole(), groups)

    def _check(self, logits: npt.NDArray[np.float32]) -> None:
        num_bad = int(np.count_nonzero(~np.isfinite(logits).all(axis=1)))
        if num_bad:
            raise DataError(
                f"tower '{self._task.name}': the logits of {num_bad} of {len(logits)} rows are not finite; "
                "the model has diverged, or an input holds numbers that are too large"
            )


def _group_codes(keys: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    """Keys as numbers from 0 on, -1 where there is none. Hashing them is 9 times as fast as sorting them."""
    encoded = pa.array(keys, mask=keys == NO_KEY).dictionary_encode()
    codes: npt.NDArray[np.int32] = encoded.indices.fill_null(-1).to_numpy()
    return codes


def _domain_column(spec: PipelineSpec) -> str | None:
    return spec.feature(spec.model.domain.feature).column if spec.model.domain else None


def _parts_of(segments: Segments) -> Iterator[Part]:
    """The largest first."""
    return ((segments.column, *part) for part in segments.split())


def _segments(spec: PipelineSpec, by: str | None) -> tuple[Segments, ...]:
    """The splits of the rows: by domain and by the column asked for."""
    domain = spec.feature(spec.model.domain.feature) if spec.model.domain else None
    splits = [Segments(domain.column, naming_of(domain))] if domain else []
    if by is not None and by != _domain_column(spec):
        splits.append(Segments(by, value_names))
    return tuple(splits)

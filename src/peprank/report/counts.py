"""Count the rows of files, once for all runs that count the same ones alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

import pyarrow as pa

from peprank.data import open_rows
from peprank.errors import DataError
from peprank.report.census import Census, Counter
from peprank.report.rows import Rows
from peprank.spec.pipeline import PipelineSpec

_BATCH_ROWS = 65_536  # of a few columns

WhoColumns = Mapping[str, str | None]  # "users", "items" -> the column that tells them apart


class Counts:
    """Counted rows, remembered by all that a count depends on."""

    def __init__(self) -> None:
        self._known: list[tuple[object, Rows]] = []

    def of(self, title: str, inputs: Sequence[str], spec: PipelineSpec, columns: WhoColumns) -> Rows:
        """Counts of the rows in `inputs`.

        Raises:
            DataError: they are not there or do not fit.
        """
        key = _key(title, inputs, spec, columns)
        for known, rows in self._known:
            if known == key:
                return rows
        rows = _counted(title, inputs, spec, columns)
        self._known.append((key, rows))
        return rows

    def if_there(self, title: str, inputs: Sequence[str], spec: PipelineSpec, columns: WhoColumns) -> Rows:
        """The same, or why there are none: training data may be gone when a run is reported."""
        try:
            return self.of(title, inputs, spec, columns)
        except DataError as error:
            return Rows(title=title, paths=tuple(inputs), census=None, problem=str(error))


def _key(title: str, inputs: Sequence[str], spec: PipelineSpec, columns: WhoColumns) -> object:
    domain = spec.feature(spec.model.domain.feature) if spec.model.domain else None
    tasks = [(task.name, task.label, task.space, task.num_class, task.is_regression) for task in spec.model.tasks]
    return title, tuple(inputs), spec.data.file_format, spec.data.csv, domain, tasks, dict(columns)


def _counted(title: str, inputs: Sequence[str], spec: PipelineSpec, columns: WhoColumns) -> Rows:
    counter = Counter(spec, user=columns["users"], item=columns["items"])
    census = _census(counter, open_rows(inputs, spec.data, counter.columns, batch_rows=_BATCH_ROWS).batches())
    return Rows(title=title, paths=tuple(inputs), census=census, problem="" if census else "They hold no rows.")


def _census(counter: Counter, batches: Iterable[pa.RecordBatch]) -> Census | None:
    batches = iter(batches)
    first = next(batches, None)
    if first is None:
        return None
    for batch in chain([first], batches):
        counter.add(batch)
    return counter.result()

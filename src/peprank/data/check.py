"""Whether files fit a plan, told before any training: what `peprank check --data` reports."""

from __future__ import annotations

from collections.abc import Sequence

from peprank.data.column import columns_of
from peprank.data.reader import open_rows
from peprank.errors import DataError
from peprank.spec.pipeline import PipelineSpec

SAMPLE_ROWS = 100_000  # read to judge values; types and columns are judged in every file


def check_files(inputs: Sequence[str], spec: PipelineSpec) -> tuple[str, ...]:
    """List what keeps the files that `inputs` name from serving `spec`, one sentence each with file and column.

    Every file's columns and types are looked at, and the values of the first rows: labels and weights missing or out
    of bounds, cells that cannot be read. An empty tuple means that nothing was found.
    """
    try:
        reader = open_rows(inputs, spec.data, columns_of(spec, with_targets=True), batch_rows=SAMPLE_ROWS)
        if next(reader.batches(), None) is None:
            return (f"{', '.join(inputs)}: has no rows",)
    except DataError as error:
        return tuple(str(error).splitlines())
    return ()

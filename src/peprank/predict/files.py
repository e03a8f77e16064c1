"""Score files: rows stream in, scores stream out, and the output appears whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from peprank.data import Repairs, columns_of, open_rows
from peprank.data.ahead import ahead
from peprank.data.reader import RowReader
from peprank.drift import Drift, DriftWatch
from peprank.errors import DataError
from peprank.predict.scorer import Scorer
from peprank.sealed import replacing

_BATCH_ROWS = 8192
_GROUP_BATCHES = 16  # batches in one row group of the output


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredFiles:
    """What came of scoring files."""

    rows: int  # written
    repairs: Repairs  # what was left out of the inputs
    drift: Drift | None  # how far they are from the rows of training; None: the bundle does not know those


def predict_files(
    scorer: Scorer,
    inputs: Sequence[str],
    out: Path,
    *,
    keep: Sequence[str] = (),
    skip_bad_files: bool = False,
    on_rows: Callable[[int, int | None], None] | None = None,
) -> ScoredFiles:
    """Score the rows of `inputs` in order and write one Parquet file.

    Args:
        inputs: paths, directories, globs or pyarrow.fs URIs, of the plan's file format.
        out: the Parquet file to write; it is written beside and renamed.
        keep: input columns to copy beside the scores.
        skip_bad_files: leave out files that are damaged, cut short or of another format, and tell of them.
        on_rows: told after each batch how many rows it had, and how many there are in all if known.

    Raises:
        DataError: an input does not fit, a row's domain is unknown, a kept column is called as a score is, or `out` is
            an input or cannot be written.
    """
    keep = list(dict.fromkeys(keep))
    if clash := next((name for name in keep if name in scorer.output_names), None):
        raise DataError(f"column {clash!r} cannot be kept: a score has that name; rename it in the inputs")
    columns = columns_of(scorer.spec, with_targets=False, keep=keep)
    data = replace(scorer.spec.data, skip_bad_files=skip_bad_files)
    reader = open_rows(inputs, data, columns, batch_rows=_BATCH_ROWS)
    if any(out.resolve() == Path(path).resolve() for path in reader.paths):
        raise DataError(f"{out}: is one of the inputs, which it would replace; write the scores to another file")
    watch = DriftWatch(scorer.profile, scorer.spec.model) if scorer.profile else None
    try:
        with replacing(out) as beside:
            rows = _write(_scored(scorer, reader, keep, watch, on_rows), beside, inputs)
    except OSError as error:
        raise DataError(f"{out}: cannot be written ({error.strerror or error})") from error
    return ScoredFiles(rows=rows, repairs=reader.repairs, drift=watch.drift() if watch else None)


def _scored(
    scorer: Scorer,
    reader: RowReader,
    keep: Sequence[str],
    watch: DriftWatch | None,
    on_rows: Callable[[int, int | None], None] | None,
) -> Iterator[pa.RecordBatch]:
    """Kept columns and scores, batch by batch; the next batch is read and encoded meanwhile."""
    encoded = ((rows, scorer.encoder.features(rows)) for rows in reader.batches())
    with closing(ahead(encoded)) as work:
        for rows, features in work:
            logits = scorer.logits(features)
            if watch is not None:
                watch.add(features, logits)
            kept, scores = rows.select(list(keep)), scorer.outputs(logits)
            names = [*kept.schema.names, *scores.schema.names]
            yield pa.RecordBatch.from_arrays([*kept.columns, *scores.columns], names=names)
            if on_rows:
                on_rows(rows.num_rows, reader.num_rows)


def _write(batches: Iterator[pa.RecordBatch], path: Path, inputs: Sequence[str]) -> int:
    """Write all batches, several to a row group, and return the number of rows."""
    group = list(islice(batches, _GROUP_BATCHES))
    if not group:
        raise DataError(f"{', '.join(inputs)}: has no rows to score")
    rows = 0
    with pq.ParquetWriter(path, group[0].schema) as writer:
        while group:
            table = pa.Table.from_batches(group)
            writer.write_table(table)
            rows += table.num_rows
            group = list(islice(batches, _GROUP_BATCHES))
    return rows

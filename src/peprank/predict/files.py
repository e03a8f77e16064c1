"""Score files: rows stream in, scores stream out, and the output appears whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from peprank.batch import Features
from peprank.data import columns_of, open_rows
from peprank.data.ahead import ahead
from peprank.data.reader import RowReader
from peprank.errors import DataError
from peprank.predict.scorer import Scorer

_BATCH_ROWS = 8192


def predict_files(
    scorer: Scorer,
    inputs: Sequence[str],
    out: Path,
    *,
    keep: Sequence[str] = (),
    on_rows: Callable[[int, int | None], None] | None = None,
) -> int:
    """Score the rows of `inputs` in order and write one Parquet file.

    Args:
        inputs: paths, directories, globs or pyarrow.fs URIs, of the plan's file format.
        out: the Parquet file to write; it is written beside and renamed.
        keep: input columns to copy beside the scores.
        on_rows: called with (rows done, rows in all if known) after each batch.

    Returns:
        Rows written.

    Raises:
        DataError: an input does not fit, a row's domain is unknown, or `out` cannot be written.
    """
    columns = columns_of(scorer.spec, with_targets=False, keep=keep)
    reader = open_rows(inputs, scorer.spec.data, columns, batch_rows=_BATCH_ROWS)
    beside = out.with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        rows_done = _write(scorer, reader, beside, keep, on_rows)
        beside.replace(out)
    except OSError as error:
        raise DataError(f"{out}: cannot be written ({error.strerror or error})") from error
    finally:
        beside.unlink(missing_ok=True)
    return rows_done


def _write(
    scorer: Scorer,
    reader: RowReader,
    path: Path,
    keep: Sequence[str],
    on_rows: Callable[[int, int | None], None] | None,
) -> int:
    rows_done = 0
    writer: pq.ParquetWriter | None = None
    try:
        for rows, features in ahead(_encoded(scorer, reader)):
            scores = scorer.outputs(scorer.logits(features))
            table = pa.Table.from_batches([rows.select(list(keep))])
            for name, column in zip(scores.schema.names, scores.columns, strict=True):
                table = table.append_column(name, column)
            writer = writer or pq.ParquetWriter(path, table.schema)
            writer.write_table(table)
            rows_done += rows.num_rows
            if on_rows:
                on_rows(rows_done, reader.num_rows)
    finally:
        if writer:
            writer.close()
    if writer is None:
        raise DataError(f"{', '.join(map(str, reader.paths))}: has no rows to score")
    return rows_done


def _encoded(scorer: Scorer, reader: RowReader) -> Iterator[tuple[pa.RecordBatch, Features]]:
    for rows in reader.batches():
        yield rows, scorer.encoder.features(rows)

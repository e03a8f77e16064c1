"""All rows of a fair sample of the users."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from peprank.encode import keys_of
from peprank.encode.encoder import NO_KEY
from peprank.evaluation.sums import Keys, is_sampled


def sample_users(
    batches: Iterable[pa.RecordBatch], column: str | None, most: int, *, batch_rows: int
) -> list[pa.RecordBatch]:
    """Keep some users with all their rows, so that what is measured within users stays what it is.

    The sample is halved whenever it is larger than `most` rows: it ends with half of `most` or more, or with all rows
    where there are no more. Whether a user is in it depends on the user's key alone.

    Args:
        batches: rows, read once.
        column: whose values are the users; None, or a missing value: a row stands for itself.
        batch_rows: rows in each batch of the sample.
    """
    kept: list[tuple[pa.RecordBatch, Keys]] = []
    halvings, num_seen, num_kept = 0, 0, 0
    for rows in batches:
        keys = _keys(rows, column, num_seen)
        num_seen += rows.num_rows
        kept.append(_sampled(rows, keys, halvings))
        num_kept += len(kept[-1][1])
        while num_kept > most:
            fewer = [_sampled(*some, halvings + 1) for some in kept]
            num_fewer = sum(len(keys) for _, keys in fewer)
            if not num_fewer:  # one user has all the rows that are left
                break
            kept, num_kept, halvings = fewer, num_fewer, halvings + 1
    table = pa.Table.from_batches([rows for rows, _ in kept]) if kept else None
    return [] if table is None else table.combine_chunks().to_batches(max_chunksize=batch_rows)


def _keys(rows: pa.RecordBatch, column: str | None, num_before: int) -> Keys:
    numbers = np.arange(num_before, num_before + rows.num_rows)
    if column is None:
        return numbers
    keys = keys_of(rows.column(column), column)
    return np.where(keys == NO_KEY, numbers, keys)


def _sampled(rows: pa.RecordBatch, keys: Keys, halvings: int) -> tuple[pa.RecordBatch, Keys]:
    stays = is_sampled(keys, halvings)
    return (rows, keys) if stays.all() else (rows.filter(pa.array(stays)), keys[stays])

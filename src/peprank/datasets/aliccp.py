"""Ali-CCP (Ma et al., SIGIR 2018), the official files, as Parquet files for training.

The domains are the three values of field 301, the task is the click. The training file stays as it is; the test file is
cut in two at random, one half for validation, as the public preprocessing of these files does.

Columns, one row per impression:

- labels: `click`, `conversion`
- ids: those of `ITEM_FIELDS` and `USER_FIELDS` (`aliccp_files`), numbered from 1 in each column; 0 stands for an id
  that the training file has too rarely or not at all, null for an impression without the field
- numbers: `COLUMN_value` of the columns in `VALUED`, null without the field

Memory goes with the lines of the common files (150 bytes each, so 150 MB), not with the impressions, which are
read, joined and written block by block.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow import acero

from peprank.datasets.aliccp_files import ITEM_FIELDS, LABELS, USER_FIELDS, VALUED, CommonFeatures, impressions
from peprank.datasets.files import ROW_GROUP_ROWS, writing
from peprank.datasets.splits import ConvertReport, Portions, Tell, say_nothing
from peprank.errors import DataError

ID_COLUMNS: Final = (*ITEM_FIELDS, *USER_FIELDS)
HALVES: Final = ("val", "test")
_SCHEMA: Final = pa.schema(
    [(label, pa.int8()) for label in LABELS]
    + [(name, pa.int32()) for name in ID_COLUMNS]
    + [(f"{name}_value", pa.float32()) for name in VALUED]
)
_BATCH_ROWS = 8 * ROW_GROUP_ROWS


@dataclass(frozen=True, slots=True)
class AliCcpReport:
    """What `convert_aliccp` wrote."""

    splits: ConvertReport
    left_out: int  # impressions that were bought without a click
    num_ids: dict[str, int]  # id column -> ids known from training; `num_buckets` must be larger


def convert_aliccp(
    source: Path, out: Path, *, min_count: int = 10, seed: int = 42, on_progress: Tell = say_nothing
) -> AliCcpReport:
    """Write `train.parquet`, `val.parquet` and `test.parquet` under `out`.

    Between reading and writing, the joined impressions lie in a scratch folder under `out`.

    Args:
        source: folder with the four unpacked files, or with the folders `sample_train` and `sample_test`.
        out: folder to write into; made if missing. Each file appears whole or not at all.
        min_count: rows of the training file that an id must have to be told apart, 1 or more.
        seed: same files, same halves of the test file.
        on_progress: is told each step in a few words.

    Raises:
        DataError: a file is missing, or a line is damaged; the message names it.
    """
    if min_count < 1:
        raise DataError(f"min_count {min_count}: must be 1 or more")
    halves = Portions((1, 1), "random", seed, HALVES)
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".aliccp-", dir=out) as scratch:
        train, test = (_join(source, split, Path(scratch), on_progress) for split in ("train", "test"))
        on_progress(f"counting the ids of {train.rows:,} rows")
        known = {name: _frequent_ids(train.path, name, min_count) for name in ID_COLUMNS}
        reports = [
            _write(train, known, out, ("train",), np.zeros(train.rows, np.uint8), on_progress),
            _write(test, known, out, HALVES, halves.of_rows(test.rows), on_progress),
        ]
    return AliCcpReport(
        _joined(reports), train.left_out + test.left_out, {name: len(ids) for name, ids in known.items()}
    )


@dataclass(frozen=True, slots=True)
class _Scratch:
    """Joined impressions of one skeleton file, ids as they stand there."""

    path: Path
    rows: int
    left_out: int


def _join(source: Path, split: str, scratch: Path, tell: Tell) -> _Scratch:
    common = CommonFeatures.read(_found(source, f"common_features_{split}.csv", split), tell)
    path, rows, lines = scratch / f"{split}.parquet", 0, 0
    raw = pa.schema([field.with_type(pa.int64()) if field.name in ID_COLUMNS else field for field in _SCHEMA])
    with writing(path, raw) as writer:
        for block in impressions(_found(source, f"sample_skeleton_{split}.csv", split), common, tell):
            kept = block.filter(pc.greater_equal(block["click"], block["conversion"])).select(raw.names)
            writer.write_table(kept)
            rows, lines = rows + kept.num_rows, lines + block.num_rows
    return _Scratch(path, rows, lines - rows)


def _found(source: Path, name: str, split: str) -> Path:
    places = (source / name, source / f"sample_{split}" / name)
    for place in places:
        if place.is_file():
            return place
    raise DataError(f"{places[0]}: no such file, nor {places[1]}. Give the folder of the four unpacked Ali-CCP files")


def _frequent_ids(path: Path, column: str, min_count: int) -> pa.Array:
    """Ids that stand in at least `min_count` rows, sorted; counted without holding the rows in memory."""
    scan = acero.Declaration("scan", acero.ScanNodeOptions(ds.dataset(path), columns={column: ds.field(column)}))
    count = acero.AggregateNodeOptions([(column, "hash_count", None, "count")], keys=[column])
    counts = acero.Declaration.from_sequence([scan, acero.Declaration("aggregate", count)]).to_table()
    frequent = counts.filter(pc.greater_equal(counts["count"], min_count))[column]
    return frequent.take(pc.sort_indices(frequent)).combine_chunks()


def _write(
    scratch: _Scratch,
    known: Mapping[str, pa.Array],
    out: Path,
    names: tuple[str, ...],
    parts: npt.NDArray[np.uint8],
    tell: Tell,
) -> ConvertReport:
    """Number the ids and write each row into the file of its part. Shapes: parts uint8 [N], positions in `names`."""
    paths = tuple(out / f"{name}.parquet" for name in names)
    report = ConvertReport(dict.fromkeys(names, 0), {name: dict.fromkeys(LABELS, 0) for name in names}, paths)
    tell(f"writing {', '.join(map(str, paths))}")
    with ExitStack() as stack:
        writers = [stack.enter_context(writing(path, _SCHEMA)) for path in paths]
        for start, batch in _batches(scratch.path):
            rows, part = _numbered(batch, known), parts[start : start + batch.num_rows]
            for k, (name, writer) in enumerate(zip(names, writers, strict=True)):
                mine = rows.filter(pa.array(part == k))
                writer.write_table(mine, row_group_size=ROW_GROUP_ROWS)
                report.rows[name] += mine.num_rows
                for label in LABELS:
                    report.positives[name][label] += pc.sum(mine[label]).as_py() or 0
    return report


def _batches(path: Path) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Batches with the number of their first row."""
    start = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_BATCH_ROWS):
            yield start, batch
            start += batch.num_rows


def _numbered(rows: pa.RecordBatch, known: Mapping[str, pa.Array]) -> pa.Table:
    """Ids as 1 + their place among the known ones, 0 for others, null where there is none."""
    columns = {name: rows[name] for name in _SCHEMA.names}
    for name, ids in known.items():
        number = pc.fill_null(pc.add(pc.index_in(rows[name], value_set=ids), 1), 0)
        columns[name] = pc.if_else(pc.is_valid(rows[name]), number, None)
    return pa.table(columns, schema=_SCHEMA)


def _joined(reports: list[ConvertReport]) -> ConvertReport:
    first, second = reports
    return ConvertReport(first.rows | second.rows, first.positives | second.positives, first.paths + second.paths)

"""Parquet files as units of one row group each, decoded in pieces of bounded size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import pyarrow as pa
import pyarrow.parquet as pq

from peprank.data.column import Column
from peprank.data.files import InputFile, Stamp
from peprank.data.repairs import RepairLog
from peprank.data.rows import canonical_types, conform_to, settled_schema, wider
from peprank.data.source import drops_rows, good_files
from peprank.data.unit import Unit
from peprank.errors import BadFileError, DataError

SUFFIXES = (".parquet", ".pq")
PIECE_BYTES = 16 << 20  # of one decoded piece; bounds memory where a row group is larger
STREAM_BYTES = 1 << 20  # of one column's compressed bytes that are held while it is decoded
KEPT_FOOTERS = 64  # parsed footers; more would grow with the data, fewer parse a file again for each row group


@dataclass(frozen=True, slots=True)
class _Summary:
    """What is kept of each file's footer: types of the wanted columns, rows of each row group."""

    types: tuple[pa.DataType, ...]
    group_rows: tuple[int, ...]
    stamp: Stamp  # of the file whose footer it is


class ParquetSource:
    """Rows of Parquet files. All footers are read at once, so that an unfit file is known before the first row.

    Args:
        skip_bad_files: leave out files that are no Parquet files, and row groups from where they are damaged.

    Raises:
        DataError: with one line for each file that is no Parquet file, lacks a column, has one of an unfit type, or
            disagrees with another file about one.
    """

    def __init__(
        self,
        files: Sequence[InputFile],
        columns: Sequence[Column],
        num_threads: int,
        *,
        skip_bad_files: bool = False,
    ) -> None:
        self.columns, self.log = tuple(columns), RepairLog(len(files))
        self._skip_bad_files, self.is_exact = skip_bad_files, not (skip_bad_files or drops_rows(columns))
        self._names: set[str] = set()  # of the columns of all files
        self._footer = lru_cache(maxsize=KEPT_FOOTERS)(_read_footer)
        with ThreadPoolExecutor(max(num_threads, 1)) as pool:
            outcomes = list(pool.map(self._summary, files))
        self.files, summaries = good_files(files, outcomes, skip_bad_files, self.log)
        self.unread = tuple(sorted(self._names.difference(column.name for column in columns)))
        self._stamps = tuple(summary.stamp for summary in summaries)
        self.schema = settled_schema(self.columns, _agreed_types(self.files, self.columns, summaries))
        self.units = tuple(
            Unit(file=file, part=part, num_rows=num_rows)
            for file, summary in enumerate(summaries)
            for part, num_rows in enumerate(summary.group_rows)
        )

    def read(self, unit: Unit) -> Iterator[pa.RecordBatch]:
        """Decode one row group, piece by piece; if bad files are left out, up to the piece that is damaged."""
        file = self.files[unit.file]
        where = f"{file.name}, row group {unit.part}"
        with file.unchanged(self._stamps[unit.file]), self.log.tally(unit) as tally:
            try:
                for rows in self._pieces(file, unit):
                    yield conform_to(rows, self.schema, self.columns, where, tally)
            except (pa.ArrowException, OSError) as error:
                reason = f"{where}: damaged, write it again or leave it out ({str(error).splitlines()[0]})"
                if not self._skip_bad_files:
                    raise BadFileError(reason) from error
                tally.damage = (where, reason)

    def _pieces(self, file: InputFile, unit: Unit) -> Iterator[pa.RecordBatch]:
        footer = self._footer(file)
        with file.open() as stream:
            parquet = pq.ParquetFile(
                stream,
                metadata=footer,
                pre_buffer=False,  # it would hold the whole row group
                buffer_size=STREAM_BYTES,
                page_checksum_verification=True,
            )
            yield from parquet.iter_batches(
                _piece_rows(footer.row_group(unit.part), self.schema.names),
                row_groups=[unit.part],
                columns=self.schema.names,
                use_threads=False,  # other threads decode other row groups
            )

    def _summary(self, file: InputFile) -> _Summary | DataError:
        """Return what the footer says, or what is wrong with it: all files are looked at before any is refused."""
        try:
            stamp = file.stamp  # before the footer: what is written after it is noticed
            footer = self._footer(file)
            schema = footer.schema.to_arrow_schema()
            types = canonical_types(schema, self.columns, file.name)
            self._names.update(schema.names)
        except DataError as error:
            return error
        return _Summary(types, tuple(footer.row_group(k).num_rows for k in range(footer.num_row_groups)), stamp)


def _read_footer(file: InputFile) -> pq.FileMetaData:
    try:
        with file.open() as stream:
            return pq.read_metadata(stream)
    except PermissionError as error:
        raise DataError(f"{file.name}: may not be read by this user; change its rights or leave it out") from error
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        message = f"{file.name}: not a Parquet file, or cut short ({file.num_bytes} bytes)"
        remedy = "for CSV write data_config.dataset_type: CsvDataset" if ".csv" in file.name else "write it again"
        raise BadFileError(f"{message}; {remedy} or leave it out ({reason})") from error


def _piece_rows(group: pq.RowGroupMetaData, names: Sequence[str]) -> int:
    wanted = set(names)
    leaves = (group.column(k) for k in range(group.num_columns))
    num_bytes = sum(leaf.total_uncompressed_size for leaf in leaves if leaf.path_in_schema.split(".")[0] in wanted)
    # Dictionaries and run lengths make encoded values smaller than decoded ones, which take about 8 bytes.
    row_bytes = max(num_bytes / max(group.num_rows, 1), 8 * len(names))
    return max(int(PIECE_BYTES / row_bytes), 1)


def _agreed_types(
    files: Sequence[InputFile], columns: Sequence[Column], summaries: Sequence[_Summary]
) -> list[pa.DataType]:
    """Return the one type of each column that holds the values of all files."""
    agreed, problems = [], []
    for position, column in enumerate(columns):
        joint, named_by = pa.null(), files[0]
        for file, summary in zip(files, summaries, strict=True):
            found = summary.types[position]
            joined = wider(joint, found, column.kind)
            if joined is None:
                message = f"{file.name}: column {column.name!r} is {found} but {joint} in {named_by.name}"
                problems.append(f"{message}; write it with one type in all files")
                break
            if joined != joint:
                joint, named_by = joined, file
        agreed.append(joint)
    if problems:
        raise DataError("\n".join(problems))
    return agreed

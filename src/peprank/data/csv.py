"""CSV files as one unit each, read as a stream.

Types come from `input_fields` where it names a column (ARRAY_* and MAP_* cells are text that `encode/` splits).
All other columns have the type of their kind, whatever the cells look like, so that all blocks and files agree: ids
are text ("7" has the same id as the integer 7), numbers, labels and weights are float64, numbers that a cell holds
several of are text, and so are columns that are only carried along. An empty cell, NULL, null or \\N is missing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.csv as pacsv

from peprank.data.column import Column, ColumnKind
from peprank.data.files import InputFile, Stamp
from peprank.data.repairs import RepairLog, Tally
from peprank.data.rows import canonical_types, conform_to, settled_schema
from peprank.data.source import drops_rows, good_files
from peprank.data.unit import Unit
from peprank.errors import BadFileError, DataError
from peprank.spec.pipeline import CsvSpec

SUFFIXES = tuple(f".csv{packed}" for packed in ("", ".gz", ".bz2", ".zst", ".lz4"))
BLOCK_BYTES = 1 << 20  # parsed at a time; the fastest of 1, 4 and 8 MiB
MISSING_CELLS = ["", "NULL", "null", "\\N"]
FIELD_TYPES = {"INT32": pa.int64(), "INT64": pa.int64(), "FLOAT": pa.float32(), "DOUBLE": pa.float64()}  # else text


class CsvSource:
    """Rows of CSV files. The first block of each is read at once, so that an unfit header is known early.

    Args:
        skip_bad_files: leave out files that are empty, and others from the block on that cannot be read.

    Raises:
        DataError: with one line for each file that is empty, lacks a column, or has one of an unfit type.
    """

    def __init__(
        self,
        files: Sequence[InputFile],
        layout: CsvSpec,
        columns: Sequence[Column],
        *,
        skip_bad_files: bool = False,
    ) -> None:
        self.columns, self.layout = tuple(columns), layout
        self._skip_bad_files, self.log = skip_bad_files, RepairLog(len(files))
        self.is_exact = not (skip_bad_files or drops_rows(columns))
        if len(layout.delimiter) != 1:
            raise DataError(f"data_config.delimiter = {layout.delimiter!r}: must be one character")
        if not layout.with_header and not layout.columns:
            raise DataError("data_config.with_header = false: name the columns in data_config.input_fields")
        self._names: set[str] = set()  # of the columns of all files
        self._types = {column.name: _cell_type(column, layout) for column in columns}
        self.files, looks = good_files(files, [self._look(file) for file in files], skip_bad_files, self.log)
        self.unread = tuple(sorted(self._names.difference(self._types)))
        self._stamps = tuple(stamp for stamp, _ in looks)
        self.schema = settled_schema(self.columns, looks[-1][1])
        self.units = tuple(Unit(file=position) for position in range(len(self.files)))

    def read(self, unit: Unit) -> Iterator[pa.RecordBatch]:
        """Parse one file, block by block; if bad files are left out, up to the block that cannot be read."""
        file = self.files[unit.file]
        with file.unchanged(self._stamps[unit.file]), self.log.tally(unit) as tally:
            try:
                yield from self._pieces(file, tally)
            except BadFileError as error:
                if not self._skip_bad_files:
                    raise
                tally.damage = (file.name, str(error))

    def _pieces(self, file: InputFile, tally: Tally) -> Iterator[pa.RecordBatch]:
        first = 1
        for rows in self._blocks(file, self._types):
            where = f"{file.name}, data rows {first} to {first + rows.num_rows - 1}"
            yield conform_to(rows, self.schema, self.columns, where, tally)
            first += rows.num_rows

    def _look(self, file: InputFile) -> tuple[Stamp, tuple[pa.DataType, ...]] | DataError:
        """Return stamp and column types, or what is wrong: all files are looked at before any is refused."""
        try:
            stamp = file.stamp  # before the header: what is written after it is noticed
            found = pa.schema([(name, self._types.get(name, pa.string())) for name in self._header(file)])
            types = canonical_types(found, self.columns, file.name)
        except DataError as error:
            return error
        self._names.update(found.names)
        return stamp, types

    def _header(self, file: InputFile) -> list[str]:
        with _readable(file), file.open_stream() as stream:
            return list(self._reader(stream, {}).schema.names)

    def _blocks(self, file: InputFile, types: dict[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
        with _readable(file, self._header), file.open_stream() as stream:
            yield from self._reader(stream, types)

    def _reader(self, stream: pa.NativeFile, types: dict[str, pa.DataType]) -> pacsv.CSVStreamingReader:
        """Start a stream of `types` alone, or of all columns as Arrow guesses them when it is empty."""
        names = [] if self.layout.with_header else [name for name, _ in self.layout.columns]
        return pacsv.open_csv(
            stream,
            # One thread: other threads read other files, and only so do errors know their row.
            read_options=pacsv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES, column_names=names),
            parse_options=pacsv.ParseOptions(delimiter=self.layout.delimiter),
            convert_options=pacsv.ConvertOptions(
                column_types=types,
                include_columns=list(types),
                null_values=MISSING_CELLS,
                strings_can_be_null=True,
                check_utf8=False,  # an id is its bytes, whatever they spell
            ),
        )


@contextmanager
def _readable(file: InputFile, header: Callable[[InputFile], list[str]] | None = None) -> Iterator[None]:
    """Turn what Arrow says of a file into a DataError; with `header` its column numbers become names."""
    try:
        yield
    except PermissionError as error:
        raise DataError(f"{file.name}: may not be read by this user; change its rights or leave it out") from error
    except (pa.ArrowException, OSError) as error:
        # It quotes the file, which may hold anything, and a terminal obeys control characters.
        reason = "".join(char if char.isprintable() else "·" for char in str(error).splitlines()[0])
        if header and (number := re.search(r"In CSV column #(\d+)", reason)):
            reason = reason.replace(number[0], f"column {header(file)[int(number[1])]!r}")
        raise BadFileError(f"{file.name}: {reason}; mend the row, or see data_config's delimiter and fields") from error


def _cell_type(column: Column, layout: CsvSpec) -> pa.DataType:
    declared = dict(layout.columns)
    if column.name in declared:
        return FIELD_TYPES.get(declared[column.name], pa.string())
    is_text = column.separator is not None or column.kind in (ColumnKind.ID, ColumnKind.ANY)
    is_text |= column.kind is ColumnKind.NUMBER and column.policy is not None  # what is no number is a bad value then
    return pa.string() if is_text else pa.float64()

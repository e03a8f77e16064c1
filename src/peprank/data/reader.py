"""Rows of many files in a chosen order: the same order for any number of threads, from any row on."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain, count, islice

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from peprank.data import csv, parquet
from peprank.data.column import Column
from peprank.data.files import InputFile, find_files
from peprank.data.place import joint_place, placed
from peprank.data.repairs import Repairs
from peprank.data.source import Source
from peprank.data.table import TableSource
from peprank.data.unit import Unit
from peprank.errors import SpecError
from peprank.spec.pipeline import DataSpec, FileFormat

SAMPLED_UNITS = 16  # parts that a sample is drawn from; more would read more for the same number of rows


@dataclass(frozen=True, slots=True)
class Order:
    """A random order of rows that depends on these numbers and the files, and on nothing else.

    Row groups (CSV: files) come in random order; then each run of `buffer_rows` rows is shuffled within itself.
    Runs are shuffled independently, so that a run that resumes skips those before it without reading them.
    """

    seed: int
    epoch: int
    buffer_rows: int  # 0 or 1: rows stay in the order of their row group

    def permutation(self, num: int, *, run: int | None = None) -> npt.NDArray[np.int64]:
        """Return the positions 0 .. num - 1 in random order: of the units, or of the rows of the run-th run."""
        key = (self.epoch,) if run is None else (self.epoch, run)
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key)).permutation(num)


@dataclass(frozen=True, slots=True)
class RowReader:
    """Conformed rows of files in batches; `batches` may be called again for each epoch."""

    source: Source
    batch_rows: int
    num_threads: int  # units that are read at the same time; 0: read by the caller's thread

    def __post_init__(self) -> None:
        if self.batch_rows < 1:
            raise SpecError("batch_size", self.batch_rows, "must be at least 1")

    @property
    def paths(self) -> tuple[str, ...]:
        """The files, by the names that errors show."""
        return tuple(file.name for file in self.source.files)

    @property
    def unread(self) -> tuple[str, ...]:
        """Columns of the files that nobody asked for, by name."""
        return self.source.unread

    @property
    def schema(self) -> pa.Schema:
        """Columns and types of every batch."""
        return self.source.schema

    @property
    def num_rows(self) -> int | None:
        """Rows of all files, with those that will be left out; None for CSV, which does not say."""
        counts = [unit.num_rows for unit in self.source.units]
        return None if None in counts else sum(count for count in counts if count is not None)

    @property
    def repairs(self) -> Repairs:
        """What was left out so far."""
        return self.source.log.repairs

    def batches(
        self, *, order: Order | None = None, skip_rows: int = 0, drop_remainder: bool = False
    ) -> Iterator[pa.RecordBatch]:
        """Yield every row once, `batch_rows` at a time; the last batch may be shorter.

        Args:
            order: None is the order of the files.
            skip_rows: leave out that many rows at the start. What follows is the same as without it.
            drop_remainder: leave out a last batch that is not full.

        Raises:
            DataError: rows are damaged or break a rule of `conform`; the message names file and place.
        """
        for batch in _rebatch(self._rows(order, skip_rows), self.batch_rows):
            if batch.num_rows == self.batch_rows or not drop_remainder:
                yield batch

    def sample(self, num_rows: int, *, seed: int) -> Iterator[pa.RecordBatch]:
        """Yield up to `num_rows` rows: the first ones of SAMPLED_UNITS row groups (CSV: files) drawn at random."""
        units = [self.source.units[k] for k in Order(seed, 0, 0).permutation(len(self.source.units))[:SAMPLED_UNITS]]
        for unit in units:
            missing = -(-num_rows // len(units))
            for rows in self.source.read(unit):
                yield rows.slice(0, missing)
                missing -= rows.num_rows
                if missing <= 0:
                    break

    def _rows(self, order: Order | None, skip_rows: int) -> Iterator[pa.RecordBatch]:
        units = self.source.units
        if order is None:
            return self._read(units, skip_rows)
        units = tuple(units[k] for k in order.permutation(len(units)))
        if order.buffer_rows <= 1:
            return self._read(units, skip_rows)
        first_run, skip_in_run = divmod(skip_rows, order.buffer_rows)
        runs = _cut(self._read(units, first_run * order.buffer_rows), order.buffer_rows)
        # `map` keeps no run while its shuffled rows are in use; a loop would.
        return _skip(map(partial(_shuffled, order), count(first_run), runs), skip_in_run)

    def _read(self, units: Sequence[Unit], skip_rows: int) -> Iterator[pa.RecordBatch]:
        """Yield the rows of `units` after the first `skip_rows`; units sure to lie before those are not read."""
        first = 0
        while self.source.is_exact and first < len(units):
            num_rows = units[first].num_rows
            if num_rows is None or num_rows > skip_rows:
                break
            first, skip_rows = first + 1, skip_rows - num_rows
        return _skip(_read_ahead(map(self.source.read, units[first:]), self.num_threads), skip_rows)


def open_rows(
    inputs: Sequence[str], spec: DataSpec, columns: Sequence[Column], *, batch_rows: int | None = None
) -> RowReader:
    """Find the files that `inputs` name and check that each has `columns`; no row is read yet.

    Args:
        inputs: files, folders, globs or URIs, as `find_files` takes them.
        columns: what to read, from `columns_of`; other columns in the files are not decoded.
        batch_rows: None is `spec.batch_rows`.

    Raises:
        DataError: with one line for everything that is wrong with the files.
    """
    source: Source
    if spec.file_format is FileFormat.PARQUET:
        files = find_files(inputs, parquet.SUFFIXES)
        source = parquet.ParquetSource(files, columns, spec.num_threads, skip_bad_files=spec.skip_bad_files)
    else:
        source = csv.CsvSource(find_files(inputs, csv.SUFFIXES), spec.csv, columns, skip_bad_files=spec.skip_bad_files)
    return RowReader(source, batch_rows or spec.batch_rows, _useful_threads(spec.num_threads, source.files))


def open_table(table: pa.Table, columns: Sequence[Column], *, batch_rows: int) -> RowReader:
    """Read a table in memory as if it were a file.

    Raises:
        DataError: it does not have `columns`, or not as a plan needs them.
    """
    return RowReader(TableSource(table, columns), batch_rows, num_threads=0)


def _useful_threads(num_threads: int, files: Sequence[InputFile]) -> int:
    """Return how many threads to read with: for local files no more than there are cores.

    A thread holds the pages of a row group, 20 MB for 19 columns: 8 on 2 cores took 200 MB more than 2 and were no
    faster (2026-11-21). Threads that read from afar mostly wait, so all of them are of use.
    """
    is_local = all(file.file_system.type_name == "local" for file in files)
    return min(num_threads, _num_cores()) if is_local else num_threads


def _num_cores() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _read_ahead(units: Iterable[Iterator[pa.RecordBatch]], num_threads: int) -> Iterator[pa.RecordBatch]:
    """Yield the pieces of all units in order, while threads decode one piece ahead in each of the next units.

    At most `num_threads` pieces wait at any time, however long a unit is.
    """
    if num_threads == 0:
        yield from chain.from_iterable(units)
        return
    upcoming = iter(units)
    with ThreadPoolExecutor(num_threads, thread_name_prefix="peprank-read") as pool:

        def start(unit: Iterator[pa.RecordBatch]) -> tuple[Iterator[pa.RecordBatch], Future[pa.RecordBatch | None]]:
            return unit, pool.submit(next, unit, None)

        window = deque(map(start, islice(upcoming, num_threads)))
        while window:
            unit, waiting = window.popleft()
            piece = waiting.result()
            if piece is None:
                window.extend(map(start, islice(upcoming, 1)))
            else:
                window.appendleft(start(unit))
                yield piece


def _rebatch(pieces: Iterable[pa.RecordBatch], num_rows: int) -> Iterator[pa.RecordBatch]:
    """Cut and join pieces into batches of `num_rows`; a batch that lies within one piece is not copied."""
    return map(_joined, _cut(pieces, num_rows))


def _cut(pieces: Iterable[pa.RecordBatch], num_rows: int) -> Iterator[list[pa.RecordBatch]]:
    """Yield lists of pieces with `num_rows` rows in each list, the last one fewer."""
    held: list[pa.RecordBatch] = []
    missing = num_rows
    for piece in pieces:
        start = 0
        while piece.num_rows - start >= missing:
            held.append(piece.slice(start, missing))
            start, missing = start + missing, num_rows
            yield _emptied(held)
        if start < piece.num_rows:
            held.append(piece.slice(start))
            missing -= piece.num_rows - start
    if held:
        yield _emptied(held)


def _emptied(held: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
    """Return what is held, which is not held any more."""
    pieces = held.copy()
    held.clear()
    return pieces


def _shuffled(order: Order, run: int, pieces: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    """Return the rows of the run-th run in their random order; the pieces are not joined first."""
    rows = pa.Table.from_batches(pieces)
    rows = rows.take(pa.array(order.permutation(rows.num_rows, run=run)))
    return placed(rows.combine_chunks().to_batches()[0], joint_place(pieces))


def _joined(pieces: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    if len(pieces) == 1:
        return pieces[0]
    return placed(pa.Table.from_batches(pieces).combine_chunks().to_batches()[0], joint_place(pieces))


def _skip(pieces: Iterable[pa.RecordBatch], num_rows: int) -> Iterator[pa.RecordBatch]:
    for piece in pieces:
        skipped = min(num_rows, piece.num_rows)
        num_rows -= skipped
        if skipped < piece.num_rows:
            yield piece.slice(skipped)

"""The order of rows: each once, the same for any number of threads, from any row on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peprank.data.column import Column, ColumnKind
from peprank.data.files import InputFile
from peprank.data.reader import Order, RowReader, _useful_threads, open_rows
from peprank.data.repairs import RepairLog
from peprank.data.unit import Unit
from peprank.errors import SpecError
from peprank.spec.pipeline import DataSpec, FileFormat

ROW = Column("row", ColumnKind.ID)


class Numbers:
    """A source of the numbers from 0 on, in units of the given lengths, in pieces of three rows."""

    schema = pa.schema([("row", pa.int64())])
    files: tuple[InputFile, ...] = ()
    unread: tuple[str, ...] = ()
    log = RepairLog(0)
    is_exact = True

    def __init__(self, lengths: list[int], *, is_counted: bool = True) -> None:
        self.starts = [sum(lengths[:k]) for k in range(len(lengths))]
        self.lengths = lengths
        self.units = tuple(
            Unit(file=0, part=k, num_rows=length if is_counted else None) for k, length in enumerate(lengths)
        )
        self.units_read: list[int] = []
        self.pieces_read = 0
        self.lock = threading.Lock()

    def read(self, unit: Unit) -> Iterator[pa.RecordBatch]:
        self.units_read.append(unit.part)
        rows = pa.record_batch({"row": pa.array(range(self.lengths[unit.part]), pa.int64())})
        for start in range(0, rows.num_rows, 3):
            with self.lock:
                self.pieces_read += 1
            piece = pa.array([self.starts[unit.part] + row for row in rows["row"].to_pylist()[start : start + 3]])
            yield pa.record_batch({"row": piece})


def drawn(reader: RowReader, order: Order | None = None, skip_rows: int = 0) -> list[int]:
    return [row for batch in reader.batches(order=order, skip_rows=skip_rows) for row in batch["row"].to_pylist()]


unit_lengths = st.lists(st.integers(0, 20), max_size=6)
orders = st.none() | st.builds(Order, st.integers(0, 2**64 - 1), st.integers(0, 9), st.integers(0, 40))


@settings(deadline=None)
@given(lengths=unit_lengths, order=orders, batch_rows=st.integers(1, 30))
def test_each_row_comes_once_in_full_batches(lengths: list[int], order: Order | None, batch_rows: int) -> None:
    reader = RowReader(Numbers(lengths), batch_rows, num_threads=2)
    sizes = [batch.num_rows for batch in reader.batches(order=order)]
    assert sorted(drawn(reader, order)) == list(range(sum(lengths)))
    assert all(size == batch_rows for size in sizes[:-1])
    assert reader.num_rows == sum(lengths)


@settings(deadline=None)
@given(lengths=unit_lengths, order=orders)
def test_the_order_is_the_same_for_any_number_of_threads_and_any_batch(lengths: list[int], order: Order | None) -> None:
    alone = drawn(RowReader(Numbers(lengths), 5, num_threads=0), order)
    for num_threads in (1, 2, 4):
        assert drawn(RowReader(Numbers(lengths), 7, num_threads), order) == alone


@settings(deadline=None)
@given(lengths=unit_lengths, order=orders, skip_rows=st.integers(0, 130), is_counted=st.booleans())
def test_skipped_rows_leave_the_rest_as_it_was(
    lengths: list[int], order: Order | None, skip_rows: int, is_counted: bool
) -> None:
    reader = RowReader(Numbers(lengths, is_counted=is_counted), 4, num_threads=2)
    assert drawn(reader, order, skip_rows) == drawn(reader, order)[skip_rows:]


def test_skipped_units_are_not_read() -> None:
    source = Numbers([10, 10, 10, 10])
    assert drawn(RowReader(source, 4, num_threads=0), skip_rows=25) == list(range(25, 40))
    assert source.units_read == [2, 3]


def test_runs_that_were_drawn_before_a_resume_are_not_read_again() -> None:
    source, order = Numbers([10] * 8), Order(seed=1, epoch=0, buffer_rows=20)
    whole = drawn(RowReader(source, 4, num_threads=0), order)
    first_read = list(source.units_read)
    source.units_read.clear()
    assert drawn(RowReader(source, 4, num_threads=0), order, skip_rows=47) == whole[47:]
    assert source.units_read == first_read[4:]  # 47 // 20 runs = 40 rows = 4 units


def test_seed_and_epoch_both_change_the_order() -> None:
    reader = RowReader(Numbers([10] * 10), 100, num_threads=2)
    orders = [Order(seed, epoch, 50) for seed in (1, 2) for epoch in (0, 1)]
    assert len({tuple(drawn(reader, order)) for order in orders}) == 4


def test_a_shuffle_mixes_rows_of_different_units_and_leaves_few_in_place() -> None:
    reader = RowReader(Numbers([100] * 10), 100, num_threads=2)
    rows = drawn(reader, Order(seed=3, epoch=0, buffer_rows=1000))
    assert sum(row == place for place, row in enumerate(rows)) < 10  # one is expected
    assert all(len({row // 100 for row in rows[k : k + 100]}) == 10 for k in range(0, 1000, 100))


def test_no_more_pieces_are_held_than_there_are_threads() -> None:
    source = Numbers([300] * 10)
    for num_drawn, _ in enumerate(RowReader(source, 3, num_threads=4).batches(), start=1):
        assert source.pieces_read <= num_drawn + 4


def test_a_reader_that_is_left_in_the_middle_stops_its_threads() -> None:
    batches = RowReader(Numbers([30] * 10), 3, num_threads=4).batches()
    next(batches)
    del batches
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("peprank-read")]


def test_an_error_in_one_unit_comes_after_the_rows_before_it() -> None:
    class Broken(Numbers):
        def read(self, unit: Unit) -> Iterator[pa.RecordBatch]:
            if unit.part == 2:
                raise OSError("gone")
            yield from super().read(unit)

    batches = RowReader(Broken([6] * 4), 6, num_threads=4).batches()
    assert [next(batches)["row"][0].as_py() for _ in range(2)] == [0, 6]
    with pytest.raises(OSError, match="gone"):
        next(batches)


@pytest.mark.parametrize("file_format", FileFormat)
def test_files_of_both_formats_keep_these_promises(tmp_path: Path, file_format: FileFormat) -> None:
    for k in range(5):
        table = pa.table({"row": pa.array(range(100 * k, 100 * k + 100))})
        if file_format is FileFormat.PARQUET:
            pq.write_table(table, tmp_path / f"{k}.parquet", row_group_size=30)
        else:
            pacsv.write_csv(table, tmp_path / f"{k}.csv")

    def rows(num_threads: int, order: Order | None, skip_rows: int = 0) -> list[int]:
        spec = DataSpec(file_format=file_format, num_threads=num_threads)
        reader = open_rows([str(tmp_path)], spec, [ROW], batch_rows=64)
        return [int(row) for row in drawn(reader, order, skip_rows)]

    order = Order(seed=1, epoch=0, buffer_rows=128)
    assert rows(0, None) == list(range(500))
    assert sorted(rows(0, order)) == list(range(500))
    assert rows(0, order) == rows(1, order) == rows(2, order) == rows(4, order)
    assert rows(2, order, 333) == rows(2, order)[333:]
    assert rows(2, order) != rows(2, Order(seed=1, epoch=1, buffer_rows=128))


@pytest.mark.parametrize("file_format", FileFormat)
def test_columns_that_nobody_asked_for_are_told_by_name(tmp_path: Path, file_format: FileFormat) -> None:
    for k, further in enumerate(("b", "a")):
        table = pa.table({further: [1], "row": [k]})
        if file_format is FileFormat.PARQUET:
            pq.write_table(table, tmp_path / f"{k}.parquet")
        else:
            pacsv.write_csv(table, tmp_path / f"{k}.csv")
    assert open_rows([str(tmp_path)], DataSpec(file_format=file_format), [ROW]).unread == ("a", "b")


def test_a_batch_within_one_row_group_is_not_copied() -> None:
    piece = pa.record_batch({"row": pa.array(range(100))})

    class One(Numbers):
        def read(self, unit: Unit) -> Iterator[pa.RecordBatch]:  # noqa: ARG002
            yield piece

    batches = list(RowReader(One([100]), 50, num_threads=0).batches())
    assert [batch["row"].buffers()[1].address for batch in batches] == [piece["row"].buffers()[1].address] * 2


def test_a_batch_of_no_rows_is_refused() -> None:
    with pytest.raises(SpecError) as caught:
        RowReader(Numbers([10]), 0, num_threads=0)
    assert str(caught.value) == "batch_size = 0: must be at least 1"


def test_local_files_are_read_by_no_more_threads_than_there_are_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("peprank.data.reader._num_cores", lambda: 3)
    pq.write_table(pa.table({"row": [1]}), tmp_path / "a.parquet")
    for asked, useful in ((2, 2), (8, 3)):
        assert open_rows([str(tmp_path)], DataSpec(num_threads=asked), [ROW]).num_threads == useful
    elsewhere = InputFile("far", "far", pafs.SubTreeFileSystem(str(tmp_path), pafs.LocalFileSystem()))
    assert _useful_threads(8, [elsewhere]) == 8

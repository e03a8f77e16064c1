"""Parquet files: projection, agreement, damage."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from peprank.data import parquet
from peprank.data.column import Column, ColumnKind
from peprank.data.files import InputFile
from peprank.data.reader import RowReader, open_rows
from peprank.errors import DataError
from peprank.spec.pipeline import DataSpec

USER, CLICK = Column("user", ColumnKind.ID), Column("click", ColumnKind.LABEL, num_class=2)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, so that errors show short names."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, columns: dict[str, pa.Array], *, group_rows: int = 4) -> None:
    pq.write_table(pa.table(columns), name, row_group_size=group_rows)


def rows_of(*inputs: str, columns: tuple[Column, ...] = (USER,), batch_rows: int = 3) -> RowReader:
    return open_rows(inputs, DataSpec(num_threads=2), columns, batch_rows=batch_rows)


def users(reader: RowReader) -> list[object]:
    return [user for batch in reader.batches() for user in batch["user"].to_pylist()]


def test_rows_come_in_file_order_in_full_batches_but_the_last() -> None:
    write("b.parquet", {"user": pa.array(range(10, 20))})
    write("a.parquet", {"user": pa.array(range(10))})
    reader = rows_of("a.parquet", "b.parquet")
    assert reader.paths == ("a.parquet", "b.parquet")
    assert reader.num_rows == 20
    assert [batch.num_rows for batch in reader.batches()] == [3, 3, 3, 3, 3, 3, 2]
    assert [batch.num_rows for batch in reader.batches(drop_remainder=True)] == [3] * 6
    assert users(reader) == list(range(20))
    assert users(reader) == list(range(20))  # and again for the next epoch


def test_only_the_columns_asked_for_are_read_in_the_order_asked_for() -> None:
    extra = pa.array([1, 2], pa.timestamp("s"))
    write("a.parquet", {"extra": extra, "click": pa.array([True, False]), "user": pa.array(["x", None])})
    (batch,) = rows_of("a.parquet", columns=(USER, CLICK)).batches()
    assert batch.equals(pa.record_batch({"user": pa.array(["x", None]), "click": pa.array([1, 0])}))


def test_files_and_row_groups_without_rows_are_passed_over() -> None:
    write("a.parquet", {"user": pa.array([], pa.int64())})
    write("b.parquet", {"user": pa.array([7])})
    assert users(rows_of("a.parquet", "b.parquet")) == [7]
    assert users(rows_of("a.parquet")) == []


def test_a_large_row_group_is_decoded_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "PIECE_BYTES", 80)  # ten int64
    write("a.parquet", {"user": pa.array(range(25))}, group_rows=25)
    source = rows_of("a.parquet").source
    sizes = [piece.num_rows for unit in source.units for piece in source.read(unit)]
    assert sum(sizes) == 25
    assert max(sizes) <= 10


def test_a_large_row_group_is_never_held_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "PIECE_BYTES", 1 << 16)
    monkeypatch.setattr(parquet, "STREAM_BYTES", 1 << 16)
    num_rows = 1_000_000  # 8 MB in one row group
    table = pa.table({"user": pa.array(range(num_rows))})
    pq.write_table(table, "a.parquet", row_group_size=num_rows, use_dictionary=False, compression="none")
    source = rows_of("a.parquet").source
    before, num_pieces = pa.total_allocated_bytes(), 0
    for _ in source.read(source.units[0]):
        num_pieces += 1
        assert pa.total_allocated_bytes() - before < 4 << 20
    assert num_pieces > 100


def test_files_of_different_widths_join_in_the_type_that_holds_all() -> None:
    price = Column("price", ColumnKind.NUMBER)
    write("1.parquet", {"user": pa.nulls(1), "price": pa.array([1], pa.int8())})
    write("2.parquet", {"user": pa.array(["x"]), "price": pa.array([0.5], pa.float32())})
    write("3.parquet", {"user": pa.array(["y"]).dictionary_encode(), "price": pa.array([0.1])})
    (batch,) = rows_of("*.parquet", columns=(USER, price)).batches()
    assert batch.equals(pa.record_batch({"user": pa.array([None, "x", "y"]), "price": pa.array([1, 0.5, 0.1])}))


def test_files_that_disagree_are_both_named_before_any_row_is_read() -> None:
    write("1.parquet", {"user": pa.nulls(1), "click": pa.array([1])})
    write("2.parquet", {"user": pa.array([1]), "click": pa.array([1.0])})
    write("3.parquet", {"user": pa.array(["x"]), "click": pa.array([0])})
    with pytest.raises(DataError) as caught:
        rows_of("*.parquet", columns=(USER, CLICK))
    assert str(caught.value) == (
        "3.parquet: column 'user' is string but int64 in 2.parquet; write it with one type in all files"
    )


def test_unfit_files_are_all_named_before_any_row_is_read() -> None:
    write("1.parquet", {"user": pa.array([1])})
    write("2.parquet", {"usr": pa.array([1])})
    write("3.parquet", {"user": pa.array([1], pa.date32())})
    Path("4.parquet").write_bytes(b"hello world!")
    Path("5.parquet").touch()
    with pytest.raises(DataError) as caught:
        rows_of("*.parquet")
    assert str(caught.value).splitlines() == [
        "2.parquet: column 'user' is missing; found ['usr']",
        "3.parquet: column 'user' is date32[day]; ids must be whole numbers or strings, "
        "bare, in lists or in lists of lists: cast it to int64 or string",
        "4.parquet: not a Parquet file, or cut short (12 bytes); write it again or leave it out (Parquet magic bytes "
        "not found in footer. Either the file is corrupted or this is not a parquet file.)",
        "5.parquet: not a Parquet file, or cut short (0 bytes); write it again or leave it out "
        "(Parquet file size is 0 bytes)",
    ]


def test_a_label_out_of_bounds_is_refused_with_file_and_row_group() -> None:
    write("1.parquet", {"click": pa.array([0, 1, 1, 0, 0, None])})
    with pytest.raises(DataError) as caught:
        list(rows_of("1.parquet", columns=(CLICK,)).batches())
    assert str(caught.value) == (
        "1.parquet, row group 1: label 'click' is missing in 1 of 2 rows; "
        "fill it in or drop those rows, as data_config.bad_values can"
    )


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_file_cut_anywhere_is_refused_by_name(data: st.DataObject) -> None:
    write("whole.parquet", {"user": pa.array(range(40))})
    whole = Path("whole.parquet").read_bytes()
    cut = data.draw(st.integers(0, len(whole) - 1))
    Path("cut.parquet").write_bytes(whole[:cut])
    expected = re.escape(f"cut.parquet: not a Parquet file, or cut short ({cut} bytes); write it again or leave it out")
    with pytest.raises(DataError, match=f"^{expected}"):
        rows_of("cut.parquet")


def test_a_flipped_bit_in_a_page_is_refused_by_name_when_pages_have_checksums() -> None:
    table = pa.table({"user": pa.array(range(1000))})
    pq.write_table(table, "a.parquet", write_page_checksum=True, use_dictionary=False, compression="none")
    whole = bytearray(Path("a.parquet").read_bytes())
    whole[len(whole) // 2] ^= 1
    Path("a.parquet").write_bytes(whole)
    with pytest.raises(DataError) as caught:
        users(rows_of("a.parquet"))
    assert str(caught.value) == (
        "a.parquet, row group 0: damaged, write it again or leave it out "
        "(could not verify page integrity, CRC checksum verification failed for page_ordinal 0)"
    )


def test_a_file_that_goes_away_between_the_check_and_the_reading_is_named() -> None:
    write("a.parquet", {"user": pa.array([1])})
    reader = rows_of("a.parquet")
    Path("a.parquet").unlink()
    with pytest.raises(
        DataError, match=r"^a\.parquet: was removed while it was read; let whoever writes it finish, then start again$"
    ):
        users(reader)


def test_a_csv_file_read_as_parquet_says_which_dataset_type_it_is() -> None:
    Path("1.csv").write_text("user\n7\n")
    with pytest.raises(DataError, match=r"for CSV write data_config\.dataset_type: CsvDataset or leave it out"):
        rows_of("1.csv")


def test_a_file_that_may_not_be_read_is_not_called_damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: InputFile) -> None:
        raise PermissionError(13, "Permission denied")

    write("1.parquet", {"user": pa.array([1])})
    monkeypatch.setattr(InputFile, "open", refused)
    with pytest.raises(
        DataError, match=r"^1\.parquet: may not be read by this user; change its rights or leave it out$"
    ):
        rows_of("1.parquet")

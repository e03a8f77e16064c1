"""Files that are damaged, cut short, of another format, or written while they are read."""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from peprank.data import Repairs, csv, parquet
from peprank.data.column import Column, ColumnKind
from peprank.data.reader import Order, RowReader, open_rows
from peprank.errors import DataError
from peprank.spec.pipeline import DataSpec, FileFormat
from tests.promises import Reached, Times

USER, PRICE = Column("user", ColumnKind.ID), Column("price", ColumnKind.NUMBER)
CSV = DataSpec(file_format=FileFormat.CSV)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, first: int = 0, num: int = 40, *, group_rows: int = 10) -> bytes:
    """A good file of users; its bytes."""
    table = pa.table({"user": pa.array(range(first, first + num)), "price": pa.array(np.arange(num) / 3)})
    pq.write_table(
        table,
        name,
        row_group_size=group_rows,
        write_page_checksum=True,
        compression="none",
        use_dictionary=False,
        data_page_size=64,
        write_batch_size=8,
    )
    return Path(name).read_bytes()


def opened(*inputs: str, skip: bool = False, spec: DataSpec | None = None, batch_rows: int = 7) -> RowReader:
    spec = spec or DataSpec()
    data = DataSpec(file_format=spec.file_format, num_threads=2, skip_bad_files=skip)
    return open_rows(inputs or ["."], data, [USER, PRICE], batch_rows=batch_rows)


def users(batches: Iterator[pa.RecordBatch]) -> list[int]:
    return [int(user) for batch in batches for user in batch["user"].to_pylist()]


def harm(path: str, group: int) -> None:
    """Flip a bit in the last page of users of a row group."""
    column = pq.read_metadata(path).row_group(group).column(0)
    content = bytearray(Path(path).read_bytes())
    content[column.data_page_offset + column.total_compressed_size - 4] ^= 4
    Path(path).write_bytes(content)


@pytest.mark.promise("R-13", "files cut at a random byte")
def test_a_file_that_is_cut_is_an_error_or_is_left_out_and_counted(times: Times, reached: Reached) -> None:
    num, rng = times(60, 500), np.random.default_rng(13)
    parquet_bytes, text = write("cut.parquet"), b"user,price\n" + b"".join(b"%d,0.5\n" % k for k in range(40))
    write("good.parquet", first=100)
    Path("good.csv").write_text("user,price\n100,0.5\n")
    for kind, name, whole, spec in (
        ("Parquet", "cut.parquet", parquet_bytes, None),
        ("packed CSV", "cut.csv.gz", gzip.compress(text), CSV),
    ):
        for cut in rng.integers(0, len(whole) - 1, num // 2):
            Path(name).write_bytes(whole[:cut])
            with pytest.raises(DataError, match=rf"^{re.escape(name)}(:|, row)"):
                users(opened(name, spec=spec).batches())
            reader = opened(skip=True, spec=spec)
            assert users(reader.batches())[-1] == (139 if spec is None else 100), (kind, cut)
            assert list(reader.repairs.bad_files) == [f"./{name}"]
    reached(f"{num} files cut at random, half of them Parquet and half packed CSV: each named, or left out and counted")


@pytest.mark.promise("R-13", "kinds of files that are none")
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.parquet", b""),
        ("text.parquet", b"user,price\n1,0.5\n" * 100),
        ("magic.parquet", b"PAR1" + bytes(100) + b"PAR1"),
        ("huge-footer.parquet", b"PAR1" + bytes(100) + b"\xff\xff\xff\x7fPAR1"),
        ("packed.parquet", gzip.compress(b"PAR1" * 100)),
        ("empty.csv", b""),
        ("packed.csv.gz", b"user,price\n1,0.5\n"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_foreign_file_is_an_error_or_is_left_out_and_counted(name: str, content: bytes) -> None:
    write("good.parquet")
    Path("good.csv").write_text("user,price\n7,0.5\n")
    Path(name).write_bytes(content)
    spec = None if name.endswith(".parquet") else CSV
    with pytest.raises(DataError, match=rf"^(\./)?{name}: .*(leave it out|fields)"):
        opened(name, spec=spec)
    reader = opened(skip=True, spec=spec)
    assert list(reader.repairs.bad_files) == [f"./{name}"]
    assert reader.repairs.num_files == 2
    assert users(reader.batches()) == (list(range(40)) if spec is None else [7])


def test_rows_before_the_damage_are_read_and_the_rest_of_the_row_group_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parquet, "PIECE_BYTES", 5 * 16)
    write("a.parquet", group_rows=20)
    harm("a.parquet", 0)
    write("b.parquet", first=100)
    reader = opened(skip=True)
    assert users(reader.batches()) == [*range(16), *range(20, 40), *range(100, 140)]
    assert list(reader.repairs.bad_files) == ["./a.parquet, row group 0"]
    told = reader.repairs.sentences
    assert told[0].startswith("left out: ./a.parquet, row group 0: damaged, write it again or leave it out (")
    assert told[1] == "bad files or parts of files left out: 1, of 2 files"


def test_rows_before_a_bad_cell_are_read_and_the_rest_of_the_csv_file_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(csv, "BLOCK_BYTES", 64)
    Path("a.csv").write_text("user,price\n" + "".join(f"{k},0.5\n" for k in range(50)) + "50,cheap\n51,1\n")
    Path("b.csv").write_text("user,price\n100,1\n")
    reader = opened(skip=True, spec=CSV)
    read = users(reader.batches())
    assert read == [*range(len(read) - 1), 100]
    assert 30 < len(read) < 50
    assert list(reader.repairs.bad_files) == ["./a.csv"]


def test_another_pass_over_the_rows_counts_nothing_twice() -> None:
    write("a.parquet")
    harm("a.parquet", 1)
    write("b.parquet")
    reader = opened(skip=True)
    first = users(reader.batches())
    repairs = reader.repairs
    assert users(reader.batches()) == first
    assert reader.repairs == repairs
    assert Repairs.from_json(repairs.to_json()) == repairs


def test_rows_after_a_resume_are_those_of_the_run_that_was_not_stopped() -> None:
    write("a.parquet")
    harm("a.parquet", 1)  # its row group says that it has more rows than it gives
    write("b.parquet", first=100)
    order = Order(seed=1, epoch=0, buffer_rows=16)
    whole = users(opened(skip=True).batches(order=order))
    assert 60 < len(whole) < 80
    for skip_rows in (1, 20, 45):
        assert users(opened(skip=True).batches(order=order, skip_rows=skip_rows)) == whole[skip_rows:]


def test_nothing_but_bad_files_is_an_error_however_asked() -> None:
    Path("1.parquet").touch()
    Path("2.parquet").write_bytes(b"hello world!")
    with pytest.raises(DataError) as caught:
        opened(skip=True)
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == ["./1.parquet", "./2.parquet"]


def test_a_file_that_lacks_a_column_is_never_left_out() -> None:
    write("a.parquet")
    pq.write_table(pa.table({"usr": [1], "price": [1.0]}), "b.parquet")
    with pytest.raises(DataError, match=r"^\./b\.parquet: column 'user' is missing; found \['usr', 'price'\]$"):
        opened(skip=True)


def _append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"7,1\n")


def _touch(path: Path) -> None:
    os.utime(path, ns=(1, 1))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_append, r"was changed \(\d+ bytes before, \d+ now\)"),
        (_touch, r"was changed \(another time of change\)"),
        (Path.unlink, "was removed"),
    ],
)
@pytest.mark.parametrize("name", ["a.parquet", "a.csv"])
@pytest.mark.parametrize("skip", [False, True])
def test_a_file_that_changes_while_it_is_read_is_named(
    name: str, skip: bool, change: Callable[[Path], None], says: str
) -> None:
    write("a.parquet")
    Path("a.csv").write_text("user,price\n" + "7,1\n" * 100)
    expected = rf"^{name}: {says} while it was read; let whoever writes it finish, then start again$"
    reader = opened(name, skip=skip, spec=CSV if name == "a.csv" else None)
    batches = reader.source.read(reader.source.units[-1])
    next(batches)
    change(Path(name))
    with pytest.raises(DataError, match=expected):
        list(batches)
    with pytest.raises(DataError, match=expected):
        users(reader.batches())

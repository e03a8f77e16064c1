"""CSV files: layouts, types, malformed rows."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pytest

from peprank.data import csv
from peprank.data.column import Column, ColumnKind
from peprank.data.reader import RowReader, open_rows
from peprank.errors import DataError
from peprank.spec.pipeline import CsvSpec, DataSpec, FileFormat

USER, PRICE = Column("user", ColumnKind.ID), Column("price", ColumnKind.NUMBER)
REMEDY = "mend the row, or see data_config's delimiter and fields"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, so that errors show short names."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows_of(*columns: Column, layout: CsvSpec | None = None, batch_rows: int = 1 << 20) -> RowReader:
    spec = DataSpec(file_format=FileFormat.CSV, csv=layout or CsvSpec(), num_threads=2)
    return open_rows(["*.csv*"], spec, columns, batch_rows=batch_rows)


def refusal(*columns: Column, layout: CsvSpec | None = None) -> str:
    with pytest.raises(DataError) as caught:
        list(rows_of(*columns, layout=layout).batches())
    return str(caught.value)


def test_types_follow_the_use_of_a_column_and_not_its_cells() -> None:
    columns = (
        USER,
        PRICE,
        Column("scores", ColumnKind.NUMBER, separator="\x1d"),
        Column("click", ColumnKind.LABEL, num_class=2),
        Column("note", ColumnKind.ANY),
    )
    Path("1.csv").write_text("extra,note,click,scores,price,user\nx,5,1,1\x1d2,3,007\n")
    Path("2.csv").write_text("extra,note,click,scores,price,user\nx,5,0,,NULL,\nx,\\N,0,nan,nan,NA\n")
    (batch,) = rows_of(*columns).batches()
    text, number = pa.string(), pa.float64()
    assert batch.schema.types == [text, number, text, number, text]
    assert batch["user"].to_pylist() == ["007", None, "NA"]
    assert batch["price"].to_pylist()[:2] == [3.0, None]
    assert batch["price"].is_null(nan_is_null=True).to_pylist() == [False, True, True]
    assert batch["scores"].to_pylist() == ["1\x1d2", None, "nan"]
    assert batch["click"].to_pylist() == [1.0, 0.0, 0.0]
    assert batch["note"].to_pylist() == ["5", "5", None]


def test_input_fields_fix_types_and_name_the_columns_of_a_file_without_header() -> None:
    fields = (("user", "INT64"), ("tags", "ARRAY_INT64"), ("price", "FLOAT"))
    Path("1.csv").write_text("7\t1\x032\t0.5\n\t\t\n")
    columns = (PRICE, USER, Column("tags", ColumnKind.ID))
    (batch,) = rows_of(*columns, layout=CsvSpec(delimiter="\t", with_header=False, columns=fields)).batches()
    assert batch.equals(
        pa.record_batch(
            {
                "price": pa.array([0.5, None], pa.float32()),
                "user": pa.array([7, None]),
                "tags": pa.array(["1\x032", None]),
            }
        )
    )


def test_packed_files_quotes_byte_order_marks_and_bytes_that_are_no_text_are_read() -> None:
    Path("1.csv.gz").write_bytes(gzip.compress(b'\xef\xbb\xbfuser,x\n"a,b",1\n\xff\xfe,2\n'))
    (batch,) = rows_of(USER).batches()
    assert batch["user"].cast(pa.binary()).to_pylist() == [b"a,b", b"\xff\xfe"]


def test_blocks_join_into_batches_of_the_size_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv, "BLOCK_BYTES", 64)
    Path("1.csv").write_text("user\n" + "".join(f"{k}\n" for k in range(1000)))
    reader = rows_of(USER, batch_rows=300)
    assert reader.num_rows is None
    assert [batch.num_rows for batch in reader.batches()] == [300, 300, 300, 100]
    assert [user for batch in reader.batches() for user in batch["user"].to_pylist()] == [str(k) for k in range(1000)]


def test_a_header_without_rows_is_a_file_without_rows() -> None:
    Path("1.csv").write_text("user\n")
    assert list(rows_of(USER).batches()) == []


def test_unfit_files_are_all_named_before_any_row_is_read() -> None:
    Path("1.csv").write_text("usr\n7\n")
    Path("2.csv").write_text("user\n7\n")
    Path("3.csv").write_text("")
    spec = DataSpec(file_format=FileFormat.CSV)
    with pytest.raises(DataError) as caught:
        open_rows(["."], spec, [USER])
    assert str(caught.value).splitlines() == [
        "./1.csv: column 'user' is missing; found ['usr']",
        f"./3.csv: Empty CSV file; {REMEDY}",
    ]


def test_a_row_with_too_many_cells_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv, "BLOCK_BYTES", 64)
    Path("1.csv").write_text("user,price\n" + "7,1\n" * 100 + "7,1,2\n")
    assert refusal(USER) == f"1.csv: CSV parse error: Row #102: Expected 2 columns, got 3: 7,1,2; {REMEDY}"


def test_a_cell_that_is_no_number_is_named_with_row_and_column(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv, "BLOCK_BYTES", 64)
    Path("1.csv").write_text("x,user,price\n" + "0,7,1\n" * 100 + "0,7,cheap\n")
    text = "1.csv: column 'price': Row #102: CSV conversion error to double: invalid value 'cheap'"
    assert refusal(PRICE, USER) == f"{text}; {REMEDY}"


def test_a_label_out_of_bounds_is_named_with_its_rows() -> None:
    Path("1.csv").write_text("click\n0\n2\n1\n")
    assert refusal(Column("click", ColumnKind.LABEL, num_class=2)) == (
        "1.csv, data rows 1 to 3: label 'click' is out of bounds in 1 of 3 rows, such as 2.0; must be 0 or 1"
    )


@pytest.mark.parametrize(
    ("layout", "text"),
    [
        (CsvSpec(delimiter="||"), "data_config.delimiter = '||': must be one character"),
        (
            CsvSpec(with_header=False),
            "data_config.with_header = false: name the columns in data_config.input_fields",
        ),
        (
            CsvSpec(columns=(("user", "FLOAT"), ("click", "STRING"))),
            "1.csv: column 'click' is string; labels must be ints, floats or bools: cast it to int64 or float32",
        ),
    ],
)
def test_a_layout_that_cannot_be_is_refused(layout: CsvSpec, text: str) -> None:
    Path("1.csv").write_text("user,click\n7,1\n")
    assert refusal(USER, Column("click", ColumnKind.LABEL), layout=layout) == text


def test_control_characters_of_a_file_do_not_reach_the_terminal() -> None:
    Path("1.csv").write_bytes(b"user,price\n7,1\n\x1b[2J\x07\n")
    assert refusal(USER) == f"1.csv: CSV parse error: Row #3: Expected 2 columns, got 1: ·[2J·; {REMEDY}"

"""What `peprank check --data` finds in files."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from peprank.data.check import check_files
from tests.data.plan import BUY, CLICK, STARS, plan

ROWS = {
    "user": [1, 2],
    "item": ["a", "b"],
    "price": [0.5, None],
    "scores": [[1.0], None],
    "age": [0, 2],
    "tab": [0, 1],
    "click": [0, 1],
    "buy": [False, True],
    "weight": [1.0, 0.5],
    "stars": [0, 4],
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, so that errors show short names."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, **changed: object) -> None:
    columns = {key: values for key, values in {**ROWS, **changed}.items() if values is not None}
    pq.write_table(pa.table(columns), name)


def test_files_that_fit_have_no_problems() -> None:
    write("1.parquet")
    assert check_files(["1.parquet"], plan(CLICK, BUY, STARS)) == ()


def test_every_unfit_column_of_every_file_is_told_at_once() -> None:
    write("1.parquet", item=None, price=[b"1", b"2"])
    write("2.parquet", click=["no", "yes"])
    assert check_files(["*.parquet"], plan(CLICK, BUY)) == (
        "1.parquet: column 'item' is missing; found ['user', 'price', 'scores', 'age', 'tab', 'click', 'buy', "
        "'weight', 'stars']",
        "1.parquet: column 'price' is binary; numbers must be ints, floats or numeric text, bare or in lists: "
        "cast it to string",
        "2.parquet: column 'click' is string; labels must be ints, floats or bools: cast it to int64 or float32",
    )


def test_all_targets_out_of_bounds_are_told_at_once() -> None:
    write("1.parquet", click=[0, 2], stars=[1, 5], weight=[1.0, -1.0])
    assert check_files(["1.parquet"], plan(CLICK, BUY, STARS)) == (
        "1.parquet, row group 0: label 'click' is out of bounds in 1 of 2 rows, such as 2; must be 0 or 1",
        "1.parquet, row group 0: weight 'weight' is out of bounds in 1 of 2 rows, such as -1.0; "
        "must be at least 0 and finite",
        "1.parquet, row group 0: label 'stars' is out of bounds in 1 of 2 rows, such as 5; must be a class, 0 to 4",
    )


def test_inputs_that_are_not_there_are_told() -> None:
    assert check_files(["1.parquet"], plan()) == ("1.parquet: no such file or folder; found []",)


def test_files_without_rows_are_told() -> None:
    write("1.parquet", **{name: pa.array([], pa.array(values).type) for name, values in ROWS.items()})
    assert check_files(["1.parquet"], plan(CLICK, BUY, STARS)) == ("1.parquet: has no rows",)

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peprank.datasets.files import writing
from peprank.datasets.splits import ConvertReport, Portions, say_nothing, write_portions, write_splits
from peprank.errors import DataError

SHARES = st.tuples(*[st.integers(1, 9)] * 3)
ROWS = st.integers(30, 500)  # enough for 9 : 1 : 9 to leave no split without a row


@given(shares=SHARES, rows=ROWS)
def test_in_file_order_row_k_lies_behind_the_cuts_that_are_not_above_it(
    shares: tuple[int, int, int], rows: int
) -> None:
    total = sum(shares)
    cuts = [rows * shares[0] // total, rows * (shares[0] + shares[1]) // total]
    expected = [sum(k >= cut for cut in cuts) for k in range(rows)]
    assert Portions(shares).of_rows(rows).tolist() == expected


@given(rows=ROWS)
def test_the_cuts_of_8_1_1_are_those_of_the_published_code(rows: int) -> None:
    sizes = np.bincount(Portions.parse("8:1:1").of_rows(rows)).tolist()
    first, second = int(rows * 0.8), int(rows * 0.9)
    assert sizes == [first, second - first, rows - second]


@given(shares=SHARES, rows=ROWS, seed=st.integers(0, 9))
def test_at_random_the_sizes_stay_and_the_seed_decides(shares: tuple[int, int, int], rows: int, seed: int) -> None:
    drawn = Portions(shares, "random", seed).of_rows(rows)
    assert np.bincount(drawn).tolist() == np.bincount(Portions(shares).of_rows(rows)).tolist()
    assert (drawn == Portions(shares, "random", seed).of_rows(rows)).all()


def test_another_seed_draws_other_rows() -> None:
    one, other = (Portions((8, 1, 1), "random", seed).of_rows(100) for seed in (1, 2))
    assert (one != other).any()
    assert (one != Portions((8, 1, 1)).of_rows(100)).any()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("8:1", "split 8:1: write one whole number from 1 on for each of train:val:test"),
        ("8:0:2", "split 8:0:2: write one whole number from 1 on for each of train:val:test"),
        ("80%:10%:10%", "split '80%:10%:10%': not of the form 8:1:1"),
        ("", "split '': not of the form 8:1:1"),
        ("8:-1:1", "split '8:-1:1': not of the form 8:1:1"),
    ],
)
def test_shares_that_are_none_are_refused(text: str, message: str) -> None:
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        Portions.parse(text)


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(DataError, match=r"^seed -1: must be 0 or more$"):
        Portions((8, 1, 1), "random", -1)


def test_a_split_that_would_have_no_row_is_named_before_anything_is_written(tmp_path: Path) -> None:
    message = "split 8:1:1 of 2 rows: leaves no row for val; choose other shares"  # cuts at 1 and 1
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        Portions((8, 1, 1)).of_rows(2)
    rows = pa.table({"label": [0, 1]})
    chosen = {"train": pa.array([True, True]), "val": pa.array([False, False])}
    message = "val: none of 2 rows belongs to it; choose other tabs, days or shares"
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        write_splits(rows, chosen, tmp_path, ("label",), say_nothing)
    assert not list(tmp_path.iterdir())


def test_splits_are_written_in_row_order_and_counted(tmp_path: Path) -> None:
    rows = pa.table({"row": range(10), "label": [0, 1] * 5})
    steps: list[str] = []
    report = write_portions(rows, Portions((8, 1, 1)), tmp_path, ("label",), steps.append)
    paths = tuple(tmp_path / f"{name}.parquet" for name in ("train", "val", "test"))
    assert report == ConvertReport(
        {"train": 8, "val": 1, "test": 1},
        {"train": {"label": 4}, "val": {"label": 0}, "test": {"label": 1}},
        paths,
    )
    assert [pq.read_table(path)["row"].to_pylist() for path in paths] == [list(range(8)), [8], [9]]
    assert steps == [f"writing {path}" for path in paths]


def test_a_file_written_in_parts_is_whole_or_the_old_one(tmp_path: Path) -> None:
    path, schema = tmp_path / "rows.parquet", pa.schema([("row", pa.int64())])
    with writing(path, schema) as writer:
        for start in (0, 2):
            writer.write_table(pa.table({"row": [start, start + 1]}))
    assert pq.read_table(path)["row"].to_pylist() == [0, 1, 2, 3]

    def break_off() -> None:
        with writing(path, schema) as writer:
            writer.write_table(pa.table({"row": [9]}))
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        break_off()
    assert pq.read_table(path)["row"].to_pylist() == [0, 1, 2, 3]
    assert list(tmp_path.iterdir()) == [path]

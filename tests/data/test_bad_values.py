"""Values that no plan can use: what becomes of them is a choice per column, and counted."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from peprank.data import Order, columns_of, open_rows, open_table
from peprank.data.bad_values import bad_cells
from peprank.data.column import Column, ColumnKind
from peprank.data.rows import conform_array, conform_table
from peprank.encode import Encoder
from peprank.errors import DataError
from peprank.spec.pipeline import BadValuePolicy, BadValues, DataSpec, FileFormat, PipelineSpec
from tests.data.plan import BUY, plan
from tests.promises import Reached, Times

ERROR, DROP_ROW, DEFAULT = BadValuePolicy.ERROR, BadValuePolicy.DROP_ROW, BadValuePolicy.DEFAULT
NAN, INF = float("nan"), float("inf")
CELLS: dict[str, tuple[list[object], list[object]]] = {  # column -> good cells, bad cells
    "buy": ([0.0, 1.0], [None, NAN, INF, 2.0, -1.0, 0.5]),
    "weight": ([0.0, 1.5], [None, NAN, INF, -INF, -1.0]),
    "price": ([0.0, -7.5], [None, NAN, INF, -INF]),
    "tab": ([0, 2], [None, -1, 3, 2**62]),
}


def with_policies(*policies: BadValues, file_format: FileFormat = FileFormat.PARQUET) -> PipelineSpec:
    return plan(BUY, data=DataSpec(bad_values=policies, file_format=file_format))


def drawn(num: int, seed: int) -> tuple[pa.Table, dict[str, np.ndarray]]:
    """Rows of which a tenth is bad in each column of CELLS, and where."""
    rng = np.random.default_rng(seed)
    is_bad = {name: rng.random(num) < 0.1 for name in CELLS}
    columns: dict[str, object] = {
        name: [cells[bad][rng.integers(len(cells[bad]))] for bad in is_bad[name].astype(int)]
        for name, cells in CELLS.items()
    }
    columns["tab"] = pa.array(columns["tab"], pa.int64())
    columns |= {"user": range(num), "item": ["x"] * num, "scores": [[1.0] * 4] * num, "age": [1] * num}
    return pa.table(columns | {"click": [1] * num}), is_bad


@pytest.mark.promise("R-15", "rows with bad values under every mix of policies")
def test_each_column_follows_its_policy_and_is_counted(times: Times, reached: Reached) -> None:
    num = times(300, 10_000)
    table, is_bad = drawn(num, seed=15)
    mixes = list(product(BadValuePolicy, repeat=len(CELLS)))
    for mix in mixes:
        stated = dict(zip(CELLS, mix, strict=True))
        defaults = {"buy": 1.0, "weight": 0.25}
        spec = with_policies(
            *(BadValues(column=name, policy=stated[name], default=defaults.get(name)) for name in CELLS)
        )
        dropped = {name: is_bad[name] for name in CELLS if stated[name] is DROP_ROW}
        is_kept = ~np.logical_or.reduce([np.zeros(num, bool), *dropped.values()])
        errors = [name for name in CELLS if stated[name] is ERROR and is_bad[name][is_kept].any()]
        columns = columns_of(spec, with_targets=True)
        if errors:
            with pytest.raises(DataError) as caught:
                open_table(table, columns, batch_rows=num)
            assert sorted(str(caught.value).split("'")[1::2]) == sorted(errors), mix
            continue
        reader = open_table(table, columns, batch_rows=num)
        (rows,) = reader.batches()
        assert rows["user"].to_pylist() == np.flatnonzero(is_kept).tolist()
        assert sum(reader.repairs.dropped_rows.values()) == num - is_kept.sum()
        expected = {name: int(is_bad[name][is_kept].sum()) for name in CELLS if stated[name] is DEFAULT}
        assert reader.repairs.replaced == {name: count for name, count in expected.items() if count}
        assert_clean(spec, rows)
    reached(f"{num:,} rows, a third of them bad, under {len(mixes)} mixes of policies: each kept, dropped or refused")


def assert_clean(spec: PipelineSpec, rows: pa.RecordBatch) -> None:
    encoder = Encoder(spec)
    features, targets = encoder.features(rows), encoder.targets(rows)
    for values in (*features.numbers.values(), targets.labels, targets.weights):
        assert torch.isfinite(values).all()
    assert (targets.weights >= 0).all()
    assert ((targets.labels == 0) | (targets.labels == 1)).all()
    assert features.domain.max() < 3


@pytest.mark.parametrize(
    ("column", "array", "is_bad"),
    [
        (Column("x", ColumnKind.NUMBER), pa.array([1, None]), [False, True]),
        (Column("x", ColumnKind.NUMBER), pa.array(["1.5", "", None, "nan", "cheap"]), [0, 1, 1, 1, 1]),
        (Column("x", ColumnKind.NUMBER), pa.array([[1.0], [], None, [1.0, NAN]]), [0, 1, 1, 1]),
        (Column("x", ColumnKind.NUMBER, separator=";"), pa.array(["1;2", "1;x", ";", "1"]), [0, 1, 1, 0]),
        (Column("x", ColumnKind.ID), pa.array([2**63 - 1, -1, None]), [0, 0, 1]),
        (Column("x", ColumnKind.ID), pa.array(["\x00", "", None]), [0, 1, 1]),
        (Column("x", ColumnKind.ID, num_ids=3), pa.array([0, 2, 3, -1, 2**63 - 1]), [0, 0, 1, 1, 1]),
        (Column("x", ColumnKind.ID, num_ids=3), pa.array(["2", "3", "-1", "0x1", "", "9" * 30]), [0, 1, 1, 1, 1, 1]),
        (Column("x", ColumnKind.ID, num_ids=3), pa.array([[[0], [2]], [[1], [3]], [[]], None]), [0, 1, 1, 1]),
        (Column("x", ColumnKind.ID, num_ids=3, separator=";"), pa.array(["0;2", "1;7"]), [0, 1]),
    ],
)
def test_what_is_bad_depends_on_what_the_column_is_read_for(column: Column, array: pa.Array, is_bad: list[int]) -> None:
    assert bad_cells(array, column).tolist() == [bool(bad) for bad in is_bad]


def test_bad_text_among_numbers_takes_the_features_default() -> None:
    spec = with_policies(BadValues(column="price", policy=DEFAULT))
    table, _ = drawn(2, seed=0)
    table = table.set_column(table.column_names.index("price"), "price", pa.array(["cheap", "2.5"]))
    columns = columns_of(spec, with_targets=False)
    features = Encoder(spec, serving=True).features(conform_table(table, columns, "here"))
    assert features.numbers["price"].tolist() == [[0.0], [2.5]]


def test_bad_text_in_a_csv_file_follows_the_policy_too(tmp_path: Path) -> None:
    spec = with_policies(BadValues(column="price", policy=DROP_ROW), file_format=FileFormat.CSV)
    names = ("user", "item", "price", "scores", "age", "tab", "buy", "weight", "click")
    rows = [f"{k},x,{price},1\x1d2\x1d3\x1d4,1,2,0,1,1" for k, price in enumerate(("1.5", "cheap", "", "2"))]
    (tmp_path / "a.csv").write_text("\n".join((",".join(names), *rows)))
    data = replace(spec.data, csv=replace(spec.data.csv, with_header=True))
    reader = open_rows([str(tmp_path)], data, columns_of(spec, with_targets=True))
    (batch,) = reader.batches()
    assert batch["user"].to_pylist() == ["0", "3"]
    assert reader.repairs.sentences == ("column 'price': 2 rows with a bad value dropped",)


def test_rows_to_be_scored_are_all_scored() -> None:
    spec = with_policies(BadValues(column="price", policy=DROP_ROW), BadValues(column="tab", policy=ERROR))
    column = {column.name: column for column in columns_of(spec, with_targets=False)}
    assert column["price"].policy is DEFAULT
    assert len(conform_array(pa.array([1.0, NAN]), column["price"], "request")) == 2
    with pytest.raises(DataError) as caught:
        conform_array(pa.array([1, 7]), column["tab"], "request")
    assert str(caught.value) == ("request: id 'tab' is out of bounds in 1 of 2 rows, such as 7; must be an id, 0 to 2")


def test_rows_after_a_resume_are_those_of_the_run_that_was_not_stopped(tmp_path: Path) -> None:
    table, is_bad = drawn(200, seed=3)
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=20)
    spec = with_policies(*(BadValues(column=name, policy=DROP_ROW) for name in CELLS))
    reader = open_rows([str(tmp_path)], spec.data, columns_of(spec, with_targets=True), batch_rows=7)
    order = Order(seed=1, epoch=0, buffer_rows=32)

    def users(skip_rows: int) -> list[int]:
        batches = reader.batches(order=order, skip_rows=skip_rows)
        return [user for batch in batches for user in batch["user"].to_pylist()]

    whole = users(0)
    assert len(whole) == 200 - np.logical_or.reduce(list(is_bad.values())).sum()
    assert all(users(skip_rows) == whole[skip_rows:] for skip_rows in (1, 33, 90))
    assert sum(reader.repairs.dropped_rows.values()) == 200 - len(whole)  # however often they were read

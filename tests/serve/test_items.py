from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peprank.encode import Encoder
from peprank.errors import DataError, RequestError, SpecError
from peprank.serve import items as items_module
from peprank.serve.items import ItemTable
from peprank.serve.rows import RequestRows
from tests.encode.specs import id_feature, pipeline
from tests.encode.test_encoder import view
from tests.serve.plans import ITEM_COLUMNS, ROW, TYPES, plain, plan, request, tensor
from tests.serve.test_rows import CELLS

SPEC = plan()
ENCODER = Encoder(SPEC, serving=True)
INLINE = RequestRows(SPEC, ENCODER)
HELD = sorted(ITEM_COLUMNS - {"item"})
WORD_KEYS, NUMBER_KEYS = tuple(f"item {k}" for k in range(6)), tuple(range(-2, 4))
OTHERS = {name: [ROW[name]] for name in TYPES if name not in ITEM_COLUMNS}


def written(folder: Path, columns: dict[str, Sequence[Any]], key_type: pa.DataType | None = None) -> Path:
    path = folder / "items.parquet"
    arrays = {n: pa.array(c, key_type if n == "item" and key_type else TYPES.get(n)) for n, c in columns.items()}
    pq.write_table(pa.table(arrays), path, row_group_size=2)
    return path


def items(num: int, **columns: Sequence[Any]) -> dict[str, Sequence[Any]]:
    """Columns of `num` items."""
    return {"item": WORD_KEYS[:num]} | {name: [ROW[name]] * num for name in HELD} | columns


@settings(max_examples=60)
@given(
    st.lists(st.fixed_dictionaries({name: CELLS[name] for name in HELD}), min_size=1, max_size=6),
    st.lists(st.integers(0, 8), max_size=6),
    st.booleans(),
    st.booleans(),
)
def test_items_of_the_server_are_encoded_like_those_of_a_request(
    tmp_path_factory: pytest.TempPathFactory,
    table: list[dict[str, Any]],
    chosen: list[int],
    has_number_keys: bool,
    is_asked_in_text: bool,
) -> None:
    known: Sequence[Any] = NUMBER_KEYS if has_number_keys else WORD_KEYS
    columns = {"item": known[: len(table)]} | {name: [item[name] for item in table] for name in HELD}
    path = written(tmp_path_factory.mktemp("items"), columns, pa.int64() if has_number_keys else pa.string())
    rows = RequestRows(SPEC, ENCODER, ItemTable.load(path, "item", SPEC))
    keys: list[Any] = [known[k] if k < len(known) else (999 if has_number_keys else "?") for k in chosen]
    keys = [None if k == 8 else key for k, key in zip(chosen, keys, strict=True)]
    is_number = has_number_keys and not is_asked_in_text
    asked = tensor(
        "item", "INT64" if is_number else "BYTES", [k if is_number or k is None else str(k).encode() for k in keys]
    )
    nothing = dict.fromkeys(HELD)
    cells = [table[k] if k < len(table) else nothing for k in chosen]
    inline = plain({name: [cell[name] for cell in cells] for name in HELD})
    encoded = rows.features(request(*plain(OTHERS), asked))
    expected = INLINE.features(request(*plain(OTHERS), asked, *inline))
    assert view(encoded.features) == view(expected.features)
    assert encoded.num_unknown_items == sum(k >= len(table) for k in chosen)
    assert set(encoded.unknown_items) == {str(key) for k, key in zip(chosen, keys, strict=True) if k >= len(table)}
    assert view(rows.features(request(*plain(OTHERS), asked, *inline)).features) == view(expected.features)


@pytest.fixture
def table(tmp_path: Path) -> ItemTable:
    return ItemTable.load(written(tmp_path, items(4, price=[-1.0, 0.5, None, 2.0])), "item", SPEC)


def test_a_table_tells_what_it_holds(table: ItemTable) -> None:
    assert (table.num_items, table.columns, table.name) == (4, frozenset(HELD), "items.parquet")
    held = table.rows
    assert table.memory_bytes > held.singles.values.nbytes + held.scalars.values.nbytes > 0
    assert held.singles.values.dtype == np.int32
    rows = RequestRows(SPEC, ENCODER, table)
    assert [info.name for info in rows.inputs()] == ["item", "user", "history", "age", "tab", "query"]
    assert rows.inputs()[0].datatype == "BYTES"


def test_unknown_items_are_told_in_the_answer(table: ItemTable) -> None:
    rows = RequestRows(SPEC, ENCODER, table)
    keys = tensor("item", "BYTES", [b"item 1", b"x", b"x", b"\xff", None])
    encoded = rows.features(request(*plain(OTHERS), keys))
    assert encoded.parameters == {"unknown_items": 4, "unknown_item_keys": "x, �, None"}
    assert encoded.features.num_rows == 5
    known = rows.features(request(*plain(OTHERS), tensor("item", "BYTES", [b"item 1"])))
    assert known.parameters == {}


def test_only_the_first_unknown_items_are_named(table: ItemTable) -> None:
    keys = tensor("item", "BYTES", [b"x" * 1000 + str(k).encode() for k in range(50)])
    encoded = RequestRows(SPEC, ENCODER, table).features(request(*plain(OTHERS), keys))
    assert encoded.num_unknown_items == 50
    assert encoded.unknown_items == ("x" * 80,) * 12


def test_half_an_item_is_refused(table: ItemTable) -> None:
    half = [tensor("item", "BYTES", [b"item 1"]), tensor("price", "FP32", [1.0])]
    with pytest.raises(RequestError) as error:
        RequestRows(SPEC, ENCODER, table).features(request(*plain(OTHERS), *half))
    assert str(error.value) == "inputs are missing: 'tags' (BYTES), 'shop' (INT64), 'pair' (FP32)"


def test_the_key_need_be_no_input_of_the_plan(tmp_path: Path) -> None:
    path = written(tmp_path, {"sku": [7, 8], **{name: [ROW[name]] * 2 for name in ITEM_COLUMNS}})
    rows = RequestRows(SPEC, ENCODER, ItemTable.load(path, "sku", SPEC))
    assert [info.name for info in rows.inputs()] == ["sku", "user", "history", "age", "tab", "query"]
    encoded = rows.features(request(*plain(OTHERS), tensor("sku", "INT32", [8, 9])))
    assert (encoded.num_rows, encoded.unknown_items) == (2, ("9",))
    with pytest.raises(RequestError) as error:
        rows.features(request(*plain(OTHERS), tensor("sku", "INT32", [8, 9], 1, 2)))
    assert str(error.value) == "input 'sku': holds lists; give each row one key"


def test_requests_may_give_some_item_columns_themselves(tmp_path: Path) -> None:
    columns = {name: cells for name, cells in items(3).items() if name not in ("price", "pair")}
    table = ItemTable.load(written(tmp_path, columns), "item", SPEC, given=("pri*", "pair"))
    assert table.columns == frozenset({"tags", "shop"})
    inputs = plain(OTHERS | {"price": [2.0, 0.5], "pair": [[1, 2], [3, 4]]})
    encoded = RequestRows(SPEC, ENCODER, table).features(
        request(*inputs, tensor("item", "BYTES", [b"item 0", b"item 2"]))
    )
    assert encoded.features.ids["price"].values.tolist() == [2, 1]
    assert encoded.features.ids["shop"].values.tolist() == [2, 2]


def test_several_users_name_their_items(table: ItemTable) -> None:
    keys = tensor("item", "BYTES", [b"item 0", b"item 1", b"item 3"])
    users = plain({name: [ROW[name]] * 2 for name in OTHERS} | {"user": [1, 4]})
    encoded = RequestRows(SPEC, ENCODER, table).features(request(*users, keys, tensor("candidates", "INT64", [1, 2])))
    assert encoded.features.ids["user_id"].values.tolist() == [1, 4, 4]
    assert encoded.features.ids["price"].values.tolist() == [0, 1, 2]


def test_a_domain_of_the_item_side_comes_with_the_request(tmp_path: Path) -> None:
    spec = plan(domain="shop")
    table = ItemTable.load(written(tmp_path, items(2)), "item", spec)
    assert table.columns == frozenset(HELD) - {"shop"}


def test_items_are_read_batch_by_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(items_module, "_BATCH_ROWS", 2)
    path = written(tmp_path, items(5, shop=[1, None, 2, 3, 4]))
    table = ItemTable.load(path, "item", SPEC)
    encoded = RequestRows(SPEC, ENCODER, table).features(
        request(*plain(OTHERS), tensor("item", "BYTES", [key.encode() for key in reversed(WORD_KEYS[:5])]))
    )
    assert encoded.features.ids["shop"].values.tolist() == [4, 3, 2, -1, 1]


# Faults


def refused(path: Path, key: str = "item", **options: Any) -> str:
    with pytest.raises(DataError) as error:
        ItemTable.load(path, key, SPEC, **options)
    return str(error.value)


def test_a_doubled_key_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, items(4, item=["a", "b", "c", "b"]))
    assert (
        refused(path) == f"{path}: key 'item': 'b' stands twice, in rows 1 and 3, counted from 0; keep one row per item"
    )
    path = written(tmp_path, items(4, item=[5, 7, 7, 9]), pa.int64())
    assert (
        refused(path) == f"{path}: key 'item': 7 stands twice, in rows 1 and 2, counted from 0; keep one row per item"
    )


def test_a_missing_key_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, items(3, item=["a", None, None]))
    assert refused(path) == f"{path}: key 'item': is missing in 2 of 3 rows; fill it in"


def test_a_list_of_keys_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, items(1, item=[["a", "b"]]), pa.list_(pa.string()))
    assert refused(path) == f"{path}: key 'item': holds lists; give each row one key"


def test_missing_columns_are_named(tmp_path: Path) -> None:
    path = written(tmp_path, {"tags": [["a"]], "shop": [1], "pair": [[1, 2]]})
    assert refused(path) == (
        f"{path}: column 'item' is missing; found ['tags', 'shop', 'pair']\n"
        f"{path}: column 'price' is missing; found ['tags', 'shop', 'pair']"
    )


def test_a_column_of_an_unfit_type_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "items.parquet"
    pq.write_table(
        pa.table({n: pa.array(c, TYPES[n]) for n, c in items(1).items() if n != "shop"} | {"shop": [1.5]}), path
    )
    assert "column 'shop' is double and does not fit int64" in refused(path)


def test_no_rows_no_file_and_no_columns_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, items(0))
    assert refused(path) == f"{path}: has no rows; give it one per item"
    assert refused(path, given=("*",)) == f"{path}: the plan has no item columns besides 'item' that it could hold"
    assert refused(tmp_path / "gone.parquet").startswith(f"{tmp_path / 'gone.parquet'}: no such file or folder")
    path.write_bytes(path.read_bytes()[:-20])
    assert refused(path).startswith(f"{path}: not a Parquet file, or cut short")


def test_items_of_another_plan_are_refused(table: ItemTable) -> None:
    other = pipeline(id_feature(name="f", column="item"))
    with pytest.raises(SpecError) as error:
        RequestRows(other, Encoder(other), table)
    assert str(error.value) == "items = 'items.parquet': was encoded for another plan; load it for this one"


def test_asking_for_items_leaves_the_table_as_it_is(table: ItemTable) -> None:
    rows = RequestRows(SPEC, ENCODER, table)
    asked = request(*plain(OTHERS), tensor("item", "BYTES", [b"item 1", b"?"]))
    before = view(rows.features(asked).features)
    features = rows.features(asked).features
    for ids in features.ids.values():
        ids.values.fill_(0)
    for numbers in features.numbers.values():
        numbers.fill_(0)
    assert view(rows.features(asked).features) == before

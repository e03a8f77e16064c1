"""Files whose columns are not those of the training files: they fit bit for bit, or are refused at once."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from peprank import config
from peprank.batch import Features, Targets
from peprank.data import columns_of, open_rows
from peprank.encode import Encoder
from peprank.errors import DataError
from tests import tiny
from tests.promises import Reached

SPEC = config.lower(config.parse(tiny.CONFIG, "tiny.config")).spec
ROWS = tiny.rows(90, seed=14)
USERS, ITEMS, TAGS = (ROWS[name].to_pylist() for name in ("user", "item", "tags"))
PRICES, CLICKS = ROWS["price"].to_numpy(), ROWS["click"].to_numpy()

Drift = Callable[[], pa.Table]


def swapped(name: str, values: object, *, nullable: bool = True) -> Drift:
    array = values if isinstance(values, (pa.Array, pa.ChunkedArray)) else pa.array(values)
    field = pa.field(name, array.type, nullable=nullable)
    return lambda: ROWS.set_column(ROWS.column_names.index(name), field, array)


def renamed(name: str, to: str) -> Drift:
    return lambda: ROWS.rename_columns([to if column == name else column for column in ROWS.column_names])


MOMENT = datetime.datetime(2026, 1, 1)
SAME: dict[str, Drift] = {  # the same bits
    "reordered": lambda: ROWS.select(ROWS.column_names[::-1]),
    "extra column": lambda: ROWS.append_column("extra", pa.array([{"a": 1}] * 90)),
    "extra column less": lambda: ROWS.drop_columns(["note"]),
    "extra column retyped": swapped("note", [1.5] * 90),
    "not nullable": swapped("user", pa.array(USERS), nullable=False),
    "int8 ids": swapped("user", pa.array(USERS, pa.int8())),
    "int32 ids": swapped("user", pa.array(USERS, pa.int32())),
    "uint64 ids": swapped("user", pa.array(USERS, pa.uint64())),
    "float64 ids": swapped("user", pa.array(USERS, pa.float64())),
    "float32 ids": swapped("user", pa.array(USERS, pa.float32())),
    "text for whole numbers": swapped("user", [str(user) for user in USERS]),
    "lists of one id": swapped("user", [[user] for user in USERS]),
    "large lists of one id": swapped("user", pa.array([[user] for user in USERS], pa.large_list(pa.int16()))),
    "large text": swapped("item", pa.array(ITEMS, pa.large_string())),
    "text views": swapped("item", pa.array(ITEMS, pa.string_view())),
    "dictionary of text": swapped("item", pa.array(ITEMS).dictionary_encode()),
    "dictionary of numbers": swapped("user", pa.array(USERS).dictionary_encode()),
    "dictionaries in lists": swapped("tags", pa.array(TAGS, pa.list_(pa.dictionary(pa.int8(), pa.string())))),
    "large lists": swapped("tags", pa.array(TAGS, pa.large_list(pa.large_string()))),
    "lists of lists": swapped("tags", [[tags[:1], tags[1:]] for tags in TAGS]),
    "float64 for float32": swapped("price", pa.array(PRICES.astype(np.float64))),
    "bool labels": swapped("click", CLICKS.astype(bool)),
    "float32 labels": swapped("click", CLICKS.astype(np.float32)),
    "uint8 labels": swapped("click", CLICKS.astype(np.uint8)),
}
REFUSED: dict[str, tuple[Drift, str]] = {  # named before the first row is read
    "missing feature": (lambda: ROWS.drop_columns(["item"]), "column 'item' is missing; found ['user',"),
    "missing label": (lambda: ROWS.drop_columns(["buy"]), "column 'buy' is missing; found ['user',"),
    "missing domain": (lambda: ROWS.drop_columns(["tab"]), "column 'tab' is missing; found ['user',"),
    "renamed": (renamed("price", "cost"), "column 'price' is missing; found ['user',"),
    "other case": (renamed("price", "Price"), "column 'price' is missing; found ['user',"),
    "doubled": (lambda: ROWS.append_column("user", ROWS["item"]), "column 'user' stands 2 times; keep one"),
    "decimal ids": (swapped("user", list(map(decimal.Decimal, USERS))), "column 'user' is decimal128(2, 0); ids must"),
    "decimal numbers": (swapped("price", [decimal.Decimal("1.5")] * 90), "column 'price' is decimal128(2, 1); numbers"),
    "timestamp ids": (swapped("user", [MOMENT] * 90), "column 'user' is timestamp[us]; ids must"),
    "timestamp numbers": (swapped("price", [MOMENT] * 90), "column 'price' is timestamp[us]; numbers must"),
    "date ids": (swapped("user", [MOMENT.date()] * 90), "column 'user' is date32[day]; ids must"),
    "binary ids": (swapped("item", [b"x"] * 90), "column 'item' is binary; ids must"),
    "struct ids": (swapped("user", [{"a": 1}] * 90), "column 'user' is struct<a: int64>; ids must"),
    "map ids": (swapped("tags", pa.array([[("a", 1)]] * 90, pa.map_(pa.string(), pa.int8()))), "column 'tags' is map<"),
    "three lists deep": (swapped("tags", [[[tags]] for tags in TAGS]), "column 'tags' is list<"),
    "numbers in lists of lists": (swapped("price", [[[1.0]]] * 90), "column 'price' is list<"),
    "text labels": (swapped("click", ["1"] * 90), "column 'click' is string; labels must"),
    "lists of labels": (swapped("click", [[1]] * 90), "column 'click' is list<"),
}


def encoded(path: Path) -> tuple[Features, Targets]:
    (rows,) = open_rows([str(path)], SPEC.data, columns_of(SPEC, with_targets=True), batch_rows=90).batches()
    encoder = Encoder(SPEC)
    return encoder.features(rows), encoder.targets(rows)


def bits(features: Features, targets: Targets) -> list[torch.Tensor]:
    ids = [part for name in sorted(features.ids) for part in vars_of(features.ids[name])]
    numbers = [features.numbers[name] for name in sorted(features.numbers)]
    return [*ids, *numbers, features.domain, targets.labels, targets.weights]


def vars_of(ids: object) -> list[torch.Tensor]:
    parts = [getattr(ids, name) for name in ("values", "offsets", "weights")]
    return [part for part in parts if part is not None]


@pytest.mark.promise("R-14", "forms of schema drift")
def test_drifted_files_encode_to_the_same_bits_or_are_refused_before_a_row_is_read(
    tmp_path: Path, reached: Reached
) -> None:
    plain, path = tmp_path / "plain.parquet", tmp_path / "drifted.parquet"
    pq.write_table(ROWS, plain)
    expected = bits(*encoded(plain))
    for name, drift in SAME.items():
        pq.write_table(drift(), path)
        found = bits(*encoded(path))
        assert all(torch.equal(one, other) for one, other in zip(as_bags(found), as_bags(expected), strict=True)), name
    for name, (drift, says) in REFUSED.items():
        pq.write_table(drift(), path)
        with pytest.raises(DataError) as caught:
            open_rows([str(path)], SPEC.data, columns_of(SPEC, with_targets=True))
        assert str(caught.value).startswith(f"{path}: {says}"), name
    assert len(SAME) + len(REFUSED) >= 40
    reached(f"{len(SAME)} forms encode to the same bits, {len(REFUSED)} are refused before a row is read")


def as_bags(tensors: list[torch.Tensor]) -> list[torch.Tensor]:
    """Without the offsets 0, 1, 2, ... of cells that are lists of one: they say what no offsets say."""
    return [t for t in tensors if not (t.dtype == torch.int64 and len(t) == 91 and torch.equal(t, torch.arange(91)))]

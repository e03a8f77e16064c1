"""Items that live in the server: their features, encoded once, so that a request names them by key only."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import DTypeLike, NDArray

from peprank.data.column import Column, ColumnKind, columns_of
from peprank.data.files import find_files
from peprank.data.parquet import SUFFIXES, ParquetSource
from peprank.data.reader import RowReader
from peprank.encode import Encoder
from peprank.encode.cells import shown
from peprank.encode.encoded import Block, EncodedRows, stack
from peprank.errors import DataError
from peprank.serve.inputs import InputInfo, info_of
from peprank.serve.keys import KeyIndex
from peprank.spec.feature import FeatureSpec, Side
from peprank.spec.pipeline import PipelineSpec

_BATCH_ROWS = 65_536
_SHOWN_LETTERS = 80  # of an unknown item's key


def item_columns(spec: PipelineSpec) -> frozenset[str]:
    """Columns that some feature reads as one of the item side."""
    return frozenset(feature.column for feature in spec.input_features if feature.side is Side.ITEM)


@dataclass(frozen=True, slots=True)
class ItemTable:
    """Encoded features of many items. It never changes: new items are a new table.

    An item that it does not hold has the features of one whose cells are all missing.
    """

    name: str  # of its file
    key: str  # the column, and the input, that names an item
    columns: frozenset[str]  # what it holds; the key is no part of it, each request gives that
    features: tuple[FeatureSpec, ...]  # those that read these columns
    index: KeyIndex
    rows: EncodedRows  # one row per item, then one whose cells are missing; ids are int32 where that is wide enough

    @staticmethod
    def load(path: Path, key: str, spec: PipelineSpec, *, given: Sequence[str] = ()) -> ItemTable:
        """Read and encode items.

        Args:
            path: a Parquet file, or a folder of them.
            key: its column that names an item: whole numbers or strings, each once.
            given: item columns, or patterns such as "*_today", that each request gives itself.

        Raises:
            DataError: a column is missing or unfit, a file is damaged, a key is missing or doubled, or nothing of the
                plan would be held.
        """
        columns = [column for column in columns_of(spec, with_targets=False) if _is_held(column.name, key, spec, given)]
        if not columns:
            raise DataError(f"{path}: the plan has no item columns besides {key!r} that it could hold")
        files = find_files([str(path)], SUFFIXES)
        source = ParquetSource(files, [Column(key, ColumnKind.ID), *columns], num_threads=1)
        batches = list(RowReader(source, _BATCH_ROWS, num_threads=1).batches())
        if not batches:
            raise DataError(f"{path}: has no rows; give it one per item")
        index = KeyIndex.of([batch.column(key) for batch in batches], f"{path}: key {key!r}")
        held = frozenset(column.name for column in columns)
        features = tuple(feature for feature in spec.input_features if feature.column in held)
        return ItemTable(path.name, key, held, features, index, _encoded(batches, held, spec))

    @property
    def num_items(self) -> int:
        """Items that it holds."""
        return self.rows.num_rows - 1

    @property
    def memory_bytes(self) -> int:
        """Memory that it takes."""
        return self.rows.num_bytes + self.index.num_bytes

    @property
    def key_info(self) -> InputInfo:
        """The input that names items."""
        return info_of(self.key, self.index.type)

    def find(self, keys: pa.Array) -> ItemRows:
        """The items with these conformed keys [N].

        Raises:
            DataError: keys are lists.
        """
        return ItemRows(self.rows, keys, self.index.find(keys, f"input {self.key!r}"))


@dataclass(frozen=True, slots=True)
class ItemRows:
    """Items that a request names."""

    rows: EncodedRows  # of the table
    keys: pa.Array  # [N]
    places: NDArray[np.int64]  # [N] rows of the table, -1 for items that it does not hold

    @property
    def num_values(self) -> int:
        """Values that `taken` gives."""
        return self.rows.num_values(self.places)

    @property
    def num_unknown(self) -> int:
        """How many of the items the table does not hold."""
        return int(np.count_nonzero(self.places < 0))

    def unknown(self, most: int) -> tuple[str, ...]:
        """The first keys that the table does not hold, each once."""
        keys = self.keys.filter(pa.array(self.places < 0)).unique()[:most]
        return tuple(f"{shown(key)!s:.{_SHOWN_LETTERS}}" for key in keys)

    def taken(self) -> EncodedRows:
        """Features of the items; what is unknown in them was counted when they were loaded."""
        return _with_ids_as(replace(self.rows, unknown={}).take(self.places), np.int64)


def _encoded(batches: Sequence[pa.RecordBatch], held: Collection[str], spec: PipelineSpec) -> EncodedRows:
    """All rows, and one more whose cells are missing."""
    encoder = Encoder(spec, serving=True)
    none = {name: pa.nulls(1, batches[0].column(name).type) for name in held}
    parts = [encoder.encode({name: rows.column(name) for name in held}, rows.num_rows) for rows in batches]
    return _compact(stack([*parts, encoder.encode(none, 1)]))


def _is_held(column: str, key: str, spec: PipelineSpec, given: Sequence[str]) -> bool:
    is_domain = spec.model.domain is not None and spec.feature(spec.model.domain.feature).column == column
    is_given = is_domain or column == key or any(fnmatchcase(column, pattern) for pattern in given)
    return column in item_columns(spec) and not is_given


def _compact(rows: EncodedRows) -> EncodedRows:
    """The same with narrow ids, if they fit, and the values of a row side by side in memory."""
    largest = [int(ids.max(initial=0)) for ids in (rows.singles.values, *(bag.values for bag in rows.bags.values()))]
    narrow = _with_ids_as(rows, np.int32 if max(largest, default=0) <= np.iinfo(np.int32).max else np.int64)
    singles = Block(narrow.singles.names, np.asfortranarray(narrow.singles.values))
    return replace(narrow, singles=singles, scalars=Block(rows.scalars.names, np.asfortranarray(rows.scalars.values)))


def _with_ids_as(rows: EncodedRows, dtype: DTypeLike) -> EncodedRows:
    singles = Block(rows.singles.names, rows.singles.values.astype(dtype))
    bags = {name: replace(bag, values=bag.values.astype(dtype)) for name, bag in rows.bags.items()}
    return replace(rows, singles=singles, bags=bags)

"""The official files of Ali-CCP, read block by block.

A skeleton file has one line per impression and a common file the features that many impressions share:

    skeleton   sample_id , click , conversion , key , number of features , FEATURES
    common     key , number of features , FEATURES

FEATURES are joined by \\x01, and each is field \\x02 feature id \\x03 value. There is no header. A line of a common
file has some 500 features, of which the columns below keep one per field, so that what is kept fits in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from peprank.datasets.splits import Tell
from peprank.datasets.statistics import IntArray
from peprank.errors import DataError

ITEM_FIELDS: Final = {  # column -> field, of the skeleton files
    "item_id": "205",
    "category": "206",
    "shop": "207",
    "intention": "210",
    "brand": "216",
    "scenario": "301",
    "user_category": "508",
    "user_shop": "509",
    "user_brand": "702",
    "user_intention": "853",
}
USER_FIELDS: Final = {  # column -> field, of the common files
    "user_id": "101",
    "profile": "121",
    "profile_group": "122",
    "gender": "124",
    "age": "125",
    "consumption_1": "126",
    "consumption_2": "127",
    "occupation": "128",
    "geography": "129",
    "history_category": "109_14",
    "history_shop": "110_14",
    "history_brand": "127_14",
    "history_intention": "150_14",
}
VALUED: Final = (  # columns whose values count as well; they stand in COLUMN_value
    *("user_category", "user_shop", "user_brand", "user_intention"),
    *("history_category", "history_shop", "history_brand", "history_intention"),
)
LABELS: Final = ("click", "conversion")

_SKELETON_TYPES = {
    "sample_id": pa.string(),
    **dict.fromkeys(LABELS, pa.int8()),
    "key": pa.string(),
    "num_features": pa.int64(),
    "features": pa.string(),
}
_COMMON_TYPES = {"key": pa.string(), "num_features": pa.int64(), "features": pa.string()}
_FEATURE = "^(?P<field>[0-9_]+)\x02(?P<id>[0-9]{1,18})\x03(?P<value>-?[0-9]+(?:[.][0-9]*)?(?:[eE][-+]?[0-9]+)?)$"
_BLOCK_BYTES = 16 << 20  # a block is parsed at once; in memory it takes about ten times as much
_FETCH_AGAIN = "The file is damaged or cut off: fetch and unpack it again"


@dataclass(frozen=True, slots=True)
class CommonFeatures:
    """What the lines of one common file say about users, found by key."""

    path: Path
    keys: pa.Array
    columns: pa.Table

    @classmethod
    def read(cls, path: Path, tell: Tell) -> CommonFeatures:
        """Read a whole file and keep the columns of USER_FIELDS: about 150 bytes a line.

        Raises:
            DataError: a line is not of its form; names it.
        """
        keys, parts = [], []
        for first_line, lines in _blocks(path, _COMMON_TYPES, tell):
            keys.append(lines["key"].combine_chunks())
            parts.append(_columns(lines, USER_FIELDS, path, first_line))
        return cls(path, pa.concat_arrays(keys), pa.concat_tables(parts).combine_chunks())

    def of(self, keys: pa.ChunkedArray, path: Path, first_line: int) -> pa.Table:
        """Row of each key.

        Raises:
            DataError: names the line of `path` whose key is not there.
        """
        places = pc.index_in(keys, value_set=self.keys)
        if (row := pc.index(pc.is_null(places), True).as_py()) >= 0:
            place, key = f"{path}:{first_line + row}", keys[row].as_py()
            raise DataError(f"{place}: key {key}: {self.path} has no such line. {_FETCH_AGAIN}")
        return self.columns.take(places)


def impressions(path: Path, common: CommonFeatures, tell: Tell) -> Iterator[pa.Table]:
    """Labels, item and user columns of a skeleton file, a block of lines at a time, in file order.

    Raises:
        DataError: a line is not of its form, or its key is not in the common file; names it.
    """
    for first_line, lines in _blocks(path, _SKELETON_TYPES, tell):
        for label in LABELS:
            right = pc.is_in(lines[label], pa.array([0, 1], pa.int8()))
            _check(right, path, first_line, lines, label, "0 or 1")
        items = _columns(lines, ITEM_FIELDS, path, first_line)
        users = common.of(lines["key"], path, first_line)
        yield _beside(lines.select(LABELS), items, users)


def _blocks(path: Path, types: Mapping[str, pa.DataType], tell: Tell) -> Iterator[tuple[int, pa.Table]]:
    """Blocks of lines as (number of the first line, columns), telling now and then how far it is.

    Raises:
        DataError: a line has too few or too many fields, or one of a wrong type; or the file is empty.
    """
    first_line, told = 1, 0
    num_bytes = path.stat().st_size
    try:
        with path.open("rb") as file, _open_csv(file, types) as blocks:
            for block in blocks:
                yield first_line, pa.table(block)
                first_line += block.num_rows
                if (percent := 100 * file.tell() // num_bytes) >= told + 5:
                    tell(f"reading {path}: {first_line - 1:,} lines, {percent} %")
                    told = percent
    except pa.ArrowInvalid as error:
        raise DataError(f"{path}: {error}. {_FETCH_AGAIN}") from error


def _open_csv(file: object, types: Mapping[str, pa.DataType]) -> csv.CSVStreamingReader:
    """A reader on one thread, which numbers the rows in its errors; an empty line is a row without values."""
    return csv.open_csv(
        file,
        read_options=csv.ReadOptions(column_names=list(types), block_size=_BLOCK_BYTES, use_threads=False),
        parse_options=csv.ParseOptions(quote_char=False, ignore_empty_lines=False),
        convert_options=csv.ConvertOptions(column_types=dict(types)),
    )


def _columns(lines: pa.Table, fields: Mapping[str, str], path: Path, first_line: int) -> pa.Table:
    """Feature ids, and values of the columns in VALUED; null where a line has no feature of the field.

    Of a field that a line has several times the last counts, as in the public preprocessing of these files.
    """
    line, features = _features(lines, path, first_line)
    field, ids = pc.struct_field(features, "field"), pc.struct_field(features, "id").cast(pa.int64())
    values = pc.struct_field(features, "value")
    columns = {}
    for name, number in fields.items():
        of_field = np.flatnonzero(np.asarray(pc.equal(field, number)))
        last = _last_of_each(line[of_field], of_field, len(lines))
        columns[name] = ids.take(last)
        if name in VALUED:
            columns[f"{name}_value"] = values.take(last).cast(pa.float32())
    return pa.table(columns)


def _features(lines: pa.Table, path: Path, first_line: int) -> tuple[IntArray, pa.StructArray]:
    """Each feature's line and its field, id and value as text, in file order. Shapes: int64 [K], [K].

    Raises:
        DataError: a line has not as many features as it says, or one is not of its form; names it.
    """
    lists = pc.split_pattern(lines["features"].combine_chunks(), "\x01")
    right = pc.fill_null(pc.equal(pc.list_value_length(lists), lines["num_features"]), False)
    _check(right, path, first_line, lines, "num_features", "the number of features in the line")
    line, text = np.asarray(pc.list_parent_indices(lists), dtype=np.int64), pc.list_flatten(lists)
    features = pc.extract_regex(text, _FEATURE)
    if (wrong := pc.index(pc.is_null(features), True).as_py()) >= 0:
        what = f"{path}:{first_line + line[wrong]}: feature {text[wrong].as_py()!r}"
        raise DataError(f"{what}: not of the form FIELD\\x02ID\\x03VALUE. {_FETCH_AGAIN}")
    return line, features


def _last_of_each(line: IntArray, place: IntArray, num_lines: int) -> pa.Array:
    """Last place that each line has; null where it has none. Shapes: line, place int64 [K] -> int64 [num_lines]."""
    last = np.full(num_lines, -1, dtype=np.int64)
    last[line] = place  # places go up, and of several values for one line the last one stays
    return pa.array(last, mask=last < 0)


def _check(right: pa.ChunkedArray, path: Path, first_line: int, lines: pa.Table, name: str, rule: str) -> None:
    if (row := pc.index(right, False).as_py()) >= 0:
        value = lines[name][row].as_py()
        raise DataError(f"{path}:{first_line + row}: {name} = {value}: must be {rule}. {_FETCH_AGAIN}")


def _beside(*tables: pa.Table) -> pa.Table:
    return pa.table({name: table[name] for table in tables for name in table.column_names})

"""KuaiRand (Gao et al., CIKM 2022), the official archive, as Parquet files for training.

Licence of the data: CC BY-SA 4.0, by Kuaishou and USTC; cite the paper. The archives Pure, 1K and 27K share one layout
and differ in a suffix of their file names, which plays no role here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from peprank.datasets.features import ACTIONS, LOG_TYPES, USER_TYPES, VIDEO_TYPES, joined_rows, trainable_rows
from peprank.datasets.splits import ConvertReport, Portions, Tell, say_nothing, write_portions, write_splits
from peprank.errors import DataError

LOG_FILES = "log_standard_*.csv"  # the random-exposure log is another experiment and left out
USER_FILES = "user_features_*.csv"
VIDEO_FILES = "video_features_basic_*.csv"
LABELS = tuple(ACTIONS.values())
_UNPACK_AGAIN = "The file is damaged or cut off: unpack the archive again"
_MISSING = ("", "-124", "UNKNOWN")  # how the archive writes "not known"


@dataclass(frozen=True, slots=True)
class DayRange:
    """Days from `first` to `last`, both included, written as yyyymmdd."""

    first: int
    last: int

    def __post_init__(self) -> None:
        if self.first > self.last:
            raise DataError(f"days {self}: the first lies after the last; write FROM:TO")

    @classmethod
    def parse(cls, text: str) -> DayRange:
        """Read `20220425:20220504`, or `20220505` for one day.

        Raises:
            DataError: when it is neither.
        """
        first, _, last = text.partition(":")
        try:
            days = [datetime.strptime(day, "%Y%m%d") for day in (first, last or first)]
        except ValueError as error:
            raise DataError(f"days '{text}': not of the form 20220425:20220504") from error
        return cls(*(int(f"{day:%Y%m%d}") for day in days))

    def __str__(self) -> str:
        return f"{self.first}:{self.last}"

    def contains(self, dates: pa.ChunkedArray) -> pa.ChunkedArray:
        """Which of the dates (yyyymmdd) lie in the range. Shapes: int [N] -> bool [N]."""
        return pc.and_(pc.greater_equal(dates, self.first), pc.less_equal(dates, self.last))


def convert(
    source: Path,
    out: Path,
    *,
    train: DayRange,
    val: DayRange,
    test: DayRange | None = None,
    tabs: Sequence[int] = (),
    on_progress: Tell = say_nothing,
) -> ConvertReport:
    """Write `train.parquet`, `val.parquet` and, if asked for, `test.parquet` under `out`, rows in time order.

    All log files that are found count: statistics reach back into the days before the training days.

    Args:
        source: folder of the unpacked archive, or its `data` folder.
        out: folder to write into; made if missing. Each file appears whole or not at all.
        train, val, test: days of each split, apart from each other and in this order.
        tabs: keep the rows of these tabs only, which changes no statistic; empty for all.
        on_progress: is told each step in a few words.

    Raises:
        DataError: a file or column is missing, splits overlap, or a split holds days that the log does not have.
    """
    splits = {"train": train, "val": val} | ({"test": test} if test else {})
    _check_order(splits)
    log, users, videos = read_archive(source, on_progress)
    _check_days(splits, log["date"])
    log = log.take(pc.sort_indices(log["time_ms"]))  # a stable sort: ties keep the file's order
    on_progress("computing statistics of earlier days")
    rows = _of_tabs(trainable_rows(log, users, videos), tabs)
    chosen = {name: days.contains(rows["date"]) for name, days in splits.items()}
    report = write_splits(rows, chosen, out, LABELS, on_progress)
    return replace(report, history_days=_days_before(log["date"], train))


def convert_portions(
    source: Path, out: Path, portions: Portions, *, tabs: Sequence[int] = (), on_progress: Tell = say_nothing
) -> ConvertReport:
    """Write `train.parquet`, `val.parquet` and `test.parquet` under `out`, rows in file order, without statistics.

    A split that does not follow the days would let statistics carry the labels of judged rows into training rows.

    Args:
        source: folder of the unpacked archive, or its `data` folder; its log files count in the order of their names.
        out: folder to write into; made if missing. Each file appears whole or not at all.
        portions: the share of each split, of the rows of `tabs`.
        tabs: keep the rows of these tabs only; empty for all.
        on_progress: is told each step in a few words.

    Raises:
        DataError: a file or column is missing, a tab has no row, or a split would have none.
    """
    log, users, videos = read_archive(source, on_progress)
    on_progress("joining users and videos")
    rows = joined_rows(_of_tabs(log, tabs), users, videos)
    return write_portions(rows, portions, out, LABELS, on_progress)


def read_archive(source: Path, tell: Tell) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Read (log, users, videos) with the columns of LOG_TYPES, USER_TYPES and VIDEO_TYPES, rows in file order.

    Raises:
        DataError: a file or a column is missing, or a value does not fit its column.
    """
    folder = source / "data" if (source / "data").is_dir() else source
    log = _read(folder, LOG_FILES, LOG_TYPES, tell, always_there=LOG_TYPES.keys() - {"duration_ms"})
    users = _read(folder, USER_FILES, USER_TYPES, tell, always_there={"user_id"})
    videos = _read(folder, VIDEO_FILES, VIDEO_TYPES, tell, always_there={"video_id"})
    if log.num_rows == 0:
        raise DataError(f"{folder}: the log has no row. {_UNPACK_AGAIN}")
    return log, users, videos


def _of_tabs(rows: pa.Table, tabs: Sequence[int]) -> pa.Table:
    if not tabs:
        return rows
    there = pc.unique(rows["tab"]).to_pylist()
    if missing := [tab for tab in tabs if tab not in there]:
        raise DataError(f"tabs {missing}: the log has no row of them; it has the tabs {sorted(there)}")
    return rows.filter(pc.is_in(rows["tab"], value_set=pa.array(tabs, rows["tab"].type)))


def _read(
    folder: Path, pattern: str, types: Mapping[str, pa.DataType], tell: Tell, *, always_there: Set[str]
) -> pa.Table:
    paths = sorted(folder.glob(pattern))
    if not paths:
        found = sorted(path.name for path in folder.glob("*.csv"))
        raise DataError(f"{folder}: no file {pattern}; found {found}. Give the folder of the unpacked KuaiRand archive")
    tables = []
    for path in paths:
        tell(f"reading {path}")
        tables.append(_read_csv(path, types))
        _check_values(path, tables[-1], always_there)
    return pa.concat_tables(tables)


def _read_csv(path: Path, types: Mapping[str, pa.DataType]) -> pa.Table:
    options = csv.ConvertOptions(
        column_types=dict(types), include_columns=list(types), null_values=_MISSING, strings_can_be_null=True
    )
    try:
        return csv.read_csv(path, convert_options=options)
    except KeyError as error:  # pyarrow names the column in a sentence of its own
        with csv.open_csv(path) as opened:
            found = opened.schema.names
        missing = [name for name in types if name not in found]
        raise DataError(f"{path}: columns {missing} are missing; found {found}") from error
    except pa.ArrowInvalid as error:
        raise DataError(f"{path}: {_first_mistake(path, options) or error}. {_UNPACK_AGAIN}") from error


def _first_mistake(path: Path, options: csv.ConvertOptions) -> str | None:
    """What is wrong with the file, with its row: only a reader on one thread counts rows."""
    try:
        csv.read_csv(path, read_options=csv.ReadOptions(use_threads=False), convert_options=options)
    except pa.ArrowInvalid as error:
        return str(error)
    return None


def _check_values(path: Path, table: pa.Table, always_there: Set[str]) -> None:
    """Find the first empty value of the columns that never have one, and labels that are neither 0 nor 1."""
    for name in sorted(always_there):
        column = table[name]
        right = pc.is_valid(column)
        if name in LABELS:
            right = pc.is_in(column, value_set=pa.array([0, 1], column.type))
        if (row := pc.index(right, False).as_py()) >= 0:
            rule = "must be 0 or 1" if name in LABELS else "must have a value"
            raise DataError(f"{path}: Row #{row + 2}: {name} = {column[row].as_py()}: {rule}. {_UNPACK_AGAIN}")


def _check_order(splits: Mapping[str, DayRange]) -> None:
    for one, other in pairwise(splits):
        if splits[one].last >= splits[other].first:
            raise DataError(f"{other} days {splits[other]}: must begin after the {one} days {splits[one]}")


def _check_days(splits: Mapping[str, DayRange], dates: pa.ChunkedArray) -> None:
    days_there = sorted(pc.unique(dates).to_pylist())
    for name, days in splits.items():
        if not any(days.first <= day <= days.last for day in days_there):
            raise DataError(f"{name} days {days}: the log has no row; it holds the days {days_there}")
        if days.first < days_there[0] or days.last > days_there[-1]:
            raise DataError(f"{name} days {days}: the log holds the days {days_there[0]}:{days_there[-1]} only")


def _days_before(dates: pa.ChunkedArray, train: DayRange) -> int:
    return sum(day < train.first for day in pc.unique(dates).to_pylist())

"""KuaiRand (Gao et al., CIKM 2022), the official archive, as Parquet files for training.

Licence of the data: CC BY-SA 4.0, by Kuaishou and USTC; cite the paper. The archives Pure, 1K and 27K share one layout
and differ in a suffix of their file names, which plays no role here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from peprank.datasets.features import ACTIONS, LOG_TYPES, USER_TYPES, VIDEO_TYPES, trainable_rows
from peprank.datasets.files import write_rows
from peprank.errors import DataError

LOG_FILES = "log_standard_*.csv"  # the random-exposure log is another experiment and left out
USER_FILES = "user_features_*.csv"
VIDEO_FILES = "video_features_basic_*.csv"
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


@dataclass(frozen=True, slots=True)
class ConvertReport:
    """What `convert` wrote."""

    rows: dict[str, int]  # split -> rows
    positives: dict[str, dict[str, int]]  # split -> label column -> rows where it is 1
    paths: tuple[Path, ...]
    history_days: int  # days of the log before the first training day; statistics reach back into them


def convert(
    source: Path,
    out: Path,
    *,
    train: DayRange,
    val: DayRange,
    test: DayRange | None = None,
    on_progress: Callable[[str], None] | None = None,
) -> ConvertReport:
    """Write `train.parquet`, `val.parquet` and, if asked for, `test.parquet` under `out`, rows in time order.

    All log files that are found count: statistics reach back into the days before the training days.

    Args:
        source: folder of the unpacked archive, or its `data` folder.
        out: folder to write into; made if missing. Each file appears whole or not at all.
        train, val, test: days of each split, apart from each other and in this order.
        on_progress: is told each step in a few words.

    Raises:
        DataError: a file or column is missing, splits overlap, or a split holds days that the log does not have.
    """
    tell = on_progress or _say_nothing
    splits = {"train": train, "val": val} | ({"test": test} if test else {})
    _check_order(splits)
    log, users, videos = read_archive(source, tell)
    _check_days(splits, log["date"])
    tell("computing statistics of earlier days")
    rows = trainable_rows(log, users, videos)
    report = ConvertReport({}, {}, tuple(out / f"{name}.parquet" for name in splits), _days_before(log["date"], train))
    for (name, days), path in zip(splits.items(), report.paths, strict=True):
        tell(f"writing {path}")
        part = rows.filter(days.contains(rows["date"]))
        write_rows(part, path)
        report.rows[name] = part.num_rows
        report.positives[name] = {label: pc.sum(part[label]).as_py() for label in ACTIONS.values()}
    return report


def read_archive(source: Path, tell: Callable[[str], None]) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Read (log, users, videos) with the columns of LOG_TYPES, USER_TYPES and VIDEO_TYPES; the log in time order.

    Raises:
        DataError: a file or a column is missing, or a value does not fit its column.
    """
    folder = source / "data" if (source / "data").is_dir() else source
    log = _read(folder, LOG_FILES, LOG_TYPES, tell)
    users = _read(folder, USER_FILES, USER_TYPES, tell)
    videos = _read(folder, VIDEO_FILES, VIDEO_TYPES, tell)
    return log.take(pc.sort_indices(log["time_ms"])), users, videos  # a stable sort: ties keep the file's order


def _say_nothing(step: str) -> None:
    del step


def _read(folder: Path, pattern: str, types: Mapping[str, pa.DataType], tell: Callable[[str], None]) -> pa.Table:
    paths = sorted(folder.glob(pattern))
    if not paths:
        found = sorted(path.name for path in folder.glob("*.csv"))
        raise DataError(f"{folder}: no file {pattern}; found {found}. Give the folder of the unpacked KuaiRand archive")
    return pa.concat_tables([_read_csv(path, types, tell) for path in paths])


def _read_csv(path: Path, types: Mapping[str, pa.DataType], tell: Callable[[str], None]) -> pa.Table:
    tell(f"reading {path}")
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
        raise DataError(f"{path}: {error}") from error


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

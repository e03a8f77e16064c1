from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peprank.datasets import ConvertReport, DayRange, Portions, convert, convert_portions
from peprank.datasets.features import ACTIONS, STATISTICS
from peprank.errors import DataError
from tests.datasets.archive import LOG_HEADER, USERS, VIDEOS, Impression, write_archive
from tests.shared import SHARED, needs_shared

AGAIN = "The file is damaged or cut off: unpack the archive again"
FIRST, SECOND, THIRD = 20220429, 20220430, 20220501  # the month ends in between
TRAIN, VAL = DayRange(FIRST, SECOND), DayRange(THIRD, THIRD)
LOG = (
    Impression(0, 0, FIRST, click=1, tab=1, time_ms=10),
    Impression(0, 1, SECOND, click=0, tab=1, time_ms=30),
    Impression(1, 0, SECOND, click=1, tab=2, time_ms=20),
    Impression(0, 0, THIRD, click=1, tab=1, time_ms=40),
)


def test_rows_are_split_by_day_and_stand_in_time_order(tmp_path: Path) -> None:
    report = convert(write_archive(tmp_path / "in", LOG[::-1], logs=2), tmp_path / "out", train=TRAIN, val=VAL)
    assert report == ConvertReport(
        rows={"train": 3, "val": 1},
        positives={
            "train": {label: 2 if label == "is_click" else 0 for label in ACTIONS.values()},
            "val": {label: 1 if label == "is_click" else 0 for label in ACTIONS.values()},
        },
        paths=(tmp_path / "out" / "train.parquet", tmp_path / "out" / "val.parquet"),
        history_days=0,
    )
    assert [row["time_ms"] for row in _rows(tmp_path / "out" / "train.parquet")] == [10, 20, 30]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["train.parquet", "val.parquet"]


def test_profiles_are_joined_and_what_is_not_known_is_null(tmp_path: Path) -> None:
    convert(write_archive(tmp_path / "in", LOG), tmp_path, train=TRAIN, val=VAL)
    first, second, third = _rows(tmp_path / "train.parquet")
    assert first["user_active_degree"] == "full_active"
    assert first["fans_user_num_range"] == "[100,1k)"
    assert first["onehot_feat3"] == 949
    assert second["user_active_degree"] is second["is_live_streamer"] is second["onehot_feat4"] is None
    assert (first["author_id"], first["tag"], first["video_size"]) == (7349781, [39, 68], "720x1280")
    assert third["tag"] is third["upload_type"] is third["music_id"] is None
    assert (first["hour"], first["weekday"]) == (20, 4)  # 2022-04-29 was a Friday
    assert first["duration"] == 9  # 16 s: 1 + 2 log2 16
    assert (first["video_age"], third["video_age"]) == (5, 9)  # 5 days: 1 + floor(4.6); 21 days: 1 + floor(8.8)


def test_a_user_or_video_without_features_keeps_its_row_with_nulls(tmp_path: Path) -> None:
    source = write_archive(tmp_path / "in", LOG, users=USERS[:1], videos=VIDEOS[:1])
    convert(source, tmp_path, train=TRAIN, val=VAL)
    _, second, third = _rows(tmp_path / "train.parquet")
    assert (second["user_id"], second["onehot_feat0"]) == (1, None)
    assert (third["video_id"], third["author_id"], third["video_age"]) == (1, None, None)


def test_statistics_count_the_days_strictly_before(tmp_path: Path) -> None:
    convert(write_archive(tmp_path / "in", LOG), tmp_path, train=TRAIN, val=VAL)
    first, second, third = _rows(tmp_path / "train.parquet")
    (last,) = _rows(tmp_path / "val.parquet")
    assert {first[f"{name}_exposures"] for name in STATISTICS} == {0}  # the log begins that day
    assert {first[f"{name}_{action}"] for name in STATISTICS for action in ACTIONS} == {0}
    assert (second["video_exposures"], second["user_exposures"], second["video_tab_exposures"]) == (1, 0, 0)
    assert (third["user_exposures"], third["user_days_since"], third["video_exposures"]) == (1, 1, 0)
    assert (last["user_exposures"], last["user_days_since"]) == (3, 1)  # two rows; the last one a day ago
    assert (last["video_tab_exposures"], last["video_tab_days_since"]) == (1, 3)  # one row; two days ago
    # Everywhere 2 of 3 rows were clicked: prior (2 + 0.5) / (3 + 1) = 0.625. The user clicked 1 of 2:
    # (1 + 20 * 0.625) / 22 = 0.6136, a lift of -0.048 in log-odds: no whole step of 0.1 away from 33.
    # The video was clicked twice: (2 + 12.5) / 22 = 0.6591, a lift of 0.148: one step.
    assert (last["user_click"], last["video_click"]) == (33, 34)


def test_statistics_reach_back_into_days_before_the_training_days(tmp_path: Path) -> None:
    report = convert(write_archive(tmp_path / "in", LOG), tmp_path, train=DayRange(SECOND, SECOND), val=VAL)
    assert (report.rows["train"], report.history_days) == (2, 1)
    assert [row["user_exposures"] for row in _rows(tmp_path / "train.parquet")] == [0, 1]


def test_a_third_split_is_written_when_asked_for(tmp_path: Path) -> None:
    days = [DayRange(day, day) for day in (FIRST, SECOND, THIRD)]
    report = convert(write_archive(tmp_path / "in", LOG), tmp_path, train=days[0], val=days[1], test=days[2])
    assert report.rows == {"train": 1, "val": 2, "test": 1}
    assert len(_rows(tmp_path / "test.parquet")) == 1


def test_the_larger_archives_read_the_same_way(tmp_path: Path) -> None:
    pure = convert(write_archive(tmp_path / "a", LOG), tmp_path / "pure", train=TRAIN, val=VAL)
    parts = write_archive(tmp_path / "b", LOG, logs=3, suffix="27k") / "data"
    large = convert(parts, tmp_path / "large", train=TRAIN, val=VAL)
    for one, other in zip(pure.paths, large.paths, strict=True):
        assert pq.read_table(one).equals(pq.read_table(other))


IMPRESSIONS = st.lists(
    st.builds(
        Impression,
        user=st.integers(0, 1),
        video=st.integers(0, 1),
        date=st.sampled_from([FIRST, SECOND, THIRD]),
        click=st.integers(0, 1),
        tab=st.integers(0, 2),
        time_ms=st.integers(0, 99),
    ),
    max_size=12,
)


@settings(max_examples=15, deadline=None)
@given(drawn=IMPRESSIONS)
def test_outcomes_of_a_day_change_no_input_of_that_day(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[Impression]
) -> None:
    log = [*LOG, *drawn]
    other = [row._replace(click=1 - row.click) if row.date == THIRD else row for row in log]
    rows = []
    for impressions in (log, other):
        root = tmp_path_factory.mktemp("archive")
        convert(write_archive(root, impressions), root, train=TRAIN, val=VAL)
        rows.append(pq.read_table(root / "val.parquet").drop_columns(["is_click"]))
    assert rows[0].equals(rows[1])


def test_nothing_that_happens_after_the_impression_is_written(tmp_path: Path) -> None:
    convert(write_archive(tmp_path / "in", LOG), tmp_path, train=TRAIN, val=VAL)
    names = set(pq.read_schema(tmp_path / "train.parquet").names)
    assert not names & {"play_time_ms", "profile_stay_time", "comment_stay_time", "is_profile_enter"}


def test_an_older_file_survives_a_conversion_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_archive(tmp_path / "in", LOG)
    convert(source, tmp_path / "out", train=TRAIN, val=VAL)
    before = (tmp_path / "out" / "val.parquet").read_bytes()

    def break_off(_rows: object, path: Path, **_options: object) -> None:
        path.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(pq, "write_table", break_off)
    with pytest.raises(OSError, match="No space left"):
        convert(source, tmp_path / "out", train=DayRange(FIRST, FIRST), val=VAL)
    assert (tmp_path / "out" / "val.parquet").read_bytes() == before
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["train.parquet", "val.parquet"]


MANY = [Impression(k % 2, k // 2 % 2, FIRST, click=k % 2, tab=k % 3, time_ms=99 - k) for k in range(30)]


def test_portions_follow_the_file_and_not_the_time(tmp_path: Path) -> None:
    source = write_archive(tmp_path / "in", MANY)
    report = convert_portions(source, tmp_path, Portions.parse("8:1:1"))
    assert report.rows == {"train": 24, "val": 3, "test": 3}
    assert report.positives["train"]["is_click"] == 12
    times = [row["time_ms"] for path in report.paths for row in _rows(path)]
    assert times == [99 - k for k in range(30)]


def test_portions_of_several_log_files_follow_their_names(tmp_path: Path) -> None:
    report = convert_portions(write_archive(tmp_path / "in", MANY, logs=2), tmp_path, Portions.parse("8:1:1"))
    times = [row["time_ms"] for path in report.paths for row in _rows(path)]
    assert times == [99 - k for k in (*range(0, 30, 2), *range(1, 30, 2))]


def test_portions_at_random_hold_every_row_once(tmp_path: Path) -> None:
    source = write_archive(tmp_path / "in", MANY)
    report = convert_portions(source, tmp_path, Portions.parse("8:1:1", order="random", seed=3))
    times = [[row["time_ms"] for row in _rows(path)] for path in report.paths]
    assert [len(part) for part in times] == [24, 3, 3]
    assert sorted(time for part in times for time in part) == [99 - k for k in reversed(range(30))]
    assert all(part == sorted(part, reverse=True) for part in times)  # in file order within each


def test_portions_have_every_column_but_the_statistics(tmp_path: Path) -> None:
    source = write_archive(tmp_path / "in", MANY)
    convert_portions(source, tmp_path / "portions", Portions.parse("8:1:1"))
    convert(write_archive(tmp_path / "days", LOG), tmp_path / "days", train=TRAIN, val=VAL)
    columns, with_statistics = (
        set(pq.read_schema(tmp_path / folder / "train.parquet").names) for folder in ("portions", "days")
    )
    suffixes = ("exposures", "days_since", *ACTIONS)
    assert with_statistics - columns == {f"{key}_{suffix}" for key in STATISTICS for suffix in suffixes}
    assert columns < with_statistics


def test_tabs_are_chosen_before_portions_are_cut(tmp_path: Path) -> None:
    source = write_archive(tmp_path / "in", MANY)
    report = convert_portions(source, tmp_path, Portions.parse("8:1:1"), tabs=(2, 0))
    assert report.rows == {"train": 16, "val": 2, "test": 2}
    assert {row["tab"] for path in report.paths for row in _rows(path)} == {0, 2}


def test_tabs_of_a_split_by_days_keep_the_statistics_of_all_tabs(tmp_path: Path) -> None:
    source = write_archive(tmp_path / "in", LOG)
    convert(source, tmp_path, train=TRAIN, val=VAL, tabs=(1,))
    assert [row["time_ms"] for row in _rows(tmp_path / "train.parquet")] == [10, 30]
    (last,) = _rows(tmp_path / "val.parquet")
    assert (last["video_exposures"], last["video_tab_exposures"]) == (3, 1)  # two rows in all tabs, one in tab 1


def test_a_tab_that_the_log_has_not_is_named_with_those_that_it_has(tmp_path: Path) -> None:
    source = write_archive(tmp_path / "in", MANY)
    _fails_with(
        "tabs [7]: the log has no row of them; it has the tabs [0, 1, 2]",
        lambda: convert_portions(source, tmp_path, Portions.parse("8:1:1"), tabs=(1, 7)),
    )


def test_days_outside_the_log_are_named_with_those_that_it_holds(tmp_path: Path) -> None:
    source = write_archive(tmp_path / "in", LOG)
    _fails_with(
        "val days 20220501:20220502: the log holds the days 20220429:20220501 only",
        lambda: convert(source, tmp_path, train=TRAIN, val=DayRange(THIRD, 20220502)),
    )


def test_a_split_without_rows_is_refused(tmp_path: Path) -> None:
    source = write_archive(tmp_path / "in", [row for row in LOG if row.date != SECOND])
    _fails_with(
        "train days 20220430:20220430: the log has no row; it holds the days [20220429, 20220501]",
        lambda: convert(source, tmp_path, train=DayRange(SECOND, SECOND), val=VAL),
    )


def test_splits_that_overlap_are_refused(tmp_path: Path) -> None:
    source = write_archive(tmp_path / "in", LOG)
    _fails_with(
        "val days 20220430:20220501: must begin after the train days 20220429:20220430",
        lambda: convert(source, tmp_path, train=TRAIN, val=DayRange(SECOND, THIRD)),
    )


def test_a_missing_file_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    source = write_archive(tmp_path / "in", LOG)
    (source / "data" / "user_features_pure.csv").unlink()
    _fails_with(
        f"{source}/data: no file user_features_*.csv; found ['log_standard_0_pure.csv', "
        "'video_features_basic_pure.csv']. Give the folder of the unpacked KuaiRand archive",
        lambda: convert(source, tmp_path, train=TRAIN, val=VAL),
    )


def test_a_missing_column_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    source = write_archive(tmp_path / "in", LOG)
    path = source / "data" / "log_standard_0_pure.csv"
    path.write_text(path.read_text("utf-8").replace(",tab", ",page"), "utf-8")
    found = LOG_HEADER.replace(",tab", ",page").split(",")
    _fails_with(
        f"{path}: columns ['tab'] are missing; found {found}",
        lambda: convert(source, tmp_path, train=TRAIN, val=VAL),
    )


def test_a_value_of_the_wrong_type_is_named_with_its_file(tmp_path: Path) -> None:
    source = write_archive(tmp_path / "in", [*LOG])
    path = source / "data" / "log_standard_0_pure.csv"
    path.write_text(path.read_text("utf-8").replace("20220430", "yesterday", 1), "utf-8")
    _fails_with(
        f"{path}: In CSV column #2: Row #3: CSV conversion error to int32: invalid value 'yesterday'. {AGAIN}",
        lambda: convert(source, tmp_path, train=TRAIN, val=VAL),
    )


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda text: text[:-30],
            "CSV parse error: Row #5: Expected 19 columns, got 8: 0,0,20220501,2000,40,1,0,",
        ),
        (lambda _text: "", "Empty CSV file"),
        (lambda text: text.replace(",40,1,", ",40,,"), "Row #5: is_click = None: must be 0 or 1"),
        (lambda text: text.replace(",40,1,", ",40,7,"), "Row #5: is_click = 7: must be 0 or 1"),
        (lambda text: text.replace(",20220429,", ",,"), "Row #2: date = None: must have a value"),
    ],
    ids=["cut off", "empty", "no label", "no such label", "no date"],
)
def test_a_damaged_log_is_named_with_its_row_and_value(
    tmp_path: Path, damage: Callable[[str], str], message: str
) -> None:
    source = write_archive(tmp_path / "in", LOG)
    path = source / "data" / "log_standard_0_pure.csv"
    path.write_text(damage(path.read_text("utf-8")), "utf-8")
    _fails_with(f"{path}: {message}. {AGAIN}", lambda: convert(source, tmp_path, train=TRAIN, val=VAL))
    _fails_with(f"{path}: {message}. {AGAIN}", lambda: convert_portions(source, tmp_path, Portions.parse("8:1:1")))


def test_a_log_without_rows_is_refused(tmp_path: Path) -> None:
    source = write_archive(tmp_path / "in", [])
    _fails_with(
        f"{source}/data: the log has no row. {AGAIN}",
        lambda: convert_portions(source, tmp_path, Portions.parse("8:1:1")),
    )


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("2022-04-25", "days '2022-04-25': not of the form 20220425:20220504"),
        ("20220425:20220432", "days '20220425:20220432': not of the form 20220425:20220504"),
        ("20220504:20220425", "days 20220504:20220425: the first lies after the last; write FROM:TO"),
    ],
)
def test_days_that_are_no_range_are_refused(text: str, rule: str) -> None:
    _fails_with(rule, lambda: DayRange.parse(text))


def test_one_day_is_a_range_and_a_range_prints_as_it_is_read() -> None:
    assert DayRange.parse("20220505") == DayRange(20220505, 20220505)
    assert str(DayRange.parse("20220425:20220504")) == "20220425:20220504"


@needs_shared
def test_the_real_slice_has_the_rows_that_its_readme_counts(tmp_path: Path) -> None:
    train, val = DayRange(20220425, 20220504), DayRange(20220505, 20220506)
    steps: list[str] = []
    report = convert(SHARED / "data" / "KuaiRand-Pure", tmp_path, train=train, val=val, on_progress=steps.append)
    assert report.rows == {"train": 171_671, "val": 27_224}
    assert report.positives["train"]["is_hate"] + report.positives["val"]["is_hate"] == 171
    assert len(steps) == 6
    val = pq.read_table(tmp_path / "val.parquet")
    assert np.all(np.diff(np.asarray(val["time_ms"])) >= 0)
    assert val["author_id"].null_count == val["fans_user_num_range"].null_count == 0


def _rows(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


def _fails_with(message: str, call: Any) -> None:
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        call()

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peprank.datasets import aliccp_files, convert_aliccp
from peprank.datasets.aliccp import ID_COLUMNS
from peprank.datasets.aliccp_files import ITEM_FIELDS, USER_FIELDS, VALUED
from peprank.errors import DataError
from tests.datasets.aliccp_archive import Features, Line, many, read_by_loop, write_aliccp

AGAIN = "The file is damaged or cut off: fetch and unpack it again"
FIELDS = {**ITEM_FIELDS, **USER_FIELDS}


def features_of(fields: dict[str, str]) -> st.SearchStrategy[list[tuple[str, int, float]]]:
    one = st.tuples(
        st.sampled_from(list(fields.values())), st.integers(1, 4), st.floats(0, 9, width=32).map(lambda x: round(x, 4))
    )
    return st.lists(one, min_size=1, max_size=12)


LINES = st.lists(
    st.builds(
        Line,
        key=st.sampled_from(["a", "b"]),
        features=features_of(ITEM_FIELDS),
        click=st.integers(0, 1),
        conversion=st.integers(0, 1),
    ),
    min_size=1,
    max_size=12,
)
COMMON = st.fixed_dictionaries({"a": features_of(USER_FIELDS), "b": features_of(USER_FIELDS)})
BOUGHT = Line("a", [("301", 1, 1.0)], click=1, conversion=1)  # keeps a split from being left without rows


@settings(max_examples=25)
@given(lines=LINES, common=COMMON, min_count=st.integers(1, 3), block_bytes=st.sampled_from([400, 1 << 20]))
def test_rows_equal_a_loop_over_the_lines(
    tmp_path_factory: pytest.TempPathFactory,
    lines: list[Line],
    common: dict[str, Features],
    min_count: int,
    block_bytes: int,
) -> None:
    root = tmp_path_factory.mktemp("aliccp")
    lines = [*lines, BOUGHT, BOUGHT]
    source = write_aliccp(root / "in", {"train": (lines, common), "test": (lines, common)})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aliccp_files, "_BLOCK_BYTES", block_bytes)
        report = convert_aliccp(source, root, min_count=min_count)
    raw = read_by_loop(lines, common, FIELDS)
    number = {column: _numbers([row[column][0] for row in raw], min_count) for column in FIELDS}
    train = _rows(root / "train.parquet")
    assert [[row[c] for c in FIELDS] for row in train] == [[number[c][row[c][0]] for c in FIELDS] for row in raw]
    for row, expected in zip(train, raw, strict=True):
        for column in VALUED:
            value = expected[column][1]
            assert row[f"{column}_value"] == (None if value is None else np.float32(value))
    assert report.left_out == 2 * (len(lines) - len(raw))
    assert report.num_ids == {
        column: max((n or 0 for n in number[column].values()), default=0) for column in ID_COLUMNS
    }


def _numbers(ids: list[int | None], min_count: int) -> dict[int | None, int | None]:
    """Raw id -> its number: 1 on for frequent ones in rising order, 0 for others, None for none."""
    frequent = sorted(i for i, n in Counter(ids).items() if i is not None and n >= min_count)
    return {i: None if i is None else frequent.index(i) + 1 if i in frequent else 0 for i in ids}


def test_the_test_file_is_cut_in_halves_by_the_seed(tmp_path: Path) -> None:
    source = write_aliccp(tmp_path / "in", many(21))
    halves = []
    for seed in (1, 1, 2):
        report = convert_aliccp(source, tmp_path, min_count=1, seed=seed).splits
        assert report.rows == {"train": 21, "val": 10, "test": 11}
        assert report.paths == tuple(tmp_path / f"{name}.parquet" for name in ("train", "val", "test"))
        halves.append([pq.read_table(path) for path in report.paths])
        assert report.positives["val"]["click"] == sum(halves[-1][1]["click"].to_pylist())
    assert halves[0] == halves[1]
    assert halves[0][1] != halves[2][1]
    assert sorted(map(str, [*halves[0][1].to_pylist(), *halves[0][2].to_pylist()])) == sorted(
        map(str, halves[0][0].to_pylist())
    )


def test_ids_of_the_test_file_are_numbered_as_in_training(tmp_path: Path) -> None:
    files = many(20)
    new = Line("bacff0", [("301", 9351666, 1.0), ("205", 5, 1.0)])
    source = write_aliccp(tmp_path / "in", files | {"test": ([new] * 2, files["test"][1])})
    convert_aliccp(source, tmp_path, min_count=1)
    (row,) = _rows(tmp_path / "val.parquet")
    assert (row["scenario"], row["item_id"], row["brand"], row["user_category_value"]) == (2, 0, None, None)


def test_files_may_stand_in_the_folders_of_the_two_archives(tmp_path: Path) -> None:
    source = write_aliccp(tmp_path / "in", many(12))
    for split in ("train", "test"):
        (source / f"sample_{split}").mkdir()
        for name in ("sample_skeleton", "common_features"):
            (source / f"{name}_{split}.csv").rename(source / f"sample_{split}" / f"{name}_{split}.csv")
    assert convert_aliccp(source, tmp_path, min_count=1).splits.rows["train"] == 12


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        (
            "sample_skeleton_train.csv",
            lambda text: text[:-9],
            ":12: feature '853\\x02400': not of the form FIELD\\x02ID\\x03VALUE. ",
        ),
        (
            "sample_skeleton_test.csv",
            lambda text: text[:-21],
            ":12: num_features = 10: must be the number of features in the line. ",
        ),
        (
            "sample_skeleton_train.csv",
            lambda text: text.replace("2,1,0,", "2,", 1),
            ": CSV parse error: Row #2: Expected 6 columns, got 4: ",
        ),
        (
            "sample_skeleton_train.csv",
            lambda text: text.replace("3,0,0,", "3,zero,0,", 1),
            ": In CSV column #1: Row #3: CSV conversion error to int8: invalid value 'zero'. ",
        ),
        ("sample_skeleton_train.csv", lambda text: text.replace("3,0,0,", "3,4,0,"), ":3: click = 4: must be 0 or 1. "),
        ("sample_skeleton_train.csv", lambda text: "\n" + text, ":1: click = None: must be 0 or 1. "),
        ("sample_skeleton_train.csv", lambda _text: "", ": Empty CSV file. "),
        ("common_features_test.csv", lambda _text: "", ": Empty CSV file. "),
        ("common_features_train.csv", lambda text: text.replace("\x03", ""), ":1: feature '101\\x023000.5': not of "),
        (
            "common_features_train.csv",
            lambda text: text.replace("bacff1", "bacff9"),
            "sample_skeleton_train.csv:2: key bacff1: ",
        ),
    ],
)
def test_a_damaged_file_is_named_with_its_line_and_nothing_is_left(
    tmp_path: Path, name: str, damage: Callable[[str], str], message: str
) -> None:
    source = write_aliccp(tmp_path / "in", many(12))
    path = source / name
    path.write_text(damage(path.read_text()))
    where = message if message.startswith("sample") else name + message
    with pytest.raises(DataError, match=f"^{re.escape(f'{source}/{where}')}.*{re.escape(AGAIN)}$"):
        convert_aliccp(source, tmp_path / "out", min_count=1)
    assert not list((tmp_path / "out").iterdir())


def test_the_line_of_a_damage_is_counted_over_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aliccp_files, "_BLOCK_BYTES", 1000)
    source = write_aliccp(tmp_path / "in", many(60))
    path = source / "sample_skeleton_train.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:49], lines[49].replace("\x03", "="), *lines[50:]]))
    with pytest.raises(DataError, match=f"^{re.escape(f'{path}:50: feature ')}"):
        convert_aliccp(source, tmp_path, min_count=1)
    path.write_text("".join([*lines[:49], "50,0\n", *lines[50:]]))
    with pytest.raises(DataError, match=f"^{re.escape(f'{path}: CSV parse error: Row #50: Expected 6 columns')}"):
        convert_aliccp(source, tmp_path, min_count=1)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    source = write_aliccp(tmp_path / "in", many(12))
    (source / "common_features_train.csv").unlink()
    message = (
        f"{source}/common_features_train.csv: no such file, nor {source}/sample_train/common_features_train.csv. "
        "Give the folder of the four unpacked Ali-CCP files"
    )
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        convert_aliccp(source, tmp_path)


def test_a_min_count_below_1_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^min_count 0: must be 1 or more$"):
        convert_aliccp(tmp_path, tmp_path, min_count=0)


def test_progress_says_how_far_a_file_is(tmp_path: Path) -> None:
    steps: list[str] = []
    source = write_aliccp(tmp_path / "in", many(12))
    convert_aliccp(source, tmp_path, min_count=1, on_progress=steps.append)
    assert f"reading {source}/sample_skeleton_train.csv: 12 lines, 100 %" in steps
    assert f"writing {tmp_path}/train.parquet" in steps


def _rows(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows

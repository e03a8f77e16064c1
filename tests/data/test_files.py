"""From names to files: folders, globs, lists and URIs, and what is said when nothing is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from peprank.data.files import find_files
from peprank.errors import DataError

SUFFIXES = (".parquet", ".pq")
FILES = ("day1.parquet", "day2.parquet", "part/ds=1/a.pq", "part/ds=2/b.parquet", "x[1].parquet", "notes.txt", "a,b.pq")
HIDDEN = ("_SUCCESS", ".day3.parquet", "part/_temporary/c.parquet")


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with files, as the working directory."""
    for name in (*FILES, *HIDDEN):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("inputs", "found"),
    [
        (["day1.parquet"], ["day1.parquet"]),
        (["day2.parquet", "day1.parquet"], ["day2.parquet", "day1.parquet"]),
        (["day2.parquet, day1.parquet"], ["day2.parquet", "day1.parquet"]),
        (["day*.parquet"], ["day1.parquet", "day2.parquet"]),
        (["day?.parquet"], ["day1.parquet", "day2.parquet"]),
        (["day[2-9].parquet"], ["day2.parquet"]),
        (["x[1].parquet"], ["x[1].parquet"]),
        (["a,b.pq"], ["a,b.pq"]),
        (["notes.txt"], ["notes.txt"]),
        (["part"], ["part/ds=1/a.pq", "part/ds=2/b.parquet"]),
        (["part/"], ["part/ds=1/a.pq", "part/ds=2/b.parquet"]),
        (["part/ds=*"], ["part/ds=1/a.pq", "part/ds=2/b.parquet"]),
        (["part/*/*.pq"], ["part/ds=1/a.pq"]),
        (["**/*.pq"], ["a,b.pq", "part/ds=1/a.pq"]),
    ],
)
def test_names_become_files_in_a_fixed_order(tree: Path, inputs: list[str], found: list[str]) -> None:
    assert [file.name for file in find_files(inputs, SUFFIXES)] == found
    absolute = [", ".join(str(tree / part.strip()) for part in item.split(", ")) for item in inputs]
    assert [file.name for file in find_files(absolute, SUFFIXES)] == [str(tree / name) for name in found]


def test_a_uri_is_a_place_like_any_other(tree: Path) -> None:
    (uri,) = find_files([f"file://{tree}/part/ds=*/a.pq"], SUFFIXES)
    assert uri.name == f"file://{tree}/part/ds=1/a.pq"
    assert uri.path == str(tree / "part/ds=1/a.pq")
    with uri.open() as stream:
        assert stream.size() == 0


@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        ([], "no input is named; give at least one file, folder or glob"),
        ([" , "], "no input is named; give at least one file, folder or glob"),
        (
            ["day3.parquet"],
            "day3.parquet: no such file or folder; did you mean 'day2.parquet' or 'day1.parquet' or 'x[1].parquet'?",
        ),
        (["part/nothing"], "part/nothing: no such file or folder; found ['ds=1', 'ds=2']"),
        (["nowhere/day1.parquet"], "nowhere/day1.parquet: no such file or folder; neither is there a folder 'nowhere'"),
        (
            ["*.csv"],
            "*.csv: no file matches; found ['a,b.pq', 'day1.parquet', 'day2.parquet', 'empty', 'notes.txt'] and 2 more",
        ),
        (["empty"], "empty: no .parquet or .pq file in this folder; found []"),
        (["day1.parquet", "*.parquet"], "day1.parquet: is named twice; its rows would count double, so name it once"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(tree: Path, inputs: list[str], text: str) -> None:
    assert tree.is_dir()
    with pytest.raises(DataError) as caught:
        find_files(inputs, SUFFIXES)
    assert str(caught.value) == text


def test_a_place_that_arrow_does_not_know_is_refused() -> None:
    with pytest.raises(DataError) as caught:
        find_files(["odps://project/tables/rows"], SUFFIXES)
    assert str(caught.value) == (
        "odps://project/tables/rows: no such kind of place; copy the rows to files first "
        "(Unrecognized filesystem type in URI: odps://project/tables/rows)"
    )


def test_rows_behind_a_link_do_not_count_twice(tree: Path) -> None:
    (tree / "part" / "again").symlink_to(tree / "part")  # a folder within itself
    with pytest.raises(DataError) as caught:
        find_files(["part"], SUFFIXES)
    assert str(caught.value).startswith("part/again/")
    assert ": is named twice (as part/again/" in str(caught.value)
    (tree / "latest.parquet").symlink_to(tree / "day2.parquet")
    assert [file.name for file in find_files(["latest.parquet"], SUFFIXES)] == ["latest.parquet"]
    with pytest.raises(DataError) as caught:
        find_files(["day2.parquet", "latest.parquet"], SUFFIXES)
    assert str(caught.value) == (
        "latest.parquet: is named twice (as day2.parquet too); its rows would count double, so name it once"
    )

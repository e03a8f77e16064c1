from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peprank.datasets import Portions, convert_movielens
from peprank.errors import DataError
from tests.datasets.movielens_files import MOVIES, USERS, many_ratings, write_movielens

EIGHT_ONE_ONE = Portions.parse("8:1:1")
AGAIN = "Unpack the archive again"


def test_a_rating_is_joined_to_its_user_and_movie(tmp_path: Path) -> None:
    source = write_movielens(tmp_path / "ml-1m", ["3::3952::4::978302109", *many_ratings(9)])
    convert_movielens(source, tmp_path, EIGHT_ONE_ONE)
    assert _rows(tmp_path / "train.parquet")[0] == {
        **{"user_id": 3, "movie_id": 3952, "time_s": 978302109, "over_3": 1, "over_4": 0},
        **{"gender": "M", "age": 56, "age_group": 2, "occupation": 15, "zip": "55117-1234"},
        **{"genres": ["Drama"], "first_genre": "Drama"},
    }


@pytest.mark.parametrize(("rating", "labels"), [(1, (0, 0)), (3, (0, 0)), (4, (1, 0)), (5, (1, 1))])
def test_labels_are_whether_a_rating_is_above_3_and_above_4(
    tmp_path: Path, rating: int, labels: tuple[int, int]
) -> None:
    source = write_movielens(tmp_path / "ml-1m", [f"1::1::{rating}::0"] * 10)
    convert_movielens(source, tmp_path, EIGHT_ONE_ONE)
    (row,) = _rows(tmp_path / "val.parquet")
    assert (row["over_3"], row["over_4"]) == labels
    assert "rating" not in row


def test_the_domain_is_the_group_of_the_users_age(tmp_path: Path) -> None:
    ages = (1, 18, 25, 35, 45, 50, 56)
    users = [f"{age}::F::{age}::0::0" for age in ages]
    source = write_movielens(tmp_path / "ml-1m", [f"{age}::1::3::0" for age in ages], users=users)
    report = convert_movielens(source, tmp_path, Portions.parse("5:1:1"))
    groups = [row["age_group"] for path in report.paths for row in _rows(path)]
    assert groups == [0, 0, 1, 2, 2, 2, 2]


@settings(max_examples=15)
@given(num=st.integers(10, 60), order=st.sampled_from(["file", "random"]), seed=st.integers(0, 3))
def test_every_rating_stands_in_one_split_in_file_order(
    tmp_path_factory: pytest.TempPathFactory, num: int, order: Any, seed: int
) -> None:
    root = tmp_path_factory.mktemp("ml")
    portions = Portions.parse("8:1:1", order=order, seed=seed)
    report = convert_movielens(write_movielens(root / "ml-1m", many_ratings(num)), root, portions)
    times = [[row["time_s"] - 978300000 for row in _rows(path)] for path in report.paths]
    assert sorted(time for part in times for time in part) == list(range(num))
    assert all(part == sorted(part) for part in times)
    assert list(report.rows.values()) == [len(part) for part in times]
    if order == "file":
        assert [time for part in times for time in part] == list(range(num))


def test_progress_names_each_file(tmp_path: Path) -> None:
    steps: list[str] = []
    source = write_movielens(tmp_path / "ml-1m", many_ratings(10))
    convert_movielens(source, tmp_path, EIGHT_ONE_ONE, on_progress=steps.append)
    assert steps == [
        *(f"reading {source / name}" for name in ("users.dat", "movies.dat", "ratings.dat")),
        "joining users and movies",
        *(f"writing {tmp_path / name}.parquet" for name in ("train", "val", "test")),
    ]


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [
        ("ratings.dat", "1::2", "'1::2': 2 fields, not UserID::MovieID::Rating::Timestamp"),
        ("ratings.dat", "1,2,3,4", "'1,2,3,4': 1 fields, not UserID::MovieID::Rating::Timestamp"),
        ("ratings.dat", "", "'': 1 fields, not UserID::MovieID::Rating::Timestamp"),
        ("ratings.dat", "1::2::6::0", "'1::2::6::0': Rating = 6: must be from 1 to 5"),
        ("ratings.dat", "1::x::3::0", "'1::x::3::0': invalid literal for int() with base 10: 'x'"),
        ("users.dat", "9::F::30::0::0", "'9::F::30::0::0': Age = 30: must be one of [1, 18, 25, 35, 45, 50, 56]"),
        ("users.dat", "9::F::25", "'9::F::25': 3 fields, not UserID::Gender::Age::Occupation::Zip-code"),
        ("movies.dat", "9::Heat", "'9::Heat': 2 fields, not MovieID::Title::Genres"),
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, name: str, line: str, message: str) -> None:
    source = write_movielens(tmp_path / "ml-1m", many_ratings(10))
    lines = (source / name).read_text("latin-1").splitlines()
    (source / name).write_text("\n".join([lines[0], line, *lines[1:]]) + "\n", "latin-1")
    _fails_with(f"{source / name}:2: {message}. {AGAIN}", source, tmp_path)


def test_a_user_or_movie_that_is_not_there_is_named_with_its_line(tmp_path: Path) -> None:
    source = write_movielens(tmp_path / "ml-1m", ["1::1::3::0", "7::1::3::0"])
    _fails_with(f"{source}/ratings.dat:2: UserID = 7: is not in users.dat. {AGAIN}", source, tmp_path)
    source = write_movielens(tmp_path / "ml-1m", ["1::1::3::0", "1::1::3::0", "1::77::3::0"])
    _fails_with(f"{source}/ratings.dat:3: MovieID = 77: is not in movies.dat. {AGAIN}", source, tmp_path)


@pytest.mark.parametrize("name", ["ratings.dat", "users.dat", "movies.dat"])
def test_an_empty_or_missing_file_is_named(tmp_path: Path, name: str) -> None:
    source = write_movielens(tmp_path / "ml-1m", many_ratings(10))
    (source / name).write_text("")
    _fails_with(f"{source / name}: has no line. {AGAIN}", source, tmp_path)
    (source / name).unlink()
    _fails_with(f"{source / name}: no such file. Give the folder of the unpacked ml-1m archive", source, tmp_path)


def test_nothing_is_written_when_a_line_is_damaged(tmp_path: Path) -> None:
    source = write_movielens(tmp_path / "ml-1m", [*many_ratings(10), "1::1"], users=USERS, movies=MOVIES)
    with pytest.raises(DataError):
        convert_movielens(source, tmp_path / "out", EIGHT_ONE_ONE)
    assert not (tmp_path / "out").exists()


def _rows(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


def _fails_with(message: str, source: Path, out: Path) -> None:
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        convert_movielens(source, out / "out", EIGHT_ONE_ONE)

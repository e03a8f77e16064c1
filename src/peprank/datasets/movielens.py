"""MovieLens-1M (Harper and Konstan, TiiS 2015), the official files, as Parquet files for training.

The domains are three groups of users by age, the tasks whether a rating is above 3 and above 4, as in M3oE (Zhang et
al., SIGIR 2024). The data are GroupLens's, for research; see the README of the archive and cite the paper.

Columns, one row per rating in the order of `ratings.dat`:

- keys: `user_id`, `movie_id`, `time_s` (seconds since 1970); labels: `over_3`, `over_4`
- user: `gender` (F or M), `age` (years, the lower end of a range), `age_group` (the domain: 0 for under 25, 1 for
  25 to 34, 2 for 35 and older), `occupation` (0 to 20), `zip` (a string)
- movie: `genres` (list of strings), `first_genre`
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pyarrow as pa

from peprank.datasets.splits import ConvertReport, Portions, Tell, say_nothing, write_portions
from peprank.errors import DataError

LABELS = ("over_3", "over_4")
AGE_GROUPS = {1: 0, 18: 0, 25: 1, 35: 2, 45: 2, 50: 2, 56: 2}  # age as written in users.dat -> domain

_RATINGS, _USERS, _MOVIES = "ratings.dat", "users.dat", "movies.dat"
_FIELDS = {
    _RATINGS: ("UserID", "MovieID", "Rating", "Timestamp"),
    _USERS: ("UserID", "Gender", "Age", "Occupation", "Zip-code"),
    _MOVIES: ("MovieID", "Title", "Genres"),
}
_RATING_TYPES = {
    "user_id": pa.int32(),
    "movie_id": pa.int32(),
    "time_s": pa.int64(),
    **dict.fromkeys(LABELS, pa.int8()),
}
_USER_TYPES = {
    "gender": pa.string(),
    "age": pa.int8(),
    "age_group": pa.int8(),
    "occupation": pa.int8(),
    "zip": pa.string(),
}
_MOVIE_TYPES = {"genres": pa.list_(pa.string()), "first_genre": pa.string()}
_Row = TypeVar("_Row")


def convert_movielens(source: Path, out: Path, portions: Portions, *, on_progress: Tell = say_nothing) -> ConvertReport:
    """Write `train.parquet`, `val.parquet` and `test.parquet` under `out`.

    Args:
        source: folder of the unpacked archive, with `ratings.dat`, `users.dat` and `movies.dat`.
        out: folder to write into; made if missing. Each file appears whole or not at all.
        portions: the share of each split. `ratings.dat` is sorted by user, so shares in file order judge a model on
            users that it was not trained on.
        on_progress: is told each step in a few words.

    Raises:
        DataError: a file is missing, a line is not of its form, a rating names a user or movie that is not there, or a
            split would have no row. The message names the line.
    """
    users = dict(_read(source / _USERS, _user, on_progress))
    movies = dict(_read(source / _MOVIES, _movie, on_progress))
    path = source / _RATINGS
    ratings = _read(path, _rating, on_progress)
    on_progress("joining users and movies")
    of_user = _looked_up(users, [row[0] for row in ratings], path, _USERS)
    of_movie = _looked_up(movies, [row[1] for row in ratings], path, _MOVIES)
    rows = pa.table(
        _columns(ratings, _RATING_TYPES) | _columns(of_user, _USER_TYPES) | _columns(of_movie, _MOVIE_TYPES)
    )
    return write_portions(rows, portions, out, LABELS, on_progress)


def _rating(fields: list[str]) -> tuple[int, int, int, int, int]:
    """One of _RATING_TYPES."""
    user, movie, rating, time_s = map(int, fields)
    if not 1 <= rating <= 5:
        raise ValueError(f"Rating = {rating}: must be from 1 to 5")
    return user, movie, time_s, int(rating > 3), int(rating > 4)


def _user(fields: list[str]) -> tuple[int, tuple[str, int, int, int, str]]:
    """UserID, then one of _USER_TYPES."""
    user, gender, age, occupation, zip_code = fields
    if int(age) not in AGE_GROUPS:
        raise ValueError(f"Age = {age}: must be one of {list(AGE_GROUPS)}")
    return int(user), (gender, int(age), AGE_GROUPS[int(age)], int(occupation), zip_code)


def _movie(fields: list[str]) -> tuple[int, tuple[list[str], str]]:
    """MovieID, then one of _MOVIE_TYPES."""
    movie, _title, genres = fields
    names = genres.split("|")
    return int(movie), (names, names[0])


def _read(path: Path, parse: Callable[[list[str]], _Row], tell: Tell) -> list[_Row]:
    """Parse each line of a file of the archive, whose fields stand between double colons.

    Raises:
        DataError: names the file, the line and what is wrong with it.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file. Give the folder of the unpacked ml-1m archive")
    tell(f"reading {path}")
    names = _FIELDS[path.name]
    rows = []
    with path.open(encoding="latin-1") as lines:
        for number, line in enumerate(lines, start=1):
            fields = line.rstrip("\n").split("::")
            try:
                if len(fields) != len(names):
                    raise ValueError(f"{len(fields)} fields, not {'::'.join(names)}")
                rows.append(parse(fields))
            except ValueError as error:
                raise DataError(f"{path}:{number}: {line.rstrip()!r}: {error}. Unpack the archive again") from error
    if not rows:
        raise DataError(f"{path}: has no line. Unpack the archive again")
    return rows


def _looked_up(table: dict[int, _Row], keys: list[int], path: Path, name: str) -> list[_Row]:
    """Row of each key.

    Raises:
        DataError: names the line of `path` whose key is not in the table.
    """
    try:
        return [table[key] for key in keys]
    except KeyError as error:
        number = 1 + next(k for k, key in enumerate(keys) if key not in table)
        field = _FIELDS[name][0]
        raise DataError(f"{path}:{number}: {field} = {error}: is not in {name}. Unpack the archive again") from error


def _columns(rows: list[_Row], types: dict[str, pa.DataType]) -> dict[str, pa.Array]:
    """Columns of rows that are tuples."""
    return {
        name: pa.array(values, kind)
        for (name, kind), values in zip(types.items(), zip(*rows, strict=True), strict=True)
    }

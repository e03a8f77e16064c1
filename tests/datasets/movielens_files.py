"""MovieLens-1M's three files, small, written by the tests themselves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

USERS = ("1::F::1::10::48067", "2::M::25::16::70072", "3::M::56::15::55117-1234", "4::F::18::0::02460")
MOVIES = (
    "1::Toy Story (1995)::Animation|Children's|Comedy",
    "2::Jumanji (1995)::Adventure|Children's|Fantasy",
    "3952::Misérables, Les: A Story (1998)::Drama",
)


def write_movielens(
    root: Path, ratings: Sequence[str], *, users: Sequence[str] = USERS, movies: Sequence[str] = MOVIES
) -> Path:
    """Write the lines into `ratings.dat`, `users.dat` and `movies.dat` under `root`."""
    root.mkdir(parents=True, exist_ok=True)
    for name, lines in (("ratings.dat", ratings), ("users.dat", users), ("movies.dat", movies)):
        (root / name).write_text("".join(f"{line}\n" for line in lines), "latin-1")
    return root


def many_ratings(num: int) -> list[str]:
    """Ratings sorted by user, as in the archive; every user, movie and rating occurs."""
    movies = (1, 2, 3952)
    return [f"{1 + k * 4 // num}::{movies[k % 3]}::{1 + k % 5}::{978300000 + k}" for k in range(num)]

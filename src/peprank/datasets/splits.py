"""Which row goes into which file: shares such as 8:1:1, in file order or at random, and what a conversion wrote."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from peprank.datasets.files import write_rows
from peprank.errors import DataError

SPLITS = ("train", "val", "test")
Order = Literal["file", "random"]
Tell = Callable[[str], None]  # is told each step of a conversion in a few words


@dataclass(frozen=True, slots=True)
class Portions:
    """Shares of the rows that each split gets.

    Row k of N lies behind a cut when k >= floor(N * share of all splits before the cut), so 8:1:1 cuts where
    `int(0.8 * N)` and `int(0.9 * N)` do.

    Example:
        >>> Portions.parse("8:1:1").of_rows(10)
        array([0, 0, 0, 0, 0, 0, 0, 0, 1, 2], dtype=uint8)
    """

    shares: tuple[int, ...]  # in the order of `names`, any unit
    order: Order = "file"  # "random": the same sizes, rows drawn without regard to where they stand
    seed: int = 42  # of order "random"
    names: tuple[str, ...] = SPLITS

    def __post_init__(self) -> None:
        if len(self.shares) != len(self.names) or min(self.shares) < 1:
            raise DataError(f"split {self}: write one whole number from 1 on for each of {':'.join(self.names)}")
        if self.seed < 0:
            raise DataError(f"seed {self.seed}: must be 0 or more")

    @classmethod
    def parse(cls, text: str, *, order: Order = "file", seed: int = 42) -> Portions:
        """Read `8:1:1`: train, val and test.

        Raises:
            DataError: when it is not three whole numbers from 1 on.
        """
        parts = text.split(":")
        if not all(part.isdecimal() for part in parts):
            raise DataError(f"split '{text}': not of the form 8:1:1")
        return cls(tuple(int(part) for part in parts), order, seed)

    def __str__(self) -> str:
        return ":".join(map(str, self.shares))

    def of_rows(self, num_rows: int) -> npt.NDArray[np.uint8]:
        """Position in `names` of the split of each row, one byte a row. Shapes: -> uint8 [N].

        Raises:
            DataError: a split would have no row.
        """
        cuts = [num_rows * before // sum(self.shares) for before in np.cumsum([0, *self.shares]).tolist()]
        sizes = [end - start for start, end in pairwise(cuts)]
        if 0 in sizes:
            empty = self.names[sizes.index(0)]
            raise DataError(f"split {self} of {num_rows} rows: leaves no row for {empty}; choose other shares")
        parts = np.repeat(np.arange(len(sizes), dtype=np.uint8), sizes)
        return np.random.default_rng(self.seed).permutation(parts) if self.order == "random" else parts


@dataclass(frozen=True, slots=True)
class ConvertReport:
    """What a conversion wrote."""

    rows: dict[str, int]  # split -> rows
    positives: dict[str, dict[str, int]]  # split -> label column -> rows where it is 1
    paths: tuple[Path, ...]
    history_days: int = 0  # days of the log before the first training day; statistics reach back into them


def write_splits(
    rows: pa.Table, chosen: Mapping[str, pa.ChunkedArray | pa.Array], out: Path, labels: Sequence[str], tell: Tell
) -> ConvertReport:
    """Write `NAME.parquet` under `out` with the chosen rows of each split; each file appears whole or not at all.

    Args:
        chosen: split -> which rows it has. Shapes: bool [N].
        labels: columns whose ones are counted.

    Raises:
        DataError: a split would have no row.
    """
    for name, mask in chosen.items():
        if not pc.any(mask).as_py():
            raise DataError(f"{name}: none of {rows.num_rows:,} rows belongs to it; choose other tabs, days or shares")
    report = ConvertReport({}, {}, tuple(out / f"{name}.parquet" for name in chosen))
    for (name, mask), path in zip(chosen.items(), report.paths, strict=True):
        tell(f"writing {path}")
        part = rows.filter(mask)
        write_rows(part, path)
        report.rows[name] = part.num_rows
        report.positives[name] = {label: pc.sum(part[label]).as_py() for label in labels}
    return report


def write_portions(rows: pa.Table, portions: Portions, out: Path, labels: Sequence[str], tell: Tell) -> ConvertReport:
    """Cut `rows` by `portions` and write the splits; rows keep their order within each.

    Raises:
        DataError: a split would have no row.
    """
    parts = portions.of_rows(rows.num_rows)
    chosen = {name: pa.array(parts == k) for k, name in enumerate(portions.names)}
    return write_splits(rows, chosen, out, labels, tell)


def say_nothing(step: str) -> None:
    """Stand in for a Tell that nobody gave."""
    del step

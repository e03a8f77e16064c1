"""Encoded features of some rows while they are still numpy: rows can be taken and features joined."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import add, or_
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from peprank.encode.ragged import IdColumn, stacked

Cell = TypeVar("Cell", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Block(Generic[Cell]):
    """Columns of one value per row, all in one matrix, so that a step over it serves them all."""

    names: tuple[str, ...]
    values: NDArray[Cell]  # [S, B]

    @staticmethod
    def of(columns: Mapping[str, NDArray[Cell]], num_rows: int, dtype: type[Cell]) -> Block[Cell]:
        """Columns [B] each, copied side by side."""
        flat = np.concatenate(list(columns.values())) if columns else np.empty(0, dtype)
        return Block(tuple(columns), flat.reshape(len(columns), num_rows))

    def take(self, rows: NDArray[np.int64]) -> Block[Cell]:
        """These rows, in this order; fastest from a matrix in which a row's values lie together."""
        if self.values.flags.c_contiguous:
            return Block(self.names, self.values[:, rows])
        return Block(self.names, self.values.T.take(rows, axis=0).T)

    def columns(self) -> dict[str, NDArray[Cell]]:
        """Name -> values [B], views of the matrix."""
        return dict(zip(self.names, self.values, strict=True))


def joined(blocks: Sequence[Block[Cell]]) -> Block[Cell]:
    """Columns of all blocks, which have the same rows; one block with columns comes back as it is."""
    blocks = [block for block in blocks if block.names] or blocks[:1]
    if len(blocks) == 1:
        return blocks[0]
    names = tuple(name for block in blocks for name in block.names)
    return Block(names, np.concatenate([block.values for block in blocks]))


@dataclass(frozen=True, slots=True)
class EncodedRows:
    """Encoded features of B rows; each feature lies in one of the four fields."""

    num_rows: int
    singles: Block[np.int64]  # one id per row, MISSING where there is none
    bags: dict[str, IdColumn]  # any number of ids per row, or ids with weights
    scalars: Block[np.float32]  # one number per row
    vectors: dict[str, NDArray[np.float32]]  # several numbers per row, [B, value_dim]
    unknown: dict[str, int] = field(default_factory=dict)  # feature -> values outside its vocabulary, where not 0

    def take(self, rows: NDArray[np.int64]) -> EncodedRows:
        """These rows, in this order; a row may be taken often. What is unknown is counted as it was."""
        return EncodedRows(
            num_rows=len(rows),
            singles=self.singles.take(rows),
            bags={name: bag.take(rows) for name, bag in self.bags.items()},
            scalars=self.scalars.take(rows),
            vectors={name: values[rows] for name, values in self.vectors.items()},
            unknown=self.unknown,
        )

    @property
    def features(self) -> tuple[str, ...]:
        """Names of all features."""
        return (*self.singles.names, *self.bags, *self.scalars.names, *self.vectors)

    @property
    def num_bytes(self) -> int:
        """Memory of all values."""
        bags = sum(bag.num_bytes for bag in self.bags.values())
        vectors = sum(values.nbytes for values in self.vectors.values())
        return self.singles.values.nbytes + self.scalars.values.nbytes + bags + vectors

    def num_values(self, rows: NDArray[np.int64]) -> int:
        """How many values `take(rows)` would give."""
        dense = len(self.singles.names) + len(self.scalars.names) + sum(map(_width, self.vectors.values()))
        return dense * len(rows) + sum(bag.num_ids(rows) for bag in self.bags.values())

    def ids(self, feature: str) -> IdColumn:
        """Ids of one feature."""
        return self.bags[feature] if feature in self.bags else IdColumn(self.singles.columns()[feature])

    def with_ids(self, feature: str, ids: NDArray[np.int64]) -> EncodedRows:
        """The same with other ids [B] of one feature."""
        singles = Block.of(self.singles.columns() | {feature: ids}, self.num_rows, np.int64)
        return replace(self, singles=singles, bags={name: bag for name, bag in self.bags.items() if name != feature})


def _width(vectors: NDArray[np.float32]) -> int:
    return int(vectors.shape[1])


def join(parts: Sequence[EncodedRows]) -> EncodedRows:
    """Features of all parts, which have the same rows and share no feature."""
    if len(parts) == 1:
        return parts[0]
    return EncodedRows(
        num_rows=parts[0].num_rows,
        singles=joined([part.singles for part in parts]),
        bags=reduce(or_, (part.bags for part in parts)),
        scalars=joined([part.scalars for part in parts]),
        vectors=reduce(or_, (part.vectors for part in parts)),
        unknown=reduce(or_, (part.unknown for part in parts)),
    )


def stack(parts: Sequence[EncodedRows]) -> EncodedRows:
    """Rows of all parts one after the other; each part has all features, in whichever form."""
    first = parts[0]
    bags = dict.fromkeys(name for part in parts for name in part.bags)
    singles = [name for name in first.singles.names if name not in bags]
    return EncodedRows(
        num_rows=sum(part.num_rows for part in parts),
        singles=_stacked(tuple(singles), [part.singles for part in parts]),
        bags={name: stacked([part.ids(name) for part in parts]) for name in bags},
        scalars=_stacked(first.scalars.names, [part.scalars for part in parts]),
        vectors={name: np.concatenate([part.vectors[name] for part in parts]) for name in first.vectors},
        unknown=dict(reduce(add, (Counter(part.unknown) for part in parts))),
    )


def _stacked(names: tuple[str, ...], blocks: Sequence[Block[Cell]]) -> Block[Cell]:
    """These columns of each block, one block's rows after the other's."""
    places = [[block.names.index(name) for name in names] for block in blocks]
    values = [block.values[rows] for block, rows in zip(blocks, places, strict=True)]
    return Block(names, np.concatenate(values, axis=1))

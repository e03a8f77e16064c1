"""Raw features: numbers as they are, or bucket ids."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, groupby, pairwise
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from typing_extensions import assert_never

from peprank.batch import MISSING
from peprank.encode.cells import cells_of, parsed_numbers
from peprank.encode.expression import FloatArray, evaluate
from peprank.encode.ragged import IdColumn
from peprank.errors import DataError, SpecError
from peprank.spec.feature import Expression, Log10, MinMax, Normalizer, RawFeature, ZScore
from peprank.spec.formula import parse

Normalize: TypeAlias = Callable[[FloatArray], FloatArray]


def normalizer(spec: Normalizer | None) -> Normalize:
    """The normalizer as a function of finite numbers; its result may be nan or inf."""
    match spec:
        case None:
            return lambda x: x
        case Log10():
            return partial(_log10, spec)
        case ZScore():
            return lambda x: (x - spec.mean) / spec.standard_deviation
        case MinMax():
            return lambda x: (x - spec.min) / (spec.max - spec.min)
        case Expression():
            return partial(evaluate, parse(spec.formula))
        case _:
            assert_never(spec)


def _log10(spec: Log10, x: FloatArray) -> FloatArray:
    is_above = x > spec.threshold
    with np.errstate(all="ignore"):  # a threshold below 0 lets x <= 0 through
        return np.where(is_above, np.log10(np.where(is_above, x, 1.0)), spec.default)


@dataclass(frozen=True, slots=True)
class NumberCells:
    """The numbers of a column of B rows as they were given; `offsets` as `Cells` has them."""

    values: NDArray[Any]  # [B] or [N], nan where null
    offsets: NDArray[np.int64] | None
    num_null: int


class Numbers(NamedTuple):
    """The numbers of a column after its normalizer."""

    values: NDArray[np.float32]  # shaped like the cells' values, nan where there is none
    num_missing: int  # how many are nan


class NumberEncoder:
    """Encode the column of one raw feature.

    A number that is missing, nan or inf, before or after the normalizer, becomes the normalized default of its place.
    The steps are `read`, `normalized` and `numbers_of` or `bucket_ids_of`, so that many columns can share the second.

    Raises:
        SpecError: the default has neither one value nor `value_dim`.
    """

    def __init__(self, feature: RawFeature) -> None:
        self.feature = feature
        self.normalize = normalizer(feature.normalizer)
        self._boundaries = np.array(feature.boundaries, np.float32)
        if feature.value_dim and len(feature.default) not in (0, 1, feature.value_dim):
            rule = f"must have 1 value or {feature.value_dim}, the feature's value_dim"
            raise SpecError(f"{feature.name}.default_value", feature.default, rule)
        default = np.array(feature.default or (np.nan,), np.float64)  # nan: none
        self._default = normalized([(self, NumberCells(default, None, 0))])[0].values
        self._has_default = not np.isnan(self._default).any()

    @property
    def is_formula_alone(self) -> bool:
        """Whether a row with one number is encoded by the normalizer alone, if what comes out is finite."""
        return self.feature.value_dim == 1 and not self.feature.boundaries

    def numbers(self, column: pa.Array) -> tuple[NDArray[np.float32], int]:
        """All steps to numbers, for one column."""
        cells = self.read(column)
        return self.numbers_of(cells, *normalized([(self, cells)]))

    def bucket_ids(self, column: pa.Array) -> tuple[IdColumn, int]:
        """All steps to bucket ids, for one column."""
        cells = self.read(column)
        return self.bucket_ids_of(cells, *normalized([(self, cells)]))

    def read(self, column: pa.Array) -> NumberCells:
        """The numbers that stand in a conformed column.

        Raises:
            DataError: a value is not a number.
        """
        cells = cells_of(column, None if self.feature.value_dim == 1 else self.feature.separator)
        values = cells.values
        if pa.types.is_string(values.type):
            values = parsed_numbers(values, f"column {self.feature.column!r}")
        return NumberCells(values.to_numpy(zero_copy_only=False), cells.offsets, values.null_count)

    def numbers_of(self, cells: NumberCells, numbers: Numbers) -> tuple[NDArray[np.float32], int]:
        """Numbers of B rows, and how many of the values were not finite; 0 where even the default is not.

        Shapes: float32 [B] or [N] -> float32 [B, value_dim]

        Raises:
            DataError: a row has another number of values than `value_dim`.
        """
        rows, num_unknown = self._matrix(cells, numbers)
        return (rows if self._has_default else np.where(np.isnan(rows), np.float32(0.0), rows)), num_unknown

    def bucket_ids_of(self, cells: NumberCells, numbers: Numbers) -> tuple[IdColumn, int]:
        """Ids of the buckets that the numbers lie in, one per row if value_dim is 1, and how many were not finite.

        A number equal to a boundary lies in the bucket above it. Both are compared as float32, the type of the
        config's boundaries, so that 1.1 of either width meets the boundary 1.1.
        """
        dim = self.feature.value_dim
        if dim == 0:
            return self._ragged_bucket_ids(cells, numbers)
        rows, num_unknown = self._matrix(cells, numbers)
        ids = self._buckets(rows.ravel())
        if dim == 1:
            return IdColumn(ids), num_unknown
        return IdColumn(ids, dim * np.arange(len(rows) + 1)).keep(ids != MISSING), num_unknown

    def _ragged_bucket_ids(self, cells: NumberCells, numbers: Numbers) -> tuple[IdColumn, int]:
        ids = self._buckets(numbers.values)
        offsets = np.arange(len(ids) + 1) if cells.offsets is None else cells.offsets
        present = IdColumn(ids, offsets).keep(ids != MISSING)
        default = self._buckets(self._default[np.isfinite(self._default)])
        return present.fill(present.counts == 0, IdColumn(default)), numbers.num_missing - cells.num_null

    def _buckets(self, numbers: NDArray[np.float32]) -> NDArray[np.int64]:
        ids = np.searchsorted(self._boundaries, numbers, side="right")
        return np.where(np.isnan(numbers), MISSING, ids)

    def _matrix(self, cells: NumberCells, numbers: Numbers) -> tuple[NDArray[np.float32], int]:
        """Numbers [B, value_dim] with the default at its places, nan where there is none."""
        rows = self._rows(numbers.values, cells.offsets)
        if numbers.num_missing or rows.size != numbers.values.size:
            rows = np.where(np.isnan(rows), self._default, rows)
        return rows, numbers.num_missing - cells.num_null

    def _rows(self, numbers: NDArray[np.float32], offsets: NDArray[np.int64] | None) -> NDArray[np.float32]:
        """Numbers [B, value_dim], nan in the rows that have none."""
        dim = self.feature.value_dim
        if offsets is None and dim == 1:
            return numbers[:, None]
        counts = ~np.isnan(numbers) if offsets is None else np.diff(offsets)
        is_wrong = (counts != dim) & (counts != 0)
        if is_wrong.any():
            raise DataError(
                f"column {self.feature.column!r}: {is_wrong.sum()} rows do not have {dim} values, the value_dim of "
                f"{self.feature.name!r}, the first of them has {int(counts[is_wrong][0])}; "
                f"give each row {dim}, or none"
            )
        rows = np.full((len(counts), dim), np.nan, np.float32)
        rows[counts == dim] = numbers.reshape(-1, dim) if offsets is not None else 0.0
        return rows


def normalized(columns: Sequence[tuple[NumberEncoder, NumberCells]]) -> list[Numbers]:
    """Normalized numbers of each column.

    All columns pass together, and neighbours with equal normalizers share its call: a request has many short columns.
    """
    ends = list(accumulate(len(cells.values) for _, cells in columns))
    x = np.concatenate([cells.values for _, cells in columns], dtype=np.float64)  # never the column's own memory
    is_finite = np.isfinite(x)
    if not is_finite.all():
        x[~is_finite] = 0.0
    start = 0
    for same, neighbours in groupby(zip(columns, ends, strict=True), key=lambda item: item[0][0].feature.normalizer):
        *_, ((encoder, _), end) = neighbours
        if same is not None:
            x[start:end] = encoder.normalize(x[start:end])
        start = end
    with np.errstate(over="ignore"):
        numbers = x.astype(np.float32)
    is_finite &= np.isfinite(numbers)
    parts = [slice(start, end) for start, end in pairwise((0, *ends))]
    if is_finite.all():
        return [Numbers(numbers[part], 0) for part in parts]
    numbers[~is_finite] = np.nan
    return [Numbers(numbers[part], int(np.count_nonzero(~is_finite[part]))) for part in parts]

"""Raw features: numbers as they are, or bucket ids."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

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


class NumberEncoder:
    """Encode the column of one raw feature.

    A number that is missing, nan or inf, before or after the normalizer, becomes the normalized default of its place.

    Raises:
        SpecError: the default has neither one value nor `value_dim`.
    """

    def __init__(self, feature: RawFeature) -> None:
        self._feature = feature
        self._normalize = normalizer(feature.normalizer)
        self._boundaries = np.array(feature.boundaries, np.float32)
        if feature.value_dim and len(feature.default) not in (0, 1, feature.value_dim):
            rule = f"must have 1 value or {feature.value_dim}, the feature's value_dim"
            raise SpecError(f"{feature.name}.default_value", feature.default, rule)
        self._default = self._normalized(np.array(feature.default or (np.nan,), np.float64))  # nan: none

    def numbers(self, column: pa.Array) -> tuple[NDArray[np.float32], int]:
        """Numbers of a column of B rows, and how many of its values were not finite; 0 where even the default is not.

        Shapes: [B] -> float32 [B, value_dim]

        Raises:
            DataError: a value is not a number, or a row has another number of values than `value_dim`.
        """
        numbers, num_unknown = self._matrix(column)
        return np.nan_to_num(numbers, nan=0.0), num_unknown

    def bucket_ids(self, column: pa.Array) -> tuple[IdColumn, int]:
        """Ids of the buckets that the numbers lie in, one per row if value_dim is 1, and how many were not finite.

        A number equal to a boundary lies in the bucket above it. Both are compared as float32, the type of the
        config's boundaries, so that 1.1 of either width meets the boundary 1.1.
        """
        dim = self._feature.value_dim
        if dim == 0:
            return self._ragged_bucket_ids(column)
        numbers, num_unknown = self._matrix(column)
        ids = self._buckets(numbers.ravel())
        if dim == 1:
            return IdColumn(ids), num_unknown
        return IdColumn(ids, dim * np.arange(len(numbers) + 1)).keep(ids != MISSING), num_unknown

    def _ragged_bucket_ids(self, column: pa.Array) -> tuple[IdColumn, int]:
        numbers, offsets, num_unknown = self._values(column)
        ids = self._buckets(numbers)
        present = IdColumn(ids, np.arange(len(ids) + 1) if offsets is None else offsets).keep(ids != MISSING)
        default = self._buckets(self._default[np.isfinite(self._default)])
        return present.fill(present.counts == 0, IdColumn(default)), num_unknown

    def _buckets(self, numbers: NDArray[np.float32]) -> NDArray[np.int64]:
        ids = np.searchsorted(self._boundaries, numbers, side="right")
        return np.where(np.isnan(numbers), MISSING, ids)

    def _matrix(self, column: pa.Array) -> tuple[NDArray[np.float32], int]:
        """Numbers [B, value_dim] with the default at its places, nan where there is none."""
        numbers, offsets, num_unknown = self._values(column)
        rows = self._rows(numbers, offsets)
        return np.where(np.isnan(rows), self._default, rows), num_unknown

    def _rows(self, numbers: NDArray[np.float32], offsets: NDArray[np.int64] | None) -> NDArray[np.float32]:
        """Numbers [B, value_dim], nan in the rows that have none."""
        dim = self._feature.value_dim
        if offsets is None and dim == 1:
            return numbers[:, None]
        counts = ~np.isnan(numbers) if offsets is None else np.diff(offsets)
        is_wrong = (counts != dim) & (counts != 0)
        if is_wrong.any():
            raise DataError(
                f"column {self._feature.column!r}: {is_wrong.sum()} rows do not have {dim} values, the value_dim of "
                f"{self._feature.name!r}, the first of them has {int(counts[is_wrong][0])}; "
                f"give each row {dim}, or none"
            )
        rows = np.full((len(counts), dim), np.nan, np.float32)
        rows[counts == dim] = numbers.reshape(-1, dim) if offsets is not None else 0.0
        return rows

    def _values(self, column: pa.Array) -> tuple[NDArray[np.float32], NDArray[np.int64] | None, int]:
        """Normalized numbers, nan where there is none; their offsets; how many were given but are not finite."""
        cells = cells_of(column, None if self._feature.value_dim == 1 else self._feature.separator)
        values = cells.values
        if pa.types.is_string(values.type):
            values = parsed_numbers(values, f"column {self._feature.column!r}")
        numbers = self._normalized(values.cast(pa.float64(), safe=False).fill_null(np.nan).to_numpy())
        return numbers, cells.offsets, int(np.count_nonzero(np.isnan(numbers))) - values.null_count

    def _normalized(self, x: FloatArray) -> NDArray[np.float32]:
        is_finite = np.isfinite(x)
        with np.errstate(over="ignore"):
            numbers = self._normalize(np.where(is_finite, x, 0.0)).astype(np.float32)
        return np.where(is_finite & np.isfinite(numbers), numbers, np.float32(np.nan))

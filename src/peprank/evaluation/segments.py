"""Split rows by the values of a column: one code per row, one readable name per code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from peprank.encode.numbers import NumberEncoder
from peprank.errors import DataError
from peprank.evaluation.growing import Growing
from peprank.spec.feature import FeatureSpec, RawFeature

MISSING_NAME = "missing"  # segment of the rows whose cell is null or empty
_MOST_SEGMENTS = 10_000

Naming = Callable[[pa.Array], pa.Array]  # a column -> strings, null where missing


class SegmentCodes:
    """Numbers the values of `column` in the order in which they turn up."""

    def __init__(self, column: str, naming: Naming) -> None:
        self.column = column
        self._naming = naming
        self._code_of: dict[str, int] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each code so far."""
        return tuple(self._code_of)

    def codes(self, rows: pa.RecordBatch) -> npt.NDArray[np.int16]:
        """The code of each row [B].

        Raises:
            DataError: the column is missing, of a type that has no readable values, or has too many of them.
        """
        encoded = self._naming(_column(rows, self.column)).fill_null("").dictionary_encode()
        names = [name or MISSING_NAME for name in encoded.dictionary.to_pylist()]
        codes = [self._code_of.setdefault(name, len(self._code_of)) for name in names]
        if len(self._code_of) > _MOST_SEGMENTS:
            raise DataError(
                f"column {self.column!r} has more than {_MOST_SEGMENTS:,} values; split the rows by one with fewer"
            )
        of_rows: npt.NDArray[np.int16] = np.array(codes, np.int16)[encoded.indices.to_numpy()]
        return of_rows


class Segments:
    """The segment of every row, by the values of `column`."""

    def __init__(self, column: str, naming: Naming) -> None:
        self.column = column
        self._segments = SegmentCodes(column, naming)
        self._codes = Growing(np.int16)

    def add(self, rows: pa.RecordBatch) -> None:
        """Take in rows.

        Raises:
            DataError: as `SegmentCodes.codes`.
        """
        self._codes.append(self._segments.codes(rows))

    def split(self) -> Iterator[tuple[str, npt.NDArray[np.int64]]]:
        """Each segment's name and its row numbers, ascending; the largest segment first, equal ones by name."""
        codes = self._codes.whole()
        by_code = np.argsort(codes, kind="stable")  # a radix sort for int16
        names = self._segments.names
        counts = np.bincount(codes, minlength=len(names))
        ends = np.cumsum(counts)
        for code, name in sorted(enumerate(names), key=lambda item: (-counts[item[0]], item[1])):
            yield name, by_code[ends[code] - counts[code] : ends[code]]


def naming_of(feature: FeatureSpec) -> Naming:
    """How a domain feature's cells are named: by their value, numbers with boundaries by the interval they lie in."""
    if not isinstance(feature, RawFeature) or not feature.boundaries or feature.is_bucketized:
        return value_names
    return _IntervalNaming(feature) if feature.value_dim == 1 else value_names


def value_names(column: pa.Array) -> pa.Array:
    """The values as strings; those of a list joined by commas.

    Raises:
        DataError: values of this type have no readable name.
    """
    try:
        if pa.types.is_list(column.type):
            return pc.binary_join(column.cast(pa.list_(pa.string())), ",")
        return column.cast(pa.string())
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid) as error:
        raise DataError(
            f"rows cannot be split by values of type {column.type}; use a column of numbers or strings"
        ) from error


class _IntervalNaming:
    """Names of the buckets that a raw feature's boundaries cut."""

    def __init__(self, feature: RawFeature) -> None:
        self._encoder = NumberEncoder(feature)
        edges = ["-inf", *(f"{edge:g}" for edge in feature.boundaries), "inf"]
        names = [f"[{low}, {high})" for low, high in pairwise(edges)]
        self._names = pa.array(["", *names])  # bucket k is at k + 1, MISSING at 0

    def __call__(self, column: pa.Array) -> pa.Array:
        ids, _ = self._encoder.bucket_ids(column)
        return self._names.take(pa.array(ids.values + 1))


def _column(rows: pa.RecordBatch, name: str) -> pa.Array:
    if name not in rows.schema.names:
        raise DataError(f"column {name!r} is missing; found {rows.schema.names}")
    return rows.column(name)

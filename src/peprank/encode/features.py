"""Columns to encoded features, many columns at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from peprank.encode.encoded import Block, EncodedRows, join
from peprank.encode.even import EvenColumns
from peprank.encode.ids import IdEncoder
from peprank.encode.lookups import Lookups
from peprank.encode.numbers import NumberEncoder, normalized
from peprank.encode.ragged import IdColumn
from peprank.spec.feature import FeatureSpec, Identity, IdFeature, RawFeature

_CELLS_AT_ONCE = 1 << 13  # of columns that are encoded together: few calls for short ones, and long ones stay in cache

Part: TypeAlias = tuple[Mapping[str, pa.Array], int]  # conformed columns by name, and B, the rows that each has

_Encoder = TypeVar("_Encoder", IdEncoder, NumberEncoder)
_Found = TypeVar("_Found")


class FeatureEncoders:
    """Encode features. It holds prepared lookups and no state: each row is encoded by itself, from any thread.

    Raises:
        SpecError: a default that its feature cannot have, or a vocabulary that cannot be looked up.
    """

    def __init__(self, features: Sequence[FeatureSpec]) -> None:
        ids = [feature for feature in map(_as_ids, features) if isinstance(feature, IdFeature)]
        numbers = [feature for feature in features if isinstance(feature, RawFeature) and not feature.is_bucketized]
        numbers.sort(key=lambda feature: repr(feature.normalizer))  # equal ones are computed together
        self._columns = {feature.name: feature.column for feature in features}
        self._lookups = Lookups([feature.rule for feature in ids])
        self._ids = {feature.name: IdEncoder(feature, self._lookups, rule) for rule, feature in enumerate(ids)}
        self._numbers = {feature.name: NumberEncoder(feature) for feature in numbers}
        self._even = EvenColumns(self._ids.values(), self._numbers.values())

    def __call__(self, *parts: Part) -> list[EncodedRows]:
        """Of each part, the features that read one of its columns; no two parts have the same column.

        Raises:
            DataError: a value that its feature cannot read.
        """
        even = [self._even(columns, num_rows) for columns, num_rows in parts]
        done = {name for rows in even for name in rows.features}
        return [join(both) for both in zip(even, self._others(parts, done), strict=True)]

    def _others(self, parts: Sequence[Part], done: Collection[str]) -> list[EncodedRows]:
        """Of each part, the features that are not done; lookups and formulas serve all parts at once."""
        ids: dict[str, IdColumn] = {}
        numbers: dict[str, NDArray[np.float32]] = {}
        unknown: dict[str, int] = {}
        columns = {name: column for part, _ in parts for name, column in part.items()}
        most_rows = max(num_rows for _, num_rows in parts)
        for lookups in self._in_turns(self._ids, columns, most_rows, done):
            for name, ids[name], count in self._looked_up(lookups, columns):
                unknown[name] = count
        for formulas in self._in_turns(self._numbers, columns, most_rows, done):
            for name, values, count in self._computed(formulas, columns):
                unknown[name] = count
                if isinstance(values, IdColumn):
                    ids[name] = values
                else:
                    numbers[name] = values
        return [
            _rows(self._of(part, ids), self._of(part, numbers), self._of(part, unknown), num_rows)
            for part, num_rows in parts
        ]

    def _of(self, columns: Mapping[str, pa.Array], found: Mapping[str, _Found]) -> dict[str, _Found]:
        """What was found for features that read one of `columns`."""
        return {name: each for name, each in found.items() if self._columns[name] in columns}

    def _in_turns(
        self,
        encoders: Mapping[str, _Encoder],
        columns: Mapping[str, pa.Array],
        num_rows: int,
        done: Collection[str],
    ) -> Iterator[dict[str, _Encoder]]:
        """Encoders of features that read one of `columns` and are not done, as many at once as is fast."""
        names = [name for name in encoders if name not in done and self._columns[name] in columns]
        step = max(1, _CELLS_AT_ONCE // max(1, num_rows))
        for start in range(0, len(names), step):
            yield {name: encoders[name] for name in names[start : start + step]}

    def _looked_up(
        self, encoders: Mapping[str, IdEncoder], columns: Mapping[str, pa.Array]
    ) -> Iterable[tuple[str, IdColumn, int]]:
        cells = [encoder.read(columns[self._columns[name]]) for name, encoder in encoders.items()]
        asked = [(encoder.rule, read.values) for encoder, read in zip(encoders.values(), cells, strict=True)]
        for (name, encoder), read, (ids, num_unknown) in zip(
            encoders.items(), cells, self._lookups(asked), strict=True
        ):
            yield name, encoder.column_of(read, ids), num_unknown

    def _computed(
        self, encoders: Mapping[str, NumberEncoder], columns: Mapping[str, pa.Array]
    ) -> Iterable[tuple[str, IdColumn | NDArray[np.float32], int]]:
        cells = [(encoder, encoder.read(columns[self._columns[name]])) for name, encoder in encoders.items()]
        for name, (encoder, read), numbers in zip(encoders, cells, normalized(cells), strict=True):
            encode = encoder.bucket_ids_of if encoder.feature.boundaries else encoder.numbers_of
            yield name, *encode(read, numbers)


def _as_ids(feature: FeatureSpec) -> FeatureSpec:
    """A column of bucket ids is read like any other column of ids; the default is such an id too."""
    if not isinstance(feature, RawFeature) or not feature.is_bucketized:
        return feature
    return IdFeature(
        name=feature.name,
        column=feature.column,
        rule=Identity(rows=feature.rows),
        max_values=feature.value_dim or None,
        separator=feature.separator,
        default=tuple(str(int(value) if value.is_integer() else value) for value in feature.default),
    )


def _rows(
    ids: Mapping[str, IdColumn], numbers: Mapping[str, NDArray[np.float32]], unknown: Mapping[str, int], num_rows: int
) -> EncodedRows:
    singles = {name: column.values for name, column in ids.items() if column.offsets is None and column.weights is None}
    scalars = {name: values[:, 0] for name, values in numbers.items() if values.shape[1] == 1}
    return EncodedRows(
        num_rows=num_rows,
        singles=Block.of(singles, num_rows, np.int64),
        bags={name: column for name, column in ids.items() if name not in singles},
        scalars=Block.of(scalars, num_rows, np.float32),
        vectors={name: values for name, values in numbers.items() if name not in scalars},
        unknown={name: count for name, count in unknown.items() if count},
    )

"""Id features: values become row numbers of an embedding table."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from typing_extensions import assert_never

from peprank.batch import MISSING
from peprank.encode.cells import Cells, blank_to_null, cells_of, integers, is_valid, parsed_numbers, shown
from peprank.encode.hashing import murmur64
from peprank.encode.ragged import IdColumn
from peprank.encode.words import WordIndex
from peprank.errors import DataError, SpecError
from peprank.spec.feature import Hashed, Identity, IdFeature, IdRule, Vocabulary

# Values (int64 or string, no nulls) [N] -> their ids [N], MISSING where there is none, and how many values are unknown.
Lookup: TypeAlias = Callable[[pa.Array], tuple[NDArray[np.int64], int]]

_NOTHING = IdColumn(np.empty(0, np.int64))
_DECIMAL = "^-?[0-9]{1,18}$"  # a longer number lies outside every table


def lookup(rule: IdRule) -> Lookup:
    """The function that finds ids by a rule; what can be prepared is prepared here, once."""
    match rule:
        case Identity():
            return partial(_identity, rule)
        case Hashed():
            return partial(_hashed, np.uint64(rule.rows))
        case Vocabulary():
            return _listed(rule)
        case _:
            assert_never(rule)


def _identity(rule: Identity, values: pa.Array) -> tuple[NDArray[np.int64], int]:
    if pa.types.is_string(values.type):
        values = decimals(values).fill_null(MISSING)
    ids: NDArray[np.int64] = values.to_numpy()
    is_outside = ids.view(np.uint64) >= np.uint64(rule.rows)  # negative ones are huge as unsigned
    num_outside = int(np.count_nonzero(is_outside))
    if num_outside:
        ids = np.where(is_outside, MISSING if rule.unknown is None else rule.unknown, ids)
    return ids, num_outside


def _hashed(rows: np.uint64, values: pa.Array) -> tuple[NDArray[np.int64], int]:
    hashes = murmur64(texts(values))
    hashes -= hashes // rows * rows  # the remainder; numpy's own takes twice as long
    return hashes.view(np.int64), 0


def decimals(strings: pa.Array) -> pa.Array:
    """Whole decimal numbers of up to 18 digits as int64, null where a string is none."""
    is_decimal = pc.match_substring_regex(strings, _DECIMAL)  # a plain cast would read 0x10 as 16
    return pc.if_else(is_decimal, strings, None).cast(pa.int64())


def texts(values: pa.Array) -> pa.Array:
    """Integers as their decimal strings."""
    return values if pa.types.is_string(values.type) else values.cast(pa.string())


def _listed(rule: Vocabulary) -> Lookup:
    index = WordIndex.of(pa.array(rule.words, pa.string()))
    if index.twins is not None:
        raise SpecError("vocabulary", len(rule.words), "two words have the same 64-bit hash; leave one of them out")
    ids = np.array((*rule.ids, rule.unknown), np.int64)  # place -1 is the last

    def find(values: pa.Array) -> tuple[NDArray[np.int64], int]:
        places = index.find(texts(values))
        return ids[places], int(np.count_nonzero(places < 0))

    return find


class IdEncoder:
    """Encode the column of one id feature.

    The steps, cell by cell: split; drop what is missing; keep the first `max_values`; look up; drop what has no id. A
    cell that was missing from the start gets the feature's default.

    Raises:
        SpecError: an Identity feature whose default is no id of its table.
    """

    def __init__(self, feature: IdFeature) -> None:
        self._feature = feature
        self._lookup = lookup(feature.rule)
        values = pa.array([feature.default], pa.list_(pa.string()))
        self._default, num_unknown = self._encode(values, _NOTHING)
        if num_unknown and isinstance(feature.rule, Identity):
            rule = f"must hold ids in [0, {feature.rows})"
            raise SpecError(f"{feature.name}.default_value", feature.default, rule)

    def __call__(self, column: pa.Array) -> tuple[IdColumn, int]:
        """Ids of a column of B rows, and how many of its values are unknown to the feature's rule."""
        return self._encode(column, self._default)

    def _encode(self, column: pa.Array, default: IdColumn) -> tuple[IdColumn, int]:
        separator = None if self._feature.max_values == 1 else self._feature.separator
        cells, weights = self._weighted(cells_of(column, separator))
        cells = Cells(integers(cells.values, self._feature.column), cells.offsets)
        if cells.offsets is None and len(default.values) <= 1:
            return self._one_per_row(cells.values, weights, default)
        return self._ragged(cells, weights, default)

    def _one_per_row(
        self, values: pa.Array, weights: NDArray[np.float32] | None, default: IdColumn
    ) -> tuple[IdColumn, int]:
        if not values.null_count:
            ids, num_unknown = self._lookup(values)
            return IdColumn(ids, None, weights), num_unknown
        is_present = is_valid(values)
        ids = np.full(len(values), MISSING, np.int64)
        ids[is_present], num_unknown = self._lookup(values.drop_null())
        if len(default.values):
            ids[~is_present] = default.values
            if weights is not None:
                weights[~is_present] = default.weights
        return IdColumn(ids, None, weights), num_unknown

    def _ragged(self, cells: Cells, weights: NDArray[np.float32] | None, default: IdColumn) -> tuple[IdColumn, int]:
        offsets = np.arange(len(cells.values) + 1) if cells.offsets is None else cells.offsets
        is_kept = _first_of_each_row(is_valid(cells.values), offsets, self._feature.max_values)
        ids = np.full(len(cells.values), MISSING, np.int64)
        ids[is_kept], num_unknown = self._lookup(cells.values.filter(pa.array(is_kept)))
        present = IdColumn(ids, offsets, weights).keep(is_kept)
        is_empty = present.counts == 0
        return present.keep(present.values != MISSING).fill(is_empty, default), num_unknown

    def _weighted(self, cells: Cells) -> tuple[Cells, NDArray[np.float32] | None]:
        """Cut `id:weight` at its last colon; no weight means 1."""
        if not self._feature.weighted:
            return cells, None
        weights = np.ones(len(cells.values), np.float32)
        if not pa.types.is_string(cells.values.type):
            return cells, weights
        parts = pc.split_pattern(cells.values, ":", max_splits=1, reverse=True)
        counts = pc.list_value_length(parts).fill_null(0).to_numpy()
        flat, ends = parts.flatten(), np.cumsum(counts)
        weights[counts == 2] = self._parsed_weights(flat.take(pa.array(ends[counts == 2] - 1)))
        words = flat.take(pa.array(ends - counts, mask=counts == 0))
        return Cells(blank_to_null(words), cells.offsets), weights

    def _parsed_weights(self, texts: pa.Array) -> NDArray[np.float32]:
        what = f"column {self._feature.column!r}: weight of an 'id:weight' value"
        numbers = parsed_numbers(blank_to_null(texts), what).fill_null(1.0)
        with np.errstate(over="ignore"):
            weights: NDArray[np.float32] = numbers.to_numpy().astype(np.float32)
        if not np.isfinite(weights).all():
            text = shown(texts[int(np.argmin(np.isfinite(weights)))])
            raise DataError(f"{what}: {text!r} is not finite")
        return weights


def _first_of_each_row(
    is_present: NDArray[np.bool_], offsets: NDArray[np.int64], most: int | None
) -> NDArray[np.bool_]:
    if most is None:
        return is_present
    rank: NDArray[np.int64] = np.cumsum(is_present)  # counted from 1 over all rows
    before = np.concatenate(([0], rank))[offsets[:-1]]
    is_among_first: NDArray[np.bool_] = rank - np.repeat(before, np.diff(offsets)) <= most
    return is_present & is_among_first

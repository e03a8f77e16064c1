"""Id features: values become row numbers of an embedding table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from peprank.batch import MISSING
from peprank.encode.cells import Cells, blank_to_null, cells_of, integers, is_valid, parsed_numbers, shown
from peprank.encode.lookups import Lookups
from peprank.encode.ragged import IdColumn
from peprank.errors import DataError, SpecError
from peprank.spec.feature import Identity, IdFeature

_NOTHING = IdColumn(np.empty(0, np.int64))


@dataclass(frozen=True, slots=True)
class IdCells:
    """A column of B rows on its way to ids: what is to be looked up, and where it belongs."""

    values: pa.Array  # int64 or string, no nulls
    is_kept: NDArray[np.bool_] | None  # [B] or [N] which cells these are; None: all
    offsets: NDArray[np.int64] | None  # [B + 1], as `Cells` has them
    weights: NDArray[np.float32] | None  # [B] or [N]


class IdEncoder:
    """Encode the column of one id feature.

    The steps, cell by cell: split; drop what is missing; keep the first `max_values`; look up; drop what has no id. A
    cell that was missing from the start gets the feature's default. `read` takes those before the lookup, `column_of`
    those after it, so that many columns can share the lookup.

    Args:
        lookups: hold the feature's rule; None: they are made.
        rule: its number there.

    Raises:
        SpecError: an Identity feature whose default is no id of its table.
    """

    def __init__(self, feature: IdFeature, lookups: Lookups | None = None, rule: int = 0) -> None:
        self.feature, self.rule = feature, rule
        self._lookups = lookups or Lookups([feature.rule])
        self._default = _NOTHING
        self._default, num_unknown = self(pa.array([feature.default], pa.list_(pa.string())))
        if num_unknown and isinstance(feature.rule, Identity):
            problem = f"must hold ids in [0, {feature.rows})"
            raise SpecError(f"{feature.name}.default_value", feature.default, problem)

    @property
    def is_bound_alone(self) -> bool:
        """Whether the id of a number is that number, as far as the table has it, and nothing comes beside it."""
        is_own = isinstance(self.feature.rule, Identity) and not self.feature.weighted
        return is_own and len(self._default.values) <= 1

    def __call__(self, column: pa.Array) -> tuple[IdColumn, int]:
        """All steps for one column: its ids, and how many of its values are unknown to the feature's rule."""
        cells = self.read(column)
        ((ids, num_unknown),) = self._lookups([(self.rule, cells.values)])
        return self.column_of(cells, ids), num_unknown

    def read(self, column: pa.Array) -> IdCells:
        """The values to look up in a conformed column.

        Raises:
            DataError: an id that is not whole, or a weight that is no finite number.
        """
        separator = None if self.feature.max_values == 1 else self.feature.separator
        cells, weights = self._weighted(cells_of(column, separator))
        values = integers(cells.values, self.feature.column)
        if cells.offsets is not None or len(self._default.values) > 1:
            offsets = np.arange(len(values) + 1) if cells.offsets is None else cells.offsets
            is_kept = _first_of_each_row(is_valid(values), offsets, self.feature.max_values)
            kept = values if is_kept.all() else values.filter(pa.array(is_kept))
            return IdCells(kept, is_kept, offsets, weights)
        is_present = is_valid(values) if values.null_count else None
        return IdCells(values if is_present is None else values.drop_null(), is_present, None, weights)

    def column_of(self, cells: IdCells, found: NDArray[np.int64]) -> IdColumn:
        """The column whose looked-up values have these ids."""
        if cells.is_kept is None:
            return IdColumn(found, None, cells.weights)
        ids = np.full(len(cells.is_kept), MISSING, np.int64)
        ids[cells.is_kept] = found
        if cells.offsets is not None:
            return self._ragged(IdColumn(ids, cells.offsets, cells.weights), cells.is_kept)
        if len(self._default.values):
            ids[~cells.is_kept] = self._default.values
            if cells.weights is not None:
                cells.weights[~cells.is_kept] = self._default.weights
        return IdColumn(ids, None, cells.weights)

    def _ragged(self, column: IdColumn, is_kept: NDArray[np.bool_]) -> IdColumn:
        present = column.keep(is_kept)
        return present.keep(present.values != MISSING).fill(present.counts == 0, self._default)

    def _weighted(self, cells: Cells) -> tuple[Cells, NDArray[np.float32] | None]:
        """Cut `id:weight` at its last colon; no weight means 1."""
        if not self.feature.weighted:
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
        what = f"column {self.feature.column!r}: weight of an 'id:weight' value"
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

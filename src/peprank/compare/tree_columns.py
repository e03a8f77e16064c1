"""Encoded rows as the columns that boosted trees read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from peprank.batch import MISSING, Features, Ids
from peprank.errors import SpecError
from peprank.spec.feature import FeatureSpec, IdFeature
from peprank.spec.pipeline import PipelineSpec

Matrix: TypeAlias = npt.NDArray[np.float32]

MOST_CATEGORIES: Final = 255  # as many as LightGBM has bins


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeColumns:
    """What becomes of each feature that the model, or its domain, reads.

    | feature | columns |
    |---|---|
    | numbers without boundaries | the numbers as the networks see them: normalized, defaults included |
    | numbers with boundaries | the bucket, as a number, for buckets have an order |
    | ids of a table of at most 255 rows | one column of categories |
    | the same with several ids in some row, or with weights | a column per id: how often it is there, or its weight |
    | ids of a larger table | none |

    Ids of users, items and the like are left out, as most teams do: a tree that splits thousands of categories
    memorises them. What trees can use of such ids are statistics, which the plan may have among its numbers. A missing
    id is NaN, which LightGBM sends to the better side of each split.
    """

    categories: tuple[str, ...]  # the first columns, one each
    buckets: tuple[str, ...]
    numbers: tuple[str, ...]
    counts: tuple[tuple[str, int], ...]  # feature, rows of its table
    left_out: tuple[str, ...]

    @classmethod
    def of(cls, spec: PipelineSpec, features: Sequence[Features]) -> TreeColumns:
        """Choose by the plan, and by which features have several ids in some row of `features`, one batch or more.

        Raises:
            SpecError: nothing is left to choose.
        """
        several = {name for name in features[0].ids if any(_has_several(batch.ids[name]) for batch in features)}
        of_table = [feature for feature in spec.input_features if feature.name in features[0].ids]
        read = [feature for feature in of_table if not _is_too_large(feature, feature.name in several)]
        single = [feature for feature in read if feature.name not in several]
        columns = cls(
            categories=tuple(feature.name for feature in single if isinstance(feature, IdFeature)),
            buckets=tuple(feature.name for feature in single if not isinstance(feature, IdFeature)),
            numbers=tuple(features[0].numbers),
            counts=tuple((feature.name, feature.rows) for feature in read if feature.name in several),
            left_out=tuple(feature.name for feature in of_table if feature not in read),
        )
        if not (read or columns.numbers):
            rule = (
                f"are all ids of more than {MOST_CATEGORIES} values, which trees leave out; add a number or a small id"
            )
            raise SpecError("feature_names", columns.left_out, rule)
        return columns

    def matrix(self, features: Features) -> Matrix:
        """The columns of B encoded rows, float32 [B, C]: categories first.

        Where training had one id per row at most, the last one of a row with several counts.
        """
        single = [_one_per_row(features.ids[name], features.num_rows) for name in (*self.categories, *self.buckets)]
        numbers = [features.numbers[name].numpy() for name in self.numbers]
        counts = [_counts(features.ids[name], features.num_rows, rows) for name, rows in self.counts]
        return np.concatenate([*(column[:, None] for column in single), *numbers, *counts], axis=1, dtype=np.float32)


def _is_too_large(feature: FeatureSpec, has_several: bool) -> bool:
    return feature.rows > MOST_CATEGORIES and (isinstance(feature, IdFeature) or has_several)


def _has_several(ids: Ids) -> bool:
    return ids.weights is not None or (ids.offsets is not None and bool((ids.offsets.diff() > 1).any()))


def _one_per_row(ids: Ids, num_rows: int) -> Matrix:
    column = np.full(num_rows, np.nan, np.float32)
    row, value, _ = _present(ids)
    column[row] = value
    return column


def _counts(ids: Ids, num_rows: int, table_rows: int) -> Matrix:
    """Sum of the weights of each id in each row, [B, table_rows]."""
    row, value, weight = _present(ids)
    flat = np.bincount(row * table_rows + value, weights=weight, minlength=num_rows * table_rows)
    return flat.reshape(num_rows, table_rows).astype(np.float32)


def _present(ids: Ids) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float32] | None]:
    """Row, id and weight of each id that is there, in order."""
    value = ids.values.numpy()
    row = np.arange(len(value)) if ids.offsets is None else _rows_of(ids.offsets.numpy())
    is_there = value != MISSING
    weight = None if ids.weights is None else ids.weights.numpy()[is_there]
    return row[is_there], value[is_there], weight


def _rows_of(offsets: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))

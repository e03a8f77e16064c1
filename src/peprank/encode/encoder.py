"""`Encoder`: the one door through which rows become tensors, in training, evaluation and serving alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from peprank.batch import MISSING, Features, Ids, Targets
from peprank.encode.cells import cells_of, integers, is_valid
from peprank.encode.hashing import murmur64
from peprank.encode.ids import IdEncoder
from peprank.encode.numbers import NumberEncoder
from peprank.encode.ragged import IdColumn
from peprank.encode.targets import is_in_space, labels_of, weights_of
from peprank.errors import DataError, SpecError
from peprank.spec.feature import FeatureSpec, Identity, IdFeature, RawFeature
from peprank.spec.pipeline import PipelineSpec

NO_KEY = int(np.iinfo(np.int64).min)  # key of a row whose cell is missing

_EncodeIds: TypeAlias = Callable[[pa.Array], tuple[IdColumn, int]]
_EncodeNumbers: TypeAlias = Callable[[pa.Array], tuple[NDArray[np.float32], int]]


class Encoder:
    """Turn conformed rows into what a model, a loss and a metric read.

    It holds prepared lookups and no state: each row is encoded by itself, from any thread.

    Args:
        spec: the plan. Features that a group or the domain names are encoded; the rest are not looked at.
        serving: rows of an unknown domain are taken for `default_domain`, if the plan names one. In training they
            never are.

    Raises:
        SpecError: a default that its feature cannot have.
    """

    def __init__(self, spec: PipelineSpec, *, serving: bool = False) -> None:
        self._tasks = spec.model.tasks
        self._key_columns = {feature.name: feature.column for feature in spec.key_features}
        self._domain = spec.model.domain.feature if spec.model.domain else None
        features = spec.input_features
        self._columns = {feature.name: feature.column for feature in features}
        self._ids = {feature.name: _id_encoder(feature) for feature in features if _has_table(feature)}
        self._numbers: dict[str, _EncodeNumbers] = {
            feature.name: NumberEncoder(feature).numbers
            for feature in features
            if isinstance(feature, RawFeature) and not _has_table(feature)
        }
        self._needs_domain = spec.model.picks_by_domain
        self.default_domain = self._id_of_default_domain(spec)
        self._serving = serving

    def features(self, rows: pa.RecordBatch) -> Features:
        """Model inputs of B rows.

        Raises:
            DataError: a value that its feature cannot read, several domains in one row, or, where the domain picks
                parts of the model, an unknown one.
        """
        ids, unknown = {}, {}
        for name, encode_ids in self._ids.items():
            ids[name], unknown[name] = encode_ids(self._column(rows, name))
        domain = self._domains(ids, rows)
        if self._domain is not None and self._serving and self.default_domain is not None:
            ids[self._domain] = IdColumn(domain)  # the embedding of the domain follows
        numbers = {}
        for name, encode_numbers in self._numbers.items():
            values, unknown[name] = encode_numbers(self._column(rows, name))
            numbers[name] = torch.from_numpy(values)
        return Features(
            num_rows=rows.num_rows,
            ids=_tensors(ids),
            numbers=numbers,
            domain=_tensor(domain),
            unknown={name: count for name, count in unknown.items() if count},
        )

    def targets(self, rows: pa.RecordBatch) -> Targets:
        """Labels and weights [B, T], and keys of B rows.

        Raises:
            DataError: a label that its task cannot have, or a weight that is negative or not finite.
        """
        labels, weights = labels_of(self._tasks, rows), weights_of(self._tasks, rows)
        return Targets(labels=torch.from_numpy(labels), weights=torch.from_numpy(weights), keys=self.keys(rows))

    def keys(self, rows: pa.RecordBatch) -> dict[str, Tensor]:
        """What losses and metrics group rows by, int64 [B] each, as `keys_of` gives it."""
        return {
            name: torch.from_numpy(keys_of(rows.column(column), column)) for name, column in self._key_columns.items()
        }

    def spaces(self, rows: pa.RecordBatch) -> dict[str, NDArray[np.bool_]]:
        """Task name -> rows inside its space, bool [B], for the tasks that have one."""
        return {task.name: is_in_space(task.space, rows) for task in self._tasks if task.space is not None}

    def _column(self, rows: pa.RecordBatch, feature: str) -> pa.Array:
        return rows.column(self._columns[feature])

    def _domains(self, ids: dict[str, IdColumn], rows: pa.RecordBatch) -> NDArray[np.int64]:
        """Domain of each row [B]; when serving, the default in place of an unknown one."""
        if self._domain is None:
            return np.zeros(rows.num_rows, np.int64)
        domain = ids[self._domain].single(f"domain feature {self._domain!r}")
        is_unknown = domain == MISSING
        if self._serving and self.default_domain is not None:
            return np.where(is_unknown, self.default_domain, domain)
        if self._needs_domain and is_unknown.any():
            value = self._column(rows, self._domain)[int(is_unknown.argmax())].as_py()
            raise DataError(
                f"column '{self._columns[self._domain]}': {int(is_unknown.sum())} of {rows.num_rows} rows are of an "
                f"unknown domain, such as {value!r}, but the domain picks parts of the model; correct them, or, to "
                "score them all the same, set model_config.default_domain"
            )
        return domain

    def _id_of_default_domain(self, spec: PipelineSpec) -> int | None:
        """Id of the domain that stands in for an unknown one when serving."""
        default = spec.model.domain.default if spec.model.domain else None
        if self._domain is None or default is None:
            return None
        encoded, num_unknown = self._ids[self._domain](pa.array([default]))
        domain = int(encoded.single("model_config.default_domain")[0])
        if num_unknown or domain == MISSING:
            raise SpecError("model_config.default_domain", default, f"is no value that {self._domain!r} knows")
        return domain


def _has_table(feature: FeatureSpec) -> bool:
    return isinstance(feature, IdFeature) or bool(feature.boundaries)


def _id_encoder(feature: FeatureSpec) -> _EncodeIds:
    if isinstance(feature, IdFeature):
        return IdEncoder(feature)
    return IdEncoder(_as_ids(feature)) if feature.is_bucketized else NumberEncoder(feature).bucket_ids


def _as_ids(feature: RawFeature) -> IdFeature:
    """A column of bucket ids is read like any other column of ids; the default is such an id too."""
    return IdFeature(
        name=feature.name,
        column=feature.column,
        rule=Identity(rows=feature.rows),
        max_values=feature.value_dim or None,
        separator=feature.separator,
        default=tuple(str(int(value) if value.is_integer() else value) for value in feature.default),
    )


def keys_of(column: pa.Array, name: str) -> NDArray[np.int64]:
    """What tells the values of a column apart, int64 [B]: equal for equal values, NO_KEY for missing ones.

    Integers are their own keys, strings are hashed to 64 bits.

    Args:
        name: of the column, for errors.

    Raises:
        DataError: a value is neither, or a row has several.
    """
    cells = cells_of(column, separator=None)
    values = integers(cells.values, name)
    keys = np.full(len(values), NO_KEY, np.int64)
    present = values.drop_null()
    is_text = pa.types.is_string(values.type)
    keys[is_valid(values)] = murmur64(present).view(np.int64) if is_text else present.to_numpy()
    return IdColumn(keys, cells.offsets).single(f"key column {name!r}", missing=NO_KEY)


def _tensors(columns: dict[str, IdColumn]) -> dict[str, Ids]:
    """Hand the ids to torch; those with one id per row share one block of memory [S, B]."""
    singles = [name for name, column in columns.items() if column.offsets is None]
    block = torch.from_numpy(np.stack([columns[name].values for name in singles])) if singles else torch.empty(0)
    shared = dict(zip(singles, block.unbind(0), strict=True))
    return {
        name: Ids(
            values=shared[name] if name in shared else _tensor(column.values),
            offsets=None if column.offsets is None else _tensor(column.offsets),
            weights=None if column.weights is None else _tensor(column.weights),
        )
        for name, column in columns.items()
    }


def _tensor(array: NDArray[np.int64] | NDArray[np.float32]) -> Tensor:
    """Share the array's memory, but never write-protected memory of Arrow."""
    return torch.from_numpy(array if array.flags.writeable else array.copy())

"""`Encoder`: the one door through which rows become tensors, in training, evaluation and serving alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from peprank.batch import MISSING, Features, Ids, Targets
from peprank.data.place import telling_the_place
from peprank.encode.cells import cells_of, integers, is_valid, shown
from peprank.encode.encoded import EncodedRows
from peprank.encode.features import FeatureEncoders, Part
from peprank.encode.hashing import murmur64
from peprank.encode.ragged import IdColumn
from peprank.encode.targets import is_in_space, labels_of, weights_of
from peprank.errors import DataError, SpecError
from peprank.spec.feature import UNKNOWN_WORD, FeatureSpec, IdFeature, Vocabulary
from peprank.spec.pipeline import PipelineSpec

NO_KEY = int(np.iinfo(np.int64).min)  # key of a row whose cell is missing


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
        self._tables = [feature.name for feature in features if isinstance(feature, IdFeature) or feature.boundaries]
        self._encode = FeatureEncoders(features)
        self._num_domains = spec.model.num_domains
        domain = () if self._domain is None else (spec.feature(self._domain),)
        self._encode_domain = FeatureEncoders(domain)
        self._encode_listed_domain = FeatureEncoders([_with_listed_words(feature) for feature in domain])
        self._needs_domain = spec.model.picks_by_domain
        default = spec.model.domain.default if spec.model.domain else None
        self.default_domain = None if default is None else self.domain_id(default, "model_config.default_domain")
        self._stand_in = self.default_domain if serving else None

    def features(self, rows: pa.RecordBatch) -> Features:
        """Model inputs of B rows.

        Raises:
            DataError: a value that its feature cannot read, several domains in one row, or, where the domain picks
                parts of the model, an unknown one.
        """
        with telling_the_place(rows):
            encoded = self.encode({name: rows.column(name) for name in self._columns.values()}, rows.num_rows)
            if self._needs_domain:
                self._refuse_unknown_domains(encoded, rows)
            return self.assemble(encoded)

    def encode(self, columns: Mapping[str, pa.Array], num_rows: int) -> EncodedRows:
        """The features that read one of `columns`, conformed ones of B rows each.

        Raises:
            DataError: a value that its feature cannot read.
        """
        return self._encode((columns, num_rows))[0]

    def encode_parts(self, parts: Sequence[Part]) -> list[EncodedRows]:
        """`encode` for columns of different numbers of rows, one or more parts, which share no column."""
        return self._encode(*parts)

    def assemble(self, encoded: EncodedRows) -> Features:
        """Model inputs of rows whose features are all encoded; when serving, with the default for unknown domains.

        Raises:
            DataError: several domains in one row.
        """
        domain = self._domains(encoded)
        tensors = _tensors(encoded)
        ids = {name: tensors[name] for name in self._tables}
        if self._domain is not None and self._stand_in is not None:
            ids[self._domain] = Ids(_tensor(domain))  # the embedding of the domain follows
        scalars = zip(encoded.scalars.names, _tensor(encoded.scalars.values).unsqueeze(2).unbind(0), strict=True)
        numbers = dict(scalars) | {name: _tensor(values) for name, values in encoded.vectors.items()}
        return Features(encoded.num_rows, ids, numbers, _tensor(domain), encoded.unknown)

    def domain_id(self, value: str, place: str) -> int:
        """Id of the domain that a cell with this value would be of.

        Raises:
            SpecError: it would be of none; `place` says whose value it is. Or the plan tells no domains apart.
        """
        if self._domain is None:
            raise SpecError(place, value, "stands for unknown domains, but the plan names no domain_feature")
        (encoded,) = self._encode_domain(({self._columns[self._domain]: pa.array([value])}, 1))
        domain = int(encoded.ids(self._domain).single(place)[0])
        if encoded.unknown or domain == MISSING:
            raise SpecError(place, value, f"is no value that {self._domain!r} knows")
        return domain

    def is_domain(self, column: pa.Array) -> NDArray[np.bool_]:
        """Where conformed cells of the domain's column hold a domain that the plan lists, [B].

        Stricter than `features`: the id that a vocabulary keeps for unknown words is no domain that anybody means,
        unless a word has it too.

        Raises:
            DataError: several domains in one row.
        """
        assert self._domain is not None
        (encoded,) = self._encode_listed_domain(({self._columns[self._domain]: column}, len(column)))
        domain = encoded.ids(self._domain).single(f"domain feature {self._domain!r}")
        return (domain >= 0) & (domain < self._num_domains)

    def targets(self, rows: pa.RecordBatch) -> Targets:
        """Labels and weights [B, T], and keys of B rows.

        Raises:
            DataError: a label that its task cannot have, or a weight that is negative or not finite.
        """
        with telling_the_place(rows):
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

    def _domains(self, encoded: EncodedRows) -> NDArray[np.int64]:
        """Domain of each row [B]; when serving, the default in place of an unknown one."""
        if self._domain is None:
            return np.zeros(encoded.num_rows, np.int64)
        domain = encoded.ids(self._domain).single(f"domain feature {self._domain!r}")
        return domain if self._stand_in is None else np.where(domain == MISSING, self._stand_in, domain)

    def _refuse_unknown_domains(self, encoded: EncodedRows, rows: pa.RecordBatch) -> None:
        assert self._domain is not None
        is_unknown = self._domains(encoded) == MISSING
        if is_unknown.any():
            value = shown(rows.column(self._columns[self._domain])[int(is_unknown.argmax())])
            raise DataError(
                f"column '{self._columns[self._domain]}': {int(is_unknown.sum())} of {rows.num_rows} rows are of an "
                f"unknown domain, such as {value!r}, but the domain picks parts of the model; correct them, or, to "
                "score them all the same, set model_config.default_domain"
            )


def _with_listed_words(feature: FeatureSpec) -> FeatureSpec:
    """The feature with an id outside its table for words that no one listed."""
    if not isinstance(feature, IdFeature) or not isinstance(feature.rule, Vocabulary):
        return feature
    rule, outside = feature.rule, feature.rule.rows
    if rule.unknown in {index for word, index in zip(rule.words, rule.ids, strict=True) if word != UNKNOWN_WORD}:
        return feature
    ids = tuple(outside if index == rule.unknown else index for index in rule.ids)
    return replace(feature, rule=replace(rule, ids=ids, rows=outside + 1, unknown=outside))


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


def _tensors(encoded: EncodedRows) -> dict[str, Ids]:
    """Hand the ids to torch; those with one id per row share one block of memory [S, B]."""
    singles = dict(zip(encoded.singles.names, _tensor(encoded.singles.values).unbind(0), strict=True))
    return {name: Ids(values) for name, values in singles.items()} | {
        name: Ids(
            values=_tensor(bag.values),
            offsets=None if bag.offsets is None else _tensor(bag.offsets),
            weights=None if bag.weights is None else _tensor(bag.weights),
        )
        for name, bag in encoded.bags.items()
    }


def _tensor(array: NDArray[np.int64] | NDArray[np.float32]) -> Tensor:
    """Share the array's memory, but never write-protected memory of Arrow."""
    return torch.from_numpy(array if array.flags.writeable else array.copy())

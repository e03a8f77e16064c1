"""Which column stands where in the input of a folded network, and how features become those columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from peprank.batch import Features
from peprank.nn import EmbeddingGroups, Field
from peprank.nn.arena import Gathered, Lookup


class Layout:
    """Fields side by side, each once however often it is named."""

    def __init__(self, fields: Iterable[Field]) -> None:
        self.places: dict[Field, slice] = {}
        self.width = 0
        for field in dict.fromkeys(fields):
            self.places[field] = slice(self.width, self.width + field.dim)
            self.width += field.dim

    @property
    def fields(self) -> tuple[Field, ...]:
        """All of them, in order."""
        return tuple(self.places)

    def span(self, fields: Sequence[Field]) -> slice:
        """The columns of fields that stand side by side here."""
        return slice(self.places[fields[0]].start, self.places[fields[-1]].stop) if fields else slice(0, 0)

    def columns(self, fields: Iterable[Field]) -> Tensor:
        """Where the columns of `fields`, joined, stand here, int64."""
        places = [torch.arange(self.places[field].start, self.places[field].stop) for field in fields]
        return torch.cat(places) if places else torch.arange(0)

    def spread(self, matrix: Tensor, fields: Iterable[Field]) -> Tensor:
        """Rows [width, H] of a matrix [columns of `fields`, H], for an input that is laid out like this.

        Rows of a field that is named twice are added up; those of fields that do not stand here are left out.
        """
        spread, start = matrix.new_zeros(self.width, matrix.shape[1]), 0
        for field in fields:
            if field in self.places:
                spread[self.places[field]] += matrix[start : start + field.dim]
            start += field.dim
        return spread


class Reader:
    """Read fields side by side.

    Args:
        embeddings: tables and modules; they are read in place, not copied.
        fields: the columns, in order.

    Shapes: Features of B rows -> [B, D].
    """

    def __init__(self, embeddings: EmbeddingGroups, fields: Sequence[Field]) -> None:
        self._embeddings, self._fields = embeddings, tuple(fields)
        by_arena: dict[str, list[Lookup]] = {}
        for field in self._fields:
            if field.table is not None:
                by_arena.setdefault(embeddings.arena_of(field.table), []).append(Lookup(field.feature, field.table))
        self._lookups = [(embeddings.arena(name), tuple(lookups)) for name, lookups in by_arena.items()]
        self._plans: dict[_Gathers, list[_Part]] = {}

    def __call__(self, features: Features) -> Tensor:
        """The columns [B, D]."""
        gathered = [item for arena, lookups in self._lookups for item in arena.read(features, lookups)]
        parts = [self._columns(part, gathered, features) for part in self._plan(gathered)]
        if not parts:
            return torch.empty(features.num_rows, 0)
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def _columns(self, part: _Part, gathered: Sequence[Gathered], features: Features) -> Tensor:
        if isinstance(part, Field):
            return self._embeddings.of_numbers(part, features)
        return gathered[part.item].vectors[:, part.start : part.stop].flatten(1)

    def _plan(self, gathered: Sequence[Gathered]) -> list[_Part]:
        """Where the fields stand in what was gathered, which depends on the features that came with several ids."""
        key = tuple(item.lookups for item in gathered)
        if key not in self._plans:
            self._plans[key] = list(_parts(self._fields, key))
        return self._plans[key]


class _Run(NamedTuple):
    """Lookups that stand side by side in one of the gathered blocks."""

    item: int
    start: int
    stop: int


_Part: TypeAlias = _Run | Field
_Gathers: TypeAlias = tuple[tuple[Lookup, ...], ...]


def _parts(fields: Sequence[Field], gathers: _Gathers) -> Iterator[_Part]:
    """Runs as long as can be, and the fields that look up no table."""
    places = {lookup: (item, k) for item, lookups in enumerate(gathers) for k, lookup in enumerate(lookups)}
    run: _Run | None = None
    for field in fields:
        if field.table is None:
            yield from filter(None, [run])
            run = None
            yield field
            continue
        item, place = places[Lookup(field.feature, field.table)]
        if run is not None and (run.item, run.stop) == (item, place):
            run = run._replace(stop=place + 1)
        else:
            yield from filter(None, [run])
            run = _Run(item, place, place + 1)
    yield from filter(None, [run])

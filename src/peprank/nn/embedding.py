"""From encoded features to one tensor per feature group: the interface that models stand on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from peprank.batch import Features
from peprank.nn.arena import Arena, Gathered, Lookup, Table
from peprank.nn.domains import ByDomain, PerDomain


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One feature as a group sees it: vectors of `table`, numbers through `dense`, or the numbers as they are."""

    feature: str
    dim: int  # columns that it takes in the group's tensor
    table: str | None = None
    dense: str | None = None


class EmbeddingGroups(nn.Module):
    """Encoded features in, one tensor per feature group out.

    A feature that several groups read from one table is gathered once. A sharded engine can stand in this class's
    place: models use only the call, the training loop `arenas`, `split` and `join`.

    Args:
        tables: embedding tables.
        groups: the fields that each group joins, in order.
        dense: modules [B, V] -> [B, D] for numbers, by the name that `Field.dense` gives; with several domains those
            are `PerDomain`.
        num_domains: copies of each table, one per domain, which the row's domain picks; 1: all domains share one.
        seed: fixes the first values of the tables; None: they take no memory until `Arena.adopt` brings their values.

    Shapes: Features of B rows -> {group: float [B, D_g]}.

    Raises:
        DataError: an id lies outside its table, or, with several domains, a row's domain is none of them.
    """

    def __init__(
        self,
        tables: Sequence[Table],
        groups: Mapping[str, Sequence[Field]],
        *,
        dense: Mapping[str, nn.Module] | None = None,
        num_domains: int = 1,
        seed: int | None,
    ) -> None:
        super().__init__()
        self.num_domains = num_domains
        self.groups = {name: tuple(fields) for name, fields in groups.items()}
        arena_of = {table.name: table.arena for table in tables}
        lookups = _lookups(self.groups)
        self.arenas = nn.ModuleDict(
            {
                arena: Arena(
                    [table for table in tables if table.arena == arena],
                    [lookup for lookup in lookups if arena_of[lookup.table] == arena],
                    num_domains=num_domains,
                    seed=seed,
                )
                for arena in dict.fromkeys(arena_of.values())
            }
        )
        # A module's name may hold no dot and must not hide an attribute such as "type": hence the suffix.
        self.dense = nn.ModuleDict({_dense_key(name): module for name, module in (dense or {}).items()})

    def forward(self, features: Features) -> dict[str, Tensor]:
        """One tensor [B, D_g] per group."""
        return self.joined([item for arena in self.arenas.values() for item in arena(features)], features)

    def joined(self, gathered: list[Gathered], features: Features) -> dict[str, Tensor]:
        """The groups' tensors [B, D_g] of vectors that were gathered already; reads no ids of `features`."""
        columns = {k: v for item in gathered for k, v in zip(item.lookups, item.vectors.unbind(1), strict=True)}
        mapped: dict[tuple[str, str], Tensor] = {}
        return {name: self._join(fields, gathered, columns, mapped, features) for name, fields in self.groups.items()}

    def _join(
        self,
        fields: tuple[Field, ...],
        gathered: list[Gathered],
        columns: dict[Lookup, Tensor],
        mapped: dict[tuple[str, str], Tensor],
        features: Features,
    ) -> Tensor:
        lookups = tuple(Lookup(field.feature, field.table) for field in fields if field.table is not None)
        if len(lookups) == len(fields):
            for item in gathered:
                if item.lookups == lookups:
                    return item.vectors.flatten(1)  # the group is the gathered block as it lies: no copy
        parts = []
        for field in fields:
            if field.table is not None:
                parts.append(columns[Lookup(field.feature, field.table)])
            elif field.dense is not None:
                key = (field.feature, field.dense)
                if key not in mapped:
                    mapped[key] = self.of_numbers(field, features)
                parts.append(mapped[key])
            else:
                parts.append(self.of_numbers(field, features))
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def of_numbers(self, field: Field, features: Features) -> Tensor:
        """Columns [B, D] of a field that looks up no table."""
        numbers = features.numbers[field.feature]
        if field.dense is None:
            return numbers
        dense = self.dense[_dense_key(field.dense)]
        if not isinstance(dense, PerDomain):
            vectors: Tensor = dense(numbers)
            return vectors
        by = ByDomain(features.domain, self.num_domains)
        return by.restored(dense(by.gathered(numbers), by))

    def arena_of(self, table: str) -> str:
        """Name of the arena that a table lies in."""
        return next(name for name in self.arenas if table in self.arena(name).tables)

    def arena(self, name: str) -> Arena:
        """The arena called `name`."""
        arena = self.arenas[name]
        assert isinstance(arena, Arena)
        return arena

    def split(self, arena: str, rows: Tensor) -> dict[str, Tensor]:
        """Views, one per table, of a tensor whose rows are laid out like that arena's."""
        return self.arena(arena).split(rows)

    def join(self, arena: str, tables: Mapping[str, Tensor]) -> Tensor:
        """The inverse of `split`; the arena's zero row is zero."""
        return self.arena(arena).join(tables)


def _lookups(groups: Mapping[str, Iterable[Field]]) -> list[Lookup]:
    """Each (feature, table) once, the widest group's first: that group is then the gathered block itself."""
    widest_first = sorted(groups.values(), key=lambda fields: -len(list(fields)))
    return list(
        dict.fromkeys(Lookup(f.feature, f.table) for fields in widest_first for f in fields if f.table is not None)
    )


def _dense_key(name: str) -> str:
    return name.replace(".", "_") + "_dense"

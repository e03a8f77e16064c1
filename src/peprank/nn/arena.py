"""Embedding tables of one shape laid out after one another, so that one gather serves all of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from peprank.batch import MISSING, Features, Ids
from peprank.errors import DataError
from peprank.nn.domains import check_domains

Fill = Callable[[Tensor, torch.Generator], object]  # writes first values into a float32 table, in place


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One embedding table, rows x dim, of which there may be a copy per domain."""

    name: str
    rows: int
    dim: int
    is_mean: bool = False  # several ids of a row: their mean, else their sum
    is_half: bool = False  # stored as float16, computed as float32
    trainable: bool = True
    fill: Fill | None = None  # None: uniform in +-sqrt(1 / rows), as torchrec does

    @property
    def arena(self) -> str:
        """Name of the arena it lies in."""
        return f"dim{self.dim}{'_half' * self.is_half}{'_frozen' * (not self.trainable)}"


class Lookup(NamedTuple):
    """A feature read from a table."""

    feature: str
    table: str


class Gathered(NamedTuple):
    """Vectors of several lookups side by side."""

    lookups: tuple[Lookup, ...]
    vectors: Tensor  # float [B, number of lookups, dim]


class Arena(nn.Module):
    """Tables of one width, type and trainability in one parameter [1 + D x sum of rows, dim].

    Row 0 is zero and stays zero: MISSING ids read it. Each table follows, in the order given, its copy for domain 0
    first; the row's domain picks the copy. The gradient is a sparse COO tensor, so an optimiser sees only the rows that
    a batch touched.

    Args:
        tables: the tables, all of one `Table.arena`.
        lookups: what a batch reads, in the order of the gathered vectors.
        num_domains: D, copies of each table; 1: all domains share one.
        seed: with a table's name, fixes its first values whatever other tables there are; None: the arena takes no
            memory until `adopt` brings its values.
    """

    def __init__(
        self, tables: Sequence[Table], lookups: Sequence[Lookup], *, num_domains: int = 1, seed: int | None
    ) -> None:
        super().__init__()
        self.num_domains = num_domains
        first = tables[0]
        self.tables = {table.name: table for table in tables}
        self.places: dict[str, slice] = {}
        end = 1
        for table in tables:
            self.places[table.name] = slice(end, end + num_domains * table.rows)
            end = self.places[table.name].stop
        self.lookups = tuple(lookups)
        dtype = torch.float16 if first.is_half else torch.float32
        weight = torch.empty(end, first.dim, dtype=dtype, device="meta" if seed is None else None)
        self.weight = nn.Parameter(weight, requires_grad=first.trainable)
        if seed is not None and not weight.is_meta:
            self._fill(seed)

    def _fill(self, seed: int) -> None:
        """Draw the first values, tables side by side: each has a generator of its own, which runs in one thread."""
        rows = self.weight.detach()
        rows[0].zero_()
        largest_first = sorted(self.tables.values(), key=lambda table: -table.rows)
        with ThreadPoolExecutor(torch.get_num_threads()) as threads:
            list(threads.map(lambda table: self._draw(table, rows[self.places[table.name]], seed), largest_first))

    @torch.no_grad()
    def _draw(self, table: Table, values: Tensor, seed: int) -> None:
        """First values of one table and its copies [D x rows, dim], in place."""
        drawn = values.float() if table.is_half else values
        generator = torch.Generator().manual_seed(_table_seed(seed, table.name))
        for copy in drawn.view(self.num_domains, table.rows, table.dim):
            if table.fill is None:
                copy.uniform_(-(table.rows**-0.5), table.rows**-0.5, generator=generator)
            else:
                table.fill(copy, generator)
        if table.is_half:
            values.copy_(drawn)

    def adopt(self, rows: Tensor) -> None:
        """Use `rows`, shaped like `weight`, where they lie: in a mapped file, say."""
        self.weight = nn.Parameter(rows, requires_grad=self.weight.requires_grad)

    def split(self, rows: Tensor) -> dict[str, Tensor]:
        """Views of a tensor that is laid out like `weight`, one per table."""
        return {name: rows[place] for name, place in self.places.items()}

    def join(self, tables: Mapping[str, Tensor]) -> Tensor:
        """The inverse of `split`; row 0 is zero."""
        parts = [tables[name] for name in self.places]
        return torch.cat([parts[0].new_zeros(1, *parts[0].shape[1:]), *parts])

    def forward(self, features: Features) -> list[Gathered]:
        """Vectors of all lookups."""
        return self.read(features, self.lookups)

    def read(self, features: Features, lookups: Sequence[Lookup]) -> list[Gathered]:
        """Vectors of some lookups: one gather for single ids, one pooled gather for the others, each in this order."""
        ids = {lookup: features.ids[lookup.feature] for lookup in lookups}
        domain = features.domain if self.num_domains > 1 else None
        if domain is not None:
            check_domains(domain, self.num_domains)
        single = tuple(lookup for lookup in lookups if self._is_single(ids[lookup]))
        bags = tuple(lookup for lookup in lookups if lookup not in single)
        gathered = []
        if single:
            gathered.append(Gathered(single, self._gather(single, [ids[k].values for k in single], domain)))
        if bags:
            gathered.append(Gathered(bags, self._pool(bags, [ids[k] for k in bags], domain)))
        return gathered

    def _is_single(self, ids: Ids) -> bool:
        # A half table is read once, as bags: torch cannot add the sparse float16 gradients of two reads.
        return ids.offsets is None and ids.weights is None and self.weight.dtype != torch.float16

    def _gather(self, lookups: tuple[Lookup, ...], values: list[Tensor], domain: Tensor | None) -> Tensor:
        """Vectors [B, F, dim] of single ids."""
        ids = torch.stack(values, dim=1)  # [B, F]
        if len(ids):
            self._check(lookups, *ids.aminmax(dim=0))
        places = ids + ids.new_tensor([self.places[k.table].start for k in lookups])
        if domain is not None:
            places += domain[:, None] * ids.new_tensor([self.tables[k.table].rows for k in lookups])
        return self._read(places.masked_fill_(ids == MISSING, 0))

    def _pool(self, lookups: tuple[Lookup, ...], ids: list[Ids], domain: Tensor | None) -> Tensor:
        """Pooled vectors [B, F, dim]: bag f·B + b holds the ids of row b in lookup f."""
        bags = [_bags(item) for item in ids]
        for lookup, bag in zip(lookups, bags, strict=True):
            if len(bag.values):
                self._check((lookup,), *(bound[None] for bound in bag.values.aminmax()))
        places = [self._rows_of(lookup, bag, domain) for lookup, bag in zip(lookups, bags, strict=True)]
        lengths = [len(bag.values) for bag in bags]
        ends = [bag.offsets[1:] + sum(lengths[:f]) for f, bag in enumerate(bags)]
        factors = [
            _factors(bag, is_mean=self.tables[lookup.table].is_mean) for lookup, bag in zip(lookups, bags, strict=True)
        ]
        pooled = self._sum_bags(torch.cat(places), torch.cat([ends[0].new_zeros(1), *ends]), _join(factors, lengths))
        return pooled.view(len(lookups), len(bags[0].offsets) - 1, pooled.shape[1]).transpose(0, 1)

    def _rows_of(self, lookup: Lookup, bag: _Bags, domain: Tensor | None) -> Tensor:
        """Rows of the arena that the ids of a bag mean [N]."""
        places: Tensor = bag.values + self.places[lookup.table].start
        if domain is not None:
            shifts = domain * self.tables[lookup.table].rows  # [B]
            places += shifts.repeat_interleave(bag.offsets.diff(), output_size=len(places))
        return places.masked_fill_(bag.values == MISSING, 0)

    def _sum_bags(self, places: Tensor, offsets: Tensor, factors: Tensor | None) -> Tensor:
        """Sum of factor x row over each bag [number of bags, dim]."""
        if self.weight.dtype == torch.float16:  # sums are taken in float32, so the rows are read first
            rows = self._read(places).float()
            places = torch.arange(len(places), device=places.device)
            return _sum_bags(places, rows, offsets, factors)
        return _sum_bags(places, self.weight, offsets, factors, zero_row=0, sparse=self.weight.requires_grad)

    def _read(self, places: Tensor) -> Tensor:
        return F.embedding(places, self.weight, padding_idx=0, sparse=self.weight.requires_grad)

    def _check(self, lookups: tuple[Lookup, ...], low: Tensor, high: Tensor) -> None:
        """An id past its table would read another table's rows, so it must not pass."""
        rows = high.new_tensor([self.tables[k.table].rows for k in lookups])
        wrong = (low < MISSING) | (high >= rows)
        if wrong.any():
            k = int(wrong.nonzero()[0])
            value = int(low[k]) if low[k] < MISSING else int(high[k])
            raise DataError(
                f"feature '{lookups[k].feature}': id {value} is outside table '{lookups[k].table}': "
                f"ids must lie in [0, {int(rows[k])})"
            )


class _Bags(NamedTuple):
    values: Tensor  # int64 [N]
    offsets: Tensor  # int64 [B + 1]
    weights: Tensor | None  # float32 [N]


def _bags(ids: Ids) -> _Bags:
    """Ids with one bag per row; a single id is a bag of one (MISSING then reads the zero row)."""
    offsets = ids.offsets
    if offsets is None:
        offsets = torch.arange(len(ids.values) + 1, device=ids.values.device)
    return _Bags(ids.values, offsets, ids.weights)


def _factors(bag: _Bags, *, is_mean: bool) -> Tensor | None:
    """Factor of each id [N]: its weight, over the number of ids in its bag for a mean; None: all one."""
    if not is_mean:
        return bag.weights
    counts = bag.offsets.diff()
    share = counts.clamp(min=1).reciprocal().repeat_interleave(counts, output_size=len(bag.values))
    return share if bag.weights is None else share * bag.weights


def _join(factors: list[Tensor | None], lengths: list[int]) -> Tensor | None:
    """The factors of all bags [N]; None: all one."""
    given = [factor for factor in factors if factor is not None]
    if not given:
        return None
    ones = given[0].new_ones
    return torch.cat([ones(n) if factor is None else factor for factor, n in zip(factors, lengths, strict=True)])


def _sum_bags(
    places: Tensor,
    table: Tensor,
    offsets: Tensor,
    factors: Tensor | None,
    *,
    zero_row: int | None = None,
    sparse: bool = False,
) -> Tensor:
    return F.embedding_bag(
        places,
        table,
        offsets,
        mode="sum",
        sparse=sparse,
        include_last_offset=True,
        padding_idx=zero_row,
        per_sample_weights=None if factors is None else factors.to(table.dtype),
    )


def _table_seed(seed: int, name: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest()[:7], "big")

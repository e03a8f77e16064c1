"""What labelled rows hold: rows, positives, users and items per domain and task, and whom the domains share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from peprank.data import Column, ColumnKind, columns_of
from peprank.encode.targets import is_in_space
from peprank.evaluation import TaskKind
from peprank.evaluation.measures import kind_of
from peprank.evaluation.segments import MISSING_NAME, naming_of, value_names
from peprank.spec.feature import IdFeature, Side
from peprank.spec.model import TaskSpec
from peprank.spec.pipeline import PipelineSpec

ALL = "all"
_MOST_OVERLAPPED = 12  # domains whose users are compared with one another: 66 pairs
_MERGE_ROWS = 1_000_000


@dataclass(frozen=True, slots=True)
class TaskCount:
    """One binary task in one domain."""

    rows: int  # those inside the task's space, if it has one
    positives: int
    users: int | None  # with at least one positive; None: no column says whose row it is
    items: int | None


@dataclass(frozen=True, slots=True)
class DomainCount:
    """The rows of one domain."""

    domain: str
    rows: int
    users: int | None
    items: int | None
    tasks: Mapping[str, TaskCount]


@dataclass(frozen=True, slots=True)
class Overlap:
    """How many of a domain's users (or items) other domains have too."""

    domains: tuple[str, ...]  # [D] the largest ones
    shared: npt.NDArray[np.int64]  # [D, D] found in both; the diagonal is all of a domain's

    @property
    def share(self) -> npt.NDArray[np.float64]:
        """Part of the row's domain that the column's has too, [D, D]."""
        return self.shared / np.maximum(np.diagonal(self.shared)[:, None], 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """All counts of some rows."""

    whole: DomainCount
    domains: tuple[DomainCount, ...] = ()  # by falling rows; (): the plan has no domain
    keys: Mapping[str, pa.Array] = field(default_factory=dict)  # "users", "items" -> distinct values
    overlaps: Mapping[str, Overlap] = field(default_factory=dict)  # "users", "items"


def user_column(spec: PipelineSpec) -> str | None:
    """The column that says whose row it is: that of `gauc_feature`, else the first id on the user side."""
    if spec.evaluation.gauc_feature is not None:
        return spec.feature(spec.evaluation.gauc_feature).column
    return _first_id(spec, Side.USER)


def item_column(spec: PipelineSpec) -> str | None:
    """The column of what is shown: the first id on the item side."""
    return _first_id(spec, Side.ITEM)


def _first_id(spec: PipelineSpec, side: Side) -> str | None:
    ids = (feature.column for feature in spec.features if isinstance(feature, IdFeature) and feature.side is side)
    return next(ids, None)


class Counter:
    """Count rows batch by batch; memory grows with the distinct pairs of domain and user, and domain and item.

    Args:
        spec: names the domain and the tasks.
        user: column whose values are users; None: they are not counted.
        item: column whose values are items; None: they are not counted.
    """

    def __init__(self, spec: PipelineSpec, *, user: str | None, item: str | None) -> None:
        self._spec = spec
        self._tasks = [task for task in spec.model.tasks if kind_of(task) is TaskKind.BINARY]
        self._keys = {name: column for name, column in (("users", user), ("items", item)) if column is not None}
        self._domain = spec.feature(spec.model.domain.feature) if spec.model.domain else None
        self._naming = naming_of(self._domain) if self._domain else None
        self._rows = _Tally(("domain",))
        self._pairs = {name: _Tally(("domain", name)) for name in self._keys}

    @property
    def columns(self) -> tuple[Column, ...]:
        """What `add` needs of a row."""
        needed = {*self._keys.values(), *(task.label for task in self._tasks)}
        needed |= {task.space.label for task in self._tasks if task.space}
        needed |= {self._domain.column} if self._domain else set()
        plan = columns_of(self._spec, with_targets=True)
        others = needed - {column.name for column in plan}
        return (*(c for c in plan if c.name in needed), *(Column(name, ColumnKind.ANY) for name in sorted(others)))

    def add(self, rows: pa.RecordBatch) -> None:
        """Take in conformed rows.

        Raises:
            DataError: the values of the user or item column have no names, say because they are structs.
        """
        columns = {"domain": self._domain_names(rows)}
        columns |= {name: value_names(rows.column(column)) for name, column in self._keys.items()}
        columns |= {"rows": pa.array(np.ones(rows.num_rows, np.int64))}
        for k, task in enumerate(self._tasks):
            columns |= _task_columns(k, task, rows)
        table = pa.table(columns)
        for tally in (self._rows, *self._pairs.values()):
            tally.add(table)

    def result(self) -> Census:
        """Count what was added so far."""
        by_domain = self._rows.whole().sort_by([("rows", "descending"), ("domain", "ascending")])
        domains = tuple(self._count(name) for name in by_domain["domain"].to_pylist()) if self._domain else ()
        return Census(
            whole=self._count(None),
            domains=domains,
            keys={name: pc.unique(_known(pairs.whole(), name)[name]) for name, pairs in self._pairs.items()},
            overlaps={
                name: _overlap(_known(pairs.whole(), name), name, [count.domain for count in domains])
                for name, pairs in self._pairs.items()
                if len(domains) > 1
            },
        )

    def _domain_names(self, rows: pa.RecordBatch) -> pa.Array:
        if self._domain is None or self._naming is None:
            return pa.array([ALL] * rows.num_rows, pa.string())
        names = self._naming(rows.column(self._domain.column)).cast(pa.string()).fill_null("")
        return pc.if_else(pc.equal(names, ""), MISSING_NAME, names)

    def _count(self, domain: str | None) -> DomainCount:
        """Counts of one domain; None: of all rows."""
        rows = _of_domain(self._rows.whole(), domain)
        pairs = {name: _known(_of_domain(tally.whole(), domain), name) for name, tally in self._pairs.items()}
        return DomainCount(
            domain=ALL if domain is None else domain,
            rows=_sum(rows["rows"]),
            users=_distinct(pairs.get("users"), "users"),
            items=_distinct(pairs.get("items"), "items"),
            tasks={task.name: _task_count(k, rows, pairs) for k, task in enumerate(self._tasks)},
        )


class _Tally:
    """Sums of columns by the values of key columns."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = list(keys)
        self._parts: list[pa.Table] = []

    def add(self, table: pa.Table) -> None:
        """Take in rows with the keys, and sums over them with columns of numbers."""
        self._parts.append(self._summed(table))
        if sum(part.num_rows for part in self._parts[1:]) > _MERGE_ROWS:
            self.whole()

    def whole(self) -> pa.Table:
        """One row per distinct key."""
        if len(self._parts) > 1:
            self._parts = [self._summed(pa.concat_tables(self._parts))]
        return self._parts[0]

    def _summed(self, table: pa.Table) -> pa.Table:
        numbers = [name for name in table.column_names if pa.types.is_int64(table.schema.field(name).type)]
        summed = table.group_by(self._keys).aggregate([(name, "sum") for name in numbers])
        return summed.rename_columns([name.removesuffix("_sum") for name in summed.column_names])


def _task_columns(k: int, task: TaskSpec, rows: pa.RecordBatch) -> dict[str, pa.Array]:
    """Of the k-th task, 1 where a row is positive and 1 where it is inside the task's space."""
    positive = np.asarray(rows.column(task.label)) > 0
    inside = is_in_space(task.space, rows) if task.space else np.ones(rows.num_rows, bool)
    return {f"positives {k}": _ones(positive & inside), f"inside {k}": _ones(inside)}


def _ones(mask: npt.NDArray[np.bool_]) -> pa.Array:
    return pa.array(mask.astype(np.int64))


def _task_count(k: int, rows: pa.Table, pairs: Mapping[str, pa.Table]) -> TaskCount:
    active = {name: table.filter(pc.greater(table[f"positives {k}"], 0)) for name, table in pairs.items()}
    users, items = (_distinct(active.get(name), name) for name in ("users", "items"))
    return TaskCount(_sum(rows[f"inside {k}"]), _sum(rows[f"positives {k}"]), users, items)


def _of_domain(table: pa.Table, domain: str | None) -> pa.Table:
    return table if domain is None else table.filter(pc.equal(table["domain"], domain))


def _known(table: pa.Table, key: str) -> pa.Table:
    """Rows whose key is there."""
    return table.filter(pc.is_valid(table[key]))


def _distinct(table: pa.Table | None, key: str) -> int | None:
    return None if table is None else pc.count_distinct(table[key]).as_py()


def _sum(column: pa.ChunkedArray) -> int:
    return pc.sum(column).as_py() or 0


def _overlap(pairs: pa.Table, key: str, domains: Iterable[str]) -> Overlap:
    """Compare the largest domains' keys with one another."""
    shown = tuple(domains)[:_MOST_OVERLAPPED]
    codes = pairs[key].combine_chunks().dictionary_encode().indices.to_numpy()
    names = pairs["domain"].to_numpy()
    keys = [codes[names == domain] for domain in shown]
    shared = np.diag([len(some) for some in keys])
    for a, b in combinations(range(len(shown)), 2):
        shared[a, b] = shared[b, a] = len(np.intersect1d(keys[a], keys[b], assume_unique=True))
    return Overlap(shown, shared)

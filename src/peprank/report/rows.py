"""What the rows are: how many per domain and task, of how many users and items, and whom the domains share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow.compute as pc

from peprank.report import blocks
from peprank.report.blocks import Block, Cell, Column, Fold, Grid, Section, Text, table_of
from peprank.report.census import Census, DomainCount, Overlap
from peprank.report.figures import Map, heat_map

_NO_COLUMN = "no column says it; name one with --user or --item"
_WHO = ("users", "items")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Counted rows, and where they are from."""

    title: str  # "Training rows"
    paths: tuple[str, ...]
    census: Census | None
    problem: str = ""  # why they could not be counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """The rows of a run."""

    trained: Rows
    judged: Rows
    columns: Mapping[str, str | None]  # "users", "items" -> the column that tells them apart


def data_section(data: Data) -> Section:
    """Both sets of rows, then overlaps of the training rows' domains (of the judged rows', where those are gone)."""
    parts: list[Block] = [Text(_columns(data.columns))]
    for rows in (data.trained, data.judged):
        parts += _counts(rows)
    counted = data.trained if data.trained.census else data.judged
    if counted.census:
        parts += _overlaps(counted.census, counted.title)
    return Section("data", "Data", (*parts, *_known(data)))


def _columns(columns: Mapping[str, str | None]) -> str:
    named = [f"{who} are told apart by column {columns[who]}" for who in _WHO if columns[who]]
    missing = [f"no column is known to tell {who} apart" for who in _WHO if not columns[who]]
    text = " and ".join((*named, *missing))
    return f"{text[0].upper()}{text[1:]}; --user and --item name others."


def _counts(rows: Rows) -> Iterator[Block]:
    if rows.census is None:
        yield Text(f"{rows.title} could not be counted. {rows.problem}", "warning")
        return
    whole, domains = rows.census.whole, rows.census.domains
    counts = [whole, *domains]
    yield _domain_table(f"{rows.title}: {', '.join(rows.paths)}", counts, whole)
    if whole.tasks:
        yield Fold(f"{rows.title}: each task by domain", tuple(_task_table(task, counts) for task in whole.tasks))


def _domain_table(caption: str, counts: Sequence[DomainCount], whole: DomainCount) -> blocks.Table:
    columns: list[tuple[Column, Callable[[DomainCount], Cell]]] = [
        (Column("Domain", is_text=True), lambda count: blocks.words(count.domain)),
        (Column("Rows"), lambda count: blocks.count(count.rows)),
        (Column("Share"), lambda count: blocks.share(count.rows / max(whole.rows, 1))),
        (Column("Users"), lambda count: blocks.count(count.users, _NO_COLUMN)),
        (Column("Items"), lambda count: blocks.count(count.items, _NO_COLUMN)),
        *((Column(task, "Positives, and their share of the task's rows"), _positives(task)) for task in whole.tasks),
    ]
    return table_of(caption, counts, columns)


def _positives(task: str) -> Callable[[DomainCount], Cell]:
    def show(count: DomainCount) -> Cell:
        found = count.tasks[task]
        rate = f"{100 * found.positives / found.rows:.2f} %" if found.rows else ""
        return Cell(f"{found.positives:,}", float(found.positives), detail=rate)

    return show


def _task_table(task: str, counts: Sequence[DomainCount]) -> blocks.Table:
    return table_of(
        f"{task}: its rows and positives, and the users and items with at least one",
        counts,
        [
            (Column("Domain", is_text=True), lambda count: blocks.words(count.domain)),
            (
                Column("Rows", "Those inside the task's space, if it has one"),
                lambda c: blocks.count(c.tasks[task].rows),
            ),
            (Column("Positives"), lambda count: blocks.count(count.tasks[task].positives)),
            (Column("Rate"), lambda count: _rate(count, task)),
            (Column("Users"), lambda count: blocks.count(count.tasks[task].users, _NO_COLUMN)),
            (Column("Items"), lambda count: blocks.count(count.tasks[task].items, _NO_COLUMN)),
        ],
    )


def _rate(count: DomainCount, task: str) -> Cell:
    found = count.tasks[task]
    return blocks.share(found.positives / found.rows if found.rows else None, "no rows", 3)


def _overlaps(census: Census, title: str) -> Iterator[Block]:
    maps = [
        _overlap(census.overlaps[who], f"{title}: {who} that domains share") for who in _WHO if who in census.overlaps
    ]
    if maps:
        yield Text("Overlaps: of the users (items) of the domain on the left, how many the domain above has too.")
        yield Grid(tuple(maps))


def _overlap(overlap: Overlap, caption: str) -> blocks.Figure:
    shares, shared = overlap.share.tolist(), overlap.shared.tolist()
    notes = [
        [f"{share:.1%}: {both} of {line[k]}" for share, both in zip(row, line, strict=True)]
        for k, (row, line) in enumerate(zip(shares, shared, strict=True))
    ]
    item = Map(
        lines=overlap.domains,
        columns=overlap.domains,
        values=shares,
        texts=[[f"{100 * share:.0f}" for share in row] for row in shares],
        notes=notes,
        bounds=(0.0, 1.0),
        ticks={0.0: "0 %", 0.5: "50 %", 1.0: "100 %"},
    )
    return heat_map(f"{caption}, in percent", item)


def _known(data: Data) -> Iterator[Text]:
    """How much of what is judged the training rows have shown already."""
    trained, judged = data.trained.census, data.judged.census
    if trained is None or judged is None:
        return
    for who in _WHO:
        if who in trained.keys and len(judged.keys[who]):
            known = pc.sum(pc.is_in(judged.keys[who], value_set=trained.keys[who])).as_py()
            num = len(judged.keys[who])
            yield Text(
                f"Of {num:,} {who} in the judged rows, {known:,} ({known / num:.1%}) are in the training rows too."
            )

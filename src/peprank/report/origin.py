"""Where and when a run was trained and on which files, from its record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from peprank.data import Repairs
from peprank.record import RunRecord, Session
from peprank.report import blocks
from peprank.report.blocks import Block, Cell, Code, Column, Fold, Table, Text, table_of

_SPENT = ("training", "saving", "evaluating")


def origin(record: RunRecord | None, here: Mapping[str, str]) -> tuple[Block, ...]:
    """What the record tells; of a run that has none, where its page is made.

    Args:
        here: versions, processor and threads of this process.
    """
    return (_facts("Where this page was made", here),) if record is None else tuple(_told(record))


def _told(record: RunRecord) -> Iterator[Block]:
    yield _facts("Where it was trained", {**record.session.environment, "seed": str(record.seed), **_project(record)})
    yield _sessions(record)
    files = [(field, mark) for field, marks in record.data.items() for mark in marks]
    yield Fold(
        f"The files it read, {len(files):,}",
        (
            table_of(
                "Files of the last session; the hash is of the Parquet footer, or of both ends of a CSV file",
                files,
                [
                    (Column("File", is_text=True), lambda item: blocks.words(item[1].name)),
                    (Column("Named by", is_text=True), lambda item: blocks.words(item[0])),
                    (Column("Rows"), lambda item: blocks.count(item[1].num_rows, "CSV does not say how many rows")),
                    (Column("Bytes"), lambda item: blocks.count(item[1].num_bytes)),
                    (Column("Hash", is_text=True), lambda item: blocks.words(item[1].sha256[:16])),
                ],
            ),
        ),
    )
    yield from _repairs(record)
    if notes := [note for session in record.sessions for note in session.notes]:
        yield Fold(f"What it said, {len(notes):,} notes", (Code("\n".join(notes)),))


def _repairs(record: RunRecord) -> Iterator[Text]:
    """What the last session left out of its rows and replaced in them, by the field that names the files."""
    for field, repairs in record.session.repairs.items():
        for sentence in Repairs.from_json(repairs).sentences:
            yield Text(f"{field}: {sentence}.", "warning")


def _project(record: RunRecord) -> dict[str, str]:
    """The commit that the last session started at, if there was one."""
    project = record.session.project
    if project is None:
        return {}
    changes = {True: ", with changes that are in no commit", False: "", None: ", changes unknown"}
    return {"commit of your project": project.commit[:12] + changes[project.has_changes]}


def _sessions(record: RunRecord) -> Table:
    return table_of(
        "When it was trained, a row for each time that it was started",
        record.sessions,
        [
            (Column("Started", "UTC", is_text=True), lambda session: blocks.words(session.started_at[:19])),
            (Column("From step"), lambda session: blocks.count(session.first_step)),
            (Column("To step"), lambda session: blocks.count(session.last_step, "it ended without a word")),
            *((Column(what.title(), "Seconds"), _seconds(what)) for what in _SPENT),
            (Column("How it ended", is_text=True), lambda session: blocks.words(_end(session, record))),
        ],
    )


def _seconds(what: str) -> Callable[[Session], Cell]:
    return lambda session: blocks.number(session.seconds.get(what), 1, "nothing was told")


def _end(session: Session, record: RunRecord) -> str:
    """An earlier session that still says "running" was killed."""
    is_killed = session.ended_at is None and session is not record.session
    return "killed" if is_killed else session.outcome


def _facts(caption: str, facts: Mapping[str, str]) -> Table:
    return table_of(
        caption,
        list(facts.items()),
        [
            (Column("What", is_text=True), lambda item: blocks.words(item[0])),
            (Column("Which", is_text=True), lambda item: blocks.words(item[1])),
        ],
    )

"""What readers of all file formats have in common: which files they take, and what they do about bad ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar

import pyarrow as pa

from peprank.data.column import Column
from peprank.data.files import InputFile
from peprank.data.repairs import RepairLog
from peprank.data.unit import Unit
from peprank.errors import BadFileError, DataError
from peprank.spec.pipeline import BadValuePolicy

T = TypeVar("T")


class Source(Protocol):
    """Files of one format, as units of conformed rows."""

    files: tuple[InputFile, ...]  # those that are read
    unread: tuple[str, ...]  # columns of the files that nobody asked for
    schema: pa.Schema  # of all rows
    units: tuple[Unit, ...]  # in file order
    log: RepairLog  # what was left out so far
    is_exact: bool  # whether every unit is sure to give as many rows as it says

    def read(self, unit: Unit) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a unit in pieces of bounded size; units may be read from several threads at once."""


def drops_rows(columns: Sequence[Column]) -> bool:
    """Whether units may give fewer rows than their files have."""
    return any(column.on_bad is BadValuePolicy.DROP_ROW for column in columns)


def good_files(
    files: Sequence[InputFile], outcomes: Sequence[T | DataError], skip_bad_files: bool, log: RepairLog
) -> tuple[tuple[InputFile, ...], tuple[T, ...]]:
    """Return the files to read, and what was learnt of each; bad ones are left out if the plan says so.

    Args:
        outcomes: of the first look at each file: what was learnt, or what is wrong.

    Raises:
        DataError: with one line for each file that is bad or unfit, where bad ones may not be left out or all are bad.
    """
    errors = [outcome for outcome in outcomes if isinstance(outcome, DataError)]
    may_skip = skip_bad_files and len(errors) < len(files)
    if problems := [str(error) for error in errors if not (may_skip and isinstance(error, BadFileError))]:
        raise DataError("\n".join(problems))
    good = [(file, found) for file, found in zip(files, outcomes, strict=True) if not isinstance(found, DataError)]
    for file, found in zip(files, outcomes, strict=True):
        if isinstance(found, DataError):
            log.leave_out(file.name, str(found))
    return tuple(file for file, _ in good), tuple(found for _, found in good)

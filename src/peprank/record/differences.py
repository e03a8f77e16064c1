"""What is not as it was when a record was made: data, versions, machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from peprank.record.data import FileMark
from peprank.record.keeper import conditions, marks_of
from peprank.record.machine import PACKAGES
from peprank.record.record import RunRecord
from peprank.spec.pipeline import PipelineSpec

_DECIDING = (
    *PACKAGES,
    "processor",
    "threads",
    "device",
    "gpu",
    "precision",
)  # of the environment: those that move bits
_SHOWN = 5  # files that are told of


def differences(record: RunRecord, spec: PipelineSpec, device: str) -> tuple[str, ...]:
    """Say what differs between a recorded run and one of `spec` in this process; empty: the same bits are to come.

    Raises:
        TrainingError: there is no such device.
        DataError: the files of the plan are gone.
        OSError: a file cannot be read.
    """
    return (*_conditions(record, conditions(spec, device)), *_data(record, spec))


def _conditions(record: RunRecord, now: dict[str, str]) -> Iterator[str]:
    for name in _DECIDING:
        before = dict.fromkeys(session.environment.get(name, "none") for session in record.sessions)
        here = now.get(name, "none")
        if set(before) != {here}:
            yield f"{name}: {', then '.join(before)} -> {here}"


def _data(record: RunRecord, spec: PipelineSpec) -> Iterator[str]:
    if len({session.data_sha256 for session in record.sessions}) > 1:
        yield "data: changed between the sessions of the recorded run"
    for field, marks in marks_of(spec).items():
        yield from _files(field, record.data.get(field, ()), marks)


def _files(field: str, before: Sequence[FileMark], now: Sequence[FileMark]) -> Iterator[str]:
    """Files are compared in their order, so that data may lie elsewhere today."""
    if len(before) != len(now):
        yield f"{field}: {len(before)} files -> {len(now)} files"
        return
    changed = [(old, new) for old, new in zip(before, now, strict=True) if old.sha256 != new.sha256]
    for old, new in changed[:_SHOWN]:
        yield f"{field}: {new.name}: {_told(old)} -> {_told(new)}"
    if len(changed) > _SHOWN:
        yield f"{field}: and {len(changed) - _SHOWN} more files"


def _told(mark: FileMark) -> str:
    rows = "" if mark.num_rows is None else f"{mark.num_rows:,} rows, "
    return f"{rows}{mark.num_bytes:,} bytes, hash {mark.sha256[:8]}"

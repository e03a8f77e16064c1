"""Which rows a run has read: a mark per file that is cheap to take and changes when the file is written anew."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from peprank.data.csv import SUFFIXES as CSV_SUFFIXES
from peprank.data.files import InputFile, find_files
from peprank.data.parquet import SUFFIXES as PARQUET_SUFFIXES
from peprank.sealed import MANIFEST, digest
from peprank.spec.pipeline import DataSpec, FileFormat
from peprank.training import CheckpointStore

_END_BYTES = 1 << 20  # of a CSV file, at either end
_TAIL_BYTES = 8  # of a Parquet file: the footer's length, then "PAR1"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileMark:
    """What tells one file from another.

    The hash is not of the whole file, which would cost as much as an epoch of reading. Of a Parquet file it is that of
    the footer: schema, sizes, places and value ranges of every column of every row group. Of a CSV file it is that of
    the first and last MiB. An edit that keeps all of those is not seen. Of a checkpoint it is that of its manifest,
    which holds the hash of each of its files.
    """

    name: str  # as the config names it
    num_bytes: int
    num_rows: int | None  # None: CSV does not say, a checkpoint has none
    sha256: str  # of the footer, of both ends, or of the manifest


def file_marks(inputs: Sequence[str], spec: DataSpec) -> tuple[FileMark, ...]:
    """Return the marks of all files that `inputs` name, in their order.

    Raises:
        DataError: nothing is there.
        OSError: a file cannot be read.
    """
    is_parquet = spec.file_format is FileFormat.PARQUET
    files = find_files(inputs, PARQUET_SUFFIXES if is_parquet else CSV_SUFFIXES) if inputs else ()
    with ThreadPoolExecutor(max(spec.num_threads, 1)) as pool:
        return tuple(pool.map(_of_parquet if is_parquet else _of_ends, files))


def checkpoint_marks(path: Path) -> tuple[FileMark, ...]:
    """Return the mark of the checkpoint at `path`, or of the newest one of the model_dir that `path` is."""
    if not (path / MANIFEST).is_file():
        store = CheckpointStore(path)
        path = next((store.path(step) for step in reversed(store.steps())), path)
    manifest = path / MANIFEST
    if not manifest.is_file():
        return ()
    return (FileMark(name=str(path), num_bytes=manifest.stat().st_size, num_rows=None, sha256=digest(path)),)


def _of_parquet(file: InputFile) -> FileMark:
    """The mark of a Parquet file; of one that has no footer, which a run may leave out, that of its ends."""
    try:
        return _of_footer(file)
    except pa.ArrowException:
        return _of_ends(file)


def _of_footer(file: InputFile) -> FileMark:
    with file.open() as stream:
        num_bytes = stream.size()
        tail = stream.read_at(_TAIL_BYTES, num_bytes - _TAIL_BYTES)
        num_footer_bytes = int.from_bytes(tail[:4], "little") + _TAIL_BYTES
        footer = stream.read_at(num_footer_bytes, num_bytes - num_footer_bytes)
    num_rows = pq.read_metadata(pa.BufferReader(footer)).num_rows
    return FileMark(name=file.name, num_bytes=num_bytes, num_rows=num_rows, sha256=hashlib.sha256(footer).hexdigest())


def _of_ends(file: InputFile) -> FileMark:
    with file.open() as stream:
        num_bytes = stream.size()
        ends = stream.read_at(_END_BYTES, 0), stream.read_at(_END_BYTES, max(num_bytes - _END_BYTES, 0))
    sha256 = hashlib.sha256(b"".join(ends)).hexdigest()
    return FileMark(name=file.name, num_bytes=num_bytes, num_rows=None, sha256=sha256)

"""From what a user names (files, folders, globs, comma lists, URIs) to the files that are read, in a fixed order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs

from peprank.errors import DataError

WILDCARDS = "*?["


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file (or, while looking for files, a folder) in any file system that Arrow knows."""

    name: str  # as errors show it: the way the user wrote it
    path: str  # inside the file system
    file_system: pafs.FileSystem = field(hash=False)  # Arrow gives it no hash

    def open(self) -> pa.NativeFile:
        """Open for reads at any position."""
        return self.file_system.open_input_file(self.path)

    def open_stream(self) -> pa.NativeFile:
        """Open for reading front to back; `.gz`, `.bz2`, `.zst` and `.lz4` are unpacked on the way."""
        return self.file_system.open_input_stream(self.path, compression="detect")

    @property
    def num_bytes(self) -> int:
        """Length of the file."""
        return int(self.file_system.get_file_info(self.path).size)


def find_files(inputs: Sequence[str], suffixes: tuple[str, ...]) -> tuple[InputFile, ...]:
    """List the files that `inputs` name, in the order named; those of a folder or a glob sorted by name.

    Args:
        inputs: paths or URIs of files, of folders (all files below that end in one of `suffixes`; names that start
            with `.` or `_` are passed over), globs (`*`, `?`, `[ab]`, and `**` for folders at any depth), or several
            of these with commas between. In a URI `?` starts the options and is no wildcard.

    Raises:
        DataError: nothing is there, a glob matches nothing, a folder holds no such file, or a file is named twice.
    """
    places = [place for item in inputs for place in _split_commas(item)]
    if not places:
        raise DataError("no input is named; give at least one file, folder or glob")
    files = tuple(file for place in places for file in _find(place, suffixes))
    seen: dict[tuple[str, str], InputFile] = {}
    for file in files:
        if seen.setdefault((file.file_system.type_name, file.path), file) is not file:
            raise DataError(f"{file.name}: is named twice; its rows would count double, so name it once")
    return files


def _split_commas(item: str) -> Iterable[str]:
    if _is_local(item) and Path(item).exists():
        return (item,)
    return (part.strip() for part in item.split(",") if part.strip())


def _find(place: str, suffixes: tuple[str, ...]) -> list[InputFile]:
    try:
        root, pattern = _root(place)
        return _expand(root, pattern, place, suffixes)
    except OSError as error:
        raise DataError(f"{place}: cannot be listed; {str(error).splitlines()[0]}") from error


def _expand(root: InputFile, pattern: list[str], place: str, suffixes: tuple[str, ...]) -> list[InputFile]:
    if not _exists(root):
        raise DataError(f"{root.name}: no such file or folder{_near(root)}")
    found = list(_matches(root, pattern))
    if not found:
        raise DataError(f"{place}: no file matches{_holds(root)}")
    files = [file for entry in found for file in (_below(entry, suffixes) if _is_folder(entry) else (entry,))]
    if not files:
        raise DataError(f"{place}: no {' or '.join(suffixes)} file in this folder{_holds(found[0])}")
    return files


def _root(place: str) -> tuple[InputFile, list[str]]:
    """Split a place into the part before the first wildcard, opened, and the components from there on."""
    if _is_local(place):
        base, pattern = (place, []) if Path(place).exists() else _split_wildcards(place, WILDCARDS)
        return InputFile(base, str(Path(base).absolute()), pafs.LocalFileSystem()), pattern
    path, question, options = place.partition("?")
    base, pattern = _split_wildcards(path, WILDCARDS.replace("?", ""))
    try:
        file_system, inner = pafs.FileSystem.from_uri(base + question + options)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{place}: no such kind of place; copy the rows to files first ({reason})") from error
    return InputFile(base, inner, file_system), pattern


def _split_wildcards(place: str, wildcards: str) -> tuple[str, list[str]]:
    parts = place.split("/")
    first = next((k for k, part in enumerate(parts) if any(c in part for c in wildcards)), len(parts))
    base = "/".join(parts[:first])
    return ("/" if first and not base else base), parts[first:]


def _is_local(place: str) -> bool:
    return "://" not in place


def _matches(entry: InputFile, pattern: Sequence[str]) -> Iterator[InputFile]:
    """Walk down from `entry` along the components of a glob."""
    if not pattern:
        yield entry
        return
    if not _is_folder(entry):
        return
    head, *rest = pattern
    if head == "**":
        yield from _matches(entry, rest)
    for child in _children(entry):
        if head == "**":
            yield from _matches(child, pattern)
        elif fnmatchcase(_last(child), head):
            yield from _matches(child, rest)


def _below(folder: InputFile, suffixes: tuple[str, ...]) -> Iterator[InputFile]:
    for child in _children(folder):
        if _is_folder(child):
            yield from _below(child, suffixes)
        elif _last(child).endswith(suffixes):
            yield child


def _children(folder: InputFile) -> list[InputFile]:
    """Entries of a folder by name, without hidden ones and marks such as `_SUCCESS`."""
    infos = folder.file_system.get_file_info(pafs.FileSelector(folder.path))
    names = sorted(info.base_name for info in infos if not info.base_name.startswith((".", "_")))
    return [InputFile(_join(folder.name, name), _join(folder.path, name), folder.file_system) for name in names]


def _join(folder: str, name: str) -> str:
    return f"{folder.rstrip('/')}/{name}" if folder else name


def _last(entry: InputFile) -> str:
    return entry.path.rstrip("/").rpartition("/")[2]


def _exists(entry: InputFile) -> bool:
    return bool(entry.file_system.get_file_info(entry.path).type != pafs.FileType.NotFound)


def _is_folder(entry: InputFile) -> bool:
    return bool(entry.file_system.get_file_info(entry.path).type == pafs.FileType.Directory)


def _near(missing: InputFile) -> str:
    """Say what stands beside a name that does not exist."""
    parent, _, name = missing.path.rstrip("/").rpartition("/")
    folder = InputFile(missing.name.rstrip("/").rpartition("/")[0], parent or "/", missing.file_system)
    if not _is_folder(folder):
        return f"; neither is there a folder {folder.name!r}"
    near = get_close_matches(name, [_last(child) for child in _children(folder)], n=3)
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else _holds(folder)


def _holds(folder: InputFile) -> str:
    names = [_last(child) for child in _children(folder)] if _is_folder(folder) else []
    return f"; found {names[:5]}" + (f" and {len(names) - 5} more" if len(names) > 5 else "")

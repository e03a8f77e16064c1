"""From what a user names (files, folders, globs, comma lists, URIs) to the files that are read, in a fixed order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
import pyarrow.fs as pafs

from peprank.errors import DataError

WILDCARDS = "*?["
Stamp: TypeAlias = tuple[int | None, int | None]  # bytes, nanoseconds since 1970


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file (or, while looking for files, a folder) in any file system that Arrow knows."""

    name: str  # as errors show it: the way the user wrote it
    path: str  # inside the file system
    file_system: pafs.FileSystem = field(hash=False)  # Arrow gives it no hash
    is_folder: bool = False

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

    @property
    def stamp(self) -> Stamp:
        """Length and time of the last change, by which a file that is written anew is noticed; (None, None): gone."""
        info = self.file_system.get_file_info(self.path)
        return info.size, info.mtime_ns

    @contextmanager
    def unchanged(self, stamp: Stamp) -> Iterator[None]:
        """Read what had this stamp when it was first looked at; what goes wrong in a changed file is put down to that.

        Raises:
            DataError: the file has another stamp, before or after.
        """
        self._check(stamp)
        try:
            yield
        except DataError:
            self._check(stamp)
            raise
        self._check(stamp)

    def _check(self, stamp: Stamp) -> None:
        found = self.stamp
        if found == stamp:
            return
        sizes = f"{stamp[0]} bytes before, {found[0]} now" if found[0] != stamp[0] else "another time of change"
        what = "was removed" if found[0] is None else f"was changed ({sizes})"
        raise DataError(f"{self.name}: {what} while it was read; let whoever writes it finish, then start again")


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
        if (first := seen.setdefault(_identity(file), file)) is not file:
            also = f" (as {first.name} too)" if first.name != file.name else ""
            raise DataError(f"{file.name}: is named twice{also}; its rows would count double, so name it once")
    return files


def _identity(file: InputFile) -> tuple[str, str]:
    """The same for one file, whichever links lead to it."""
    kind = file.file_system.type_name
    return kind, str(Path(file.path).resolve()) if kind == "local" else file.path


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
    found = list(_matches(root, pattern))
    if not found:
        raise DataError(f"{place}: no file matches{_holds(root)}")
    files = [file for entry in found for file in (_below(entry, suffixes) if entry.is_folder else (entry,))]
    if not files:
        raise DataError(f"{place}: no {' or '.join(suffixes)} file in this folder{_holds(found[0])}")
    return files


def _root(place: str) -> tuple[InputFile, list[str]]:
    """Split a place into the part before the first wildcard, looked up, and the components from there on."""
    if _is_local(place):
        base, pattern = (place, []) if Path(place).exists() else _split_wildcards(place, WILDCARDS)
        return _look_up(base, str(Path(base).absolute()), pafs.LocalFileSystem()), pattern
    path, question, options = place.partition("?")
    base, pattern = _split_wildcards(path, WILDCARDS.replace("?", ""))
    try:
        file_system, inner = pafs.FileSystem.from_uri(base + question + options)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{place}: no such kind of place; copy the rows to files first ({reason})") from error
    return _look_up(base, inner, file_system), pattern


def _look_up(name: str, path: str, file_system: pafs.FileSystem) -> InputFile:
    kind = file_system.get_file_info(path).type
    entry = InputFile(name, path, file_system, is_folder=kind == pafs.FileType.Directory)
    if kind == pafs.FileType.NotFound:
        raise DataError(f"{name}: no such file or folder{_near(entry)}")
    return entry


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
        if child.is_folder:
            yield from _below(child, suffixes)
        elif _last(child).endswith(suffixes):
            yield child


def _children(entry: InputFile) -> list[InputFile]:
    """Entries of a folder by name, without hidden ones and marks such as `_SUCCESS`; a file has none."""
    if not entry.is_folder:
        return []
    infos = entry.file_system.get_file_info(pafs.FileSelector(entry.path))
    return [
        InputFile(_join(entry.name, info.base_name), info.path, entry.file_system, info.type == pafs.FileType.Directory)
        for info in sorted(infos, key=lambda info: info.base_name)
        if not info.base_name.startswith((".", "_"))
    ]


def _join(folder: str, name: str) -> str:
    return f"{folder.rstrip('/')}/{name}" if folder else name


def _last(entry: InputFile) -> str:
    return entry.path.rstrip("/").rpartition("/")[2]


def _near(missing: InputFile) -> str:
    """Say what stands beside a name that does not exist."""
    path = missing.path.rstrip("/").rpartition("/")[0] or "/"
    name = missing.name.rstrip("/").rpartition("/")[0]
    if missing.file_system.get_file_info(path).type != pafs.FileType.Directory:
        return f"; neither is there a folder {name!r}"
    folder = InputFile(name, path, missing.file_system, is_folder=True)
    near = get_close_matches(_last(missing), [_last(child) for child in _children(folder)], n=3)
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else _holds(folder)


def _holds(folder: InputFile) -> str:
    names = [_last(child) for child in _children(folder)]
    return f"; found {names[:5]}" + (f" and {len(names) - 5} more" if len(names) > 5 else "")

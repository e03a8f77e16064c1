"""What lies in a repository: bundles at <name>/<version>/, each with a stamp that changes when its files do."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from peprank.bundle import is_bundle
from peprank.errors import ArtifactError, SpecError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_NUMBER = re.compile(r"[1-9][0-9]{0,17}")

Stamp: TypeAlias = tuple[tuple[str, int, int, int], ...]  # name, bytes, time of change, inode of each file


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A version as it lies there."""

    path: Path
    stamp: Stamp  # of its files and the extra ones
    extras: tuple[Path, ...] = ()
    fault: str = ""  # why it cannot even be looked at

    def has_changed(self) -> bool:
        """Whether its files are no longer those that were found."""
        try:
            return not self.fault and stamp_of(self.path, self.extras) != self.stamp
        except OSError:
            return True


Models: TypeAlias = Mapping[str, Mapping[int, Found]]  # name -> version -> what was found


@dataclass(frozen=True, slots=True)
class Folder:
    """Where models lie: a repository, or one bundle, which is version 1 of its model.

    Args:
        root: the repository or bundle. Symbolic links below it are not followed.
        bundle_name: the bundle's model; None: a repository.
        extras: files, or folders of files, that every model is made with besides its bundle.
    """

    root: Path
    bundle_name: str | None = None
    extras: tuple[Path, ...] = ()

    @staticmethod
    def at(root: Path, name: str | None = None, extras: Sequence[Path] = ()) -> Folder:
        """See what `root` is.

        Args:
            name: of a bundle's model; None: the directory's.
            extras: files that every model is made with besides its bundle.

        Raises:
            ArtifactError: neither a bundle nor a repository.
            SpecError: the name is none that a request could give, or a repository was given one.
        """
        if is_bundle(root):
            given = root.resolve().name if name is None else name
            if not _NAME.fullmatch(given):
                raise SpecError(
                    "--name", given, "must be letters, digits, '.', '_' and '-', and begin with one of the first two"
                )
            return Folder(root, given, tuple(extras))
        if name is not None:
            raise SpecError(
                "--name", name, "is for one bundle; the models of a repository are called like their folders"
            )
        if not root.is_dir() or not Folder(root).look():
            raise ArtifactError(
                f"{root}: is neither a bundle (it has no bundle.json) nor a repository (it has no <name>/<version>/ "
                "of bundles); make a bundle with `peprank export`"
            )
        return Folder(root, extras=tuple(extras))

    def look(self) -> Models:
        """What lies there now; names that a request could not give are passed over.

        Raises:
            OSError: it cannot be read.
        """
        if self.bundle_name is not None:
            return {self.bundle_name: {1: _bundle(self.root, self.extras)}}
        found = {entry.name: dict(_versions(Path(entry.path), self.extras)) for entry in _folders(self.root)}
        return {name: versions for name, versions in found.items() if versions}


def _folders(root: Path) -> Iterator[os.DirEntry[str]]:
    with os.scandir(root) as entries:
        for entry in entries:
            if _NAME.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                yield entry


def _versions(folder: Path, extras: tuple[Path, ...]) -> Iterator[tuple[int, Found]]:
    with suppress(FileNotFoundError), os.scandir(folder) as entries:  # removed since its name was read
        for entry in entries:
            if _NUMBER.fullmatch(entry.name):
                with suppress(FileNotFoundError):
                    yield int(entry.name), _found(entry, extras)


def _found(entry: os.DirEntry[str], extras: tuple[Path, ...]) -> Found:
    path = Path(entry.path)
    if entry.is_symlink():
        return Found(path=path, stamp=_of(entry), fault="is a symbolic link; put the bundle itself here")
    if not entry.is_dir():
        return Found(path=path, stamp=_of(entry), fault="is no directory; a version is a bundle, which is one")
    try:
        return _bundle(path, extras)
    except PermissionError:
        return Found(path=path, stamp=_of(entry), fault="cannot be read; let the server's user read it")


def _bundle(path: Path, extras: tuple[Path, ...]) -> Found:
    return Found(path=path, stamp=stamp_of(path, extras), extras=extras)


def stamp_of(path: Path, extras: Sequence[Path] = ()) -> Stamp:
    """The stamp of a bundle's files, and of others, as they are now.

    Raises:
        OSError: the bundle cannot be read.
    """
    with os.scandir(path) as entries:
        own = sorted(part for entry in entries for part in _of(entry))
    return (*own, *(part for extra in extras for part in _of_extra(extra)))


def _of(entry: os.DirEntry[str]) -> Stamp:
    about = entry.stat(follow_symlinks=False)
    return ((entry.name, about.st_size, about.st_mtime_ns, about.st_ino),)


def _of_extra(path: Path) -> Stamp:
    try:
        if path.is_dir():
            return stamp_of(path)
        about = path.stat()
    except OSError:  # whoever reads it will say so
        return ()
    return ((path.name, about.st_size, about.st_mtime_ns, about.st_ino),)

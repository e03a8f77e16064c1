"""Sealed directories: written beside and renamed, with a manifest of hashes, so that they are whole or absent.

Checkpoints and bundles are sealed. A flipped bit in a safetensors file loads without a word, so every file is
hashed when it is written and again before it is read.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from peprank.errors import ArtifactError

MANIFEST = "manifest.json"
_CHUNK_BYTES = 1 << 20
_HERE, _EXCHANGE = -100, 2  # AT_FDCWD of <fcntl.h>; RENAME_EXCHANGE of <linux/fs.h> and RENAME_SWAP of macOS


@contextmanager
def sealing(path: Path) -> Iterator[Path]:
    """Give an empty directory to fill; on leaving, seal it and move it to `path`, replacing a sealed one there.

    When the body raises, nothing of it stays and whatever was at `path` is untouched.

    Raises:
        ArtifactError: something that is not a sealed directory stands at `path`.
    """
    if path.exists() and not (path / MANIFEST).is_file():
        raise ArtifactError(f"{path}: exists and is nothing that peprank wrote; choose another place or remove it")
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    try:
        yield beside
        _write_manifest(beside)
        _move(beside, path)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def verify(path: Path) -> None:
    """Check every file of a sealed directory against its manifest.

    Raises:
        ArtifactError: a file is missing, added, truncated or changed; the message names it.
    """
    try:
        text = (path / MANIFEST).read_text("utf-8")
        files = json.loads(text)["files"]
        expected = {str(name): (int(entry["bytes"]), str(entry["sha256"])) for name, entry in files.items()}
        if text != _manifest(files):
            raise ValueError("it is not as it was written")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(
            f"{path / MANIFEST}: cannot be read ({_reason(error)}); the directory is not whole"
        ) from error
    found = {name for name in _files(path) if name != MANIFEST}
    for name in sorted(found - expected.keys()):
        raise ArtifactError(f"{path / name}: is not in the manifest; remove it or write the directory again")
    for name, (num_bytes, _) in expected.items():
        file = path / name
        if name not in found:
            raise ArtifactError(f"{file}: is missing; the directory is not whole")
        if file.stat().st_size != num_bytes:
            raise ArtifactError(
                f"{file}: has {file.stat().st_size} bytes, the manifest says {num_bytes}; it is damaged"
            )
    for name, (_, sha256) in expected.items():  # after all sizes: a copy that is not finished is noticed at once
        if _sha256(path / name) != sha256:
            raise ArtifactError(f"{path / name}: its SHA-256 differs from the manifest's; it is damaged")


def digest(path: Path) -> str:
    """SHA-256 of a sealed directory's manifest, in hex: it names the contents of all files.

    Raises:
        OSError: there is no manifest.
    """
    return _sha256(path / MANIFEST)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path to write a file to; on leaving, it takes the place of `path`.

    A reader sees the old file or the new one, never half of it. When the body raises, the old one stays.

    Raises:
        OSError: it cannot be written; names `path`, whichever step failed.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield beside
            _sync(beside)
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
        _sync(path.parent)
    except OSError as error:
        raise OSError(error.errno, _reason(error), str(path)) from error


def write_whole(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with replacing(path) as beside:
        beside.write_text(text, "utf-8")


def _write_manifest(directory: Path) -> None:
    files: dict[str, dict[str, object]] = {}
    for name in _files(directory):
        file = directory / name
        _sync(file)
        files[name] = {"bytes": file.stat().st_size, "sha256": _sha256(file)}
    manifest = directory / MANIFEST
    manifest.write_text(_manifest(files), "utf-8")
    for place in (manifest, *(d for d in directory.rglob("*") if d.is_dir()), directory):
        _sync(place)


def _manifest(files: Mapping[str, Mapping[str, object]]) -> str:
    return json.dumps({"format": 1, "files": files}, indent=1) + "\n"


def _move(source: Path, target: Path) -> None:
    """Rename; a directory in the way takes the place of `source`, in the same step where the system can do that."""
    if not target.exists():
        source.rename(target)
    elif not _exchange(source, target):
        old = target.with_name(f".{target.name}.{os.getpid()}.old")  # a rename cannot replace what is not empty
        target.rename(old)
        source.rename(target)
        shutil.rmtree(old, ignore_errors=True)
    _sync(target.parent)


def _exchange(one: Path, other: Path) -> bool:
    """Let two paths change places, so that at no time one of them is missing; False where that cannot be done."""
    libc, paths = ctypes.CDLL(None), (os.fsencode(one), os.fsencode(other))
    if hasattr(libc, "renameat2"):  # Linux
        return bool(libc.renameat2(_HERE, paths[0], _HERE, paths[1], _EXCHANGE) == 0)
    if hasattr(libc, "renamex_np"):  # macOS
        return bool(libc.renamex_np(*paths, _EXCHANGE) == 0)
    return False


def _files(directory: Path) -> list[str]:
    """Names of all files below, relative and sorted.

    Raises:
        ArtifactError: a symbolic link, which could lead outside.
    """
    entries = sorted(directory.rglob("*"))
    for entry in entries:
        if entry.is_symlink():
            raise ArtifactError(f"{entry}: is a symbolic link; sealed directories hold plain files only")
    return [entry.relative_to(directory).as_posix() for entry in entries if entry.is_file()]


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).strip()

"""All states that a folder goes through while something writes into it, as a crash could leave them."""

from __future__ import annotations

import os
import random
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

_EVENTS = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.truncate", "ctypes.dlsym"}
_listening: list[Callable[[], None]] = []


def _hook(event: str, _arguments: tuple[Any, ...]) -> None:
    if event in _EVENTS:
        for listener in tuple(_listening):
            listener()


sys.addaudithook(_hook)  # stays for ever, so that it is one for all tests


@dataclass(frozen=True)
class State:
    """Contents by relative path; None is a folder."""

    files: dict[str, bytes | None]

    def write(self, folder: Path) -> Path:
        """Make `folder` look like this."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name, content in self.files.items():
            path = folder / name
            if content is None:
                path.mkdir()
            else:
                path.write_bytes(content)
        return folder


@dataclass
class Watched:
    """Notes the state of a folder before every operation on files, and which contents have reached the disk."""

    folder: Path
    states: list[dict[str, tuple[int, bytes | None]]] = field(default_factory=list)  # path -> inode, content
    durable: list[dict[int, bytes]] = field(default_factory=list)  # inode -> content, at each state
    _synced: dict[int, bytes] = field(default_factory=dict)

    def run(self, act: Callable[[], object], patch: pytest.MonkeyPatch) -> None:
        """Do something and watch."""
        self._synced = {inode: content for inode, content in self._now().values() if content is not None}
        sync = os.fsync

        def watched_sync(descriptor: int) -> None:
            self._note()
            sync(descriptor)
            inode = os.fstat(descriptor).st_ino
            self._synced |= {i: content for i, content in self._now().values() if i == inode and content is not None}

        with patch.context() as during:
            during.setattr(os, "fsync", watched_sync)
            _listening.append(self._note)
            act()
            _listening.clear()
        self._note()

    def _note(self) -> None:
        now = self._now()
        if not self.states or now != self.states[-1] or self._synced != self.durable[-1]:
            self.states.append(now)
            self.durable.append(dict(self._synced))

    def _now(self) -> dict[str, tuple[int, bytes | None]]:
        listening, _listening[:] = _listening[:], []  # reading opens files too
        paths = sorted(self.folder.rglob("*"))
        now = {
            str(path.relative_to(self.folder)): (path.stat().st_ino, path.read_bytes() if path.is_file() else None)
            for path in paths
        }
        _listening[:] = listening
        return now

    def crashes(self, num_cuts: int) -> Iterator[State]:
        """What a killed process leaves, also within each write, and a machine without power, in their order.

        Args:
            num_cuts: how many lengths to cut each file to that was just written.
        """
        draw = random.Random(3)
        before: dict[str, tuple[int, bytes | None]] = {}
        for now, durable in zip(self.states, self.durable, strict=True):
            whole = {name: content for name, (_, content) in now.items()}
            written = [name for name, value in now.items() if value[1] and before.get(name) != value]
            for name in written if before else ():
                content, kept = whole[name], durable.get(now[name][0], b"")
                assert content is not None
                first = len(kept) if content.startswith(kept) else 0  # what was appended to is not cut
                for _ in range(num_cuts):
                    yield State({**whole, name: content[: draw.randint(first, len(content))]})
            yield State(whole)
            lost = {name: durable.get(inode, b"") for name, (inode, content) in now.items() if content is not None}
            if lost != {name: content for name, content in whole.items() if content is not None}:
                yield State({**whole, **lost})
            before = now

"""No name that a client or a folder can give leads out of the repository (the short form)."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import pytest

from peprank.errors import RequestError
from peprank.serve.model import ServedModel
from peprank.serve.repository import Repository
from tests.serve.models import load_made_up, put

_NUM_NAMES = 1000
_PARTS = (
    *("..", ".", "...", "/", "//", "\\", "..\\", "%2e%2e", "%2f", "%5c", "%00", "\0", "~", "$HOME", "#", "?", "*", " "),
    *("\n", "\r\n", "\t", "\u2024\u2024", "\uff0e\uff0e", "\u2025", "\u2215", "\uff0f", "\u202e", "\udcff", "\ufeff"),
    *("etc", "passwd", "outside", "secret", "link", "ctr", "1", "2", "01", "-1", "\u0661", "C:", "file:", "http://"),
    *("a" * 300, ".ctr", "content"),
)
_opened: list[Path] | None = None  # while someone watches; a hook cannot be taken away


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if _opened is not None and event in ("open", "os.scandir", "os.listdir") and isinstance(arguments[0], str | bytes):
        path = arguments[0] if isinstance(arguments[0], str) else arguments[0].decode("utf-8", "surrogateescape")
        _opened.append(Path(path))


@pytest.fixture(scope="module")
def _watched() -> None:
    sys.addaudithook(_hook)


@contextmanager
def opened_files() -> Iterator[list[Path]]:
    """Every file and folder that this process opens within the block."""
    global _opened
    _opened = []
    try:
        yield _opened
    finally:
        _opened = None


def evil_names() -> Iterator[str]:
    rng = random.Random(0)
    for _ in range(_NUM_NAMES):
        yield "".join(rng.choices(_PARTS, k=rng.randint(1, 6)))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with links that lead out of it, and folders with names that no request can give."""
    outside = put(tmp_path / "outside" / "1", "secret")
    root = tmp_path / "models"
    put(root / "ctr" / "1", "good")
    (root / "link").symlink_to(outside.parent)
    (root / "ctr" / "2").symlink_to(outside)
    (root / "ctr" / "latest").symlink_to(outside)
    for name in (".hidden", "..ctr", "-x", "a b", "\uff0e\uff0e", "a" * 129):
        put(root / name / "1", "secret")
    for version in ("0", "01", "+3", "3.0", "\u0663", "9" * 19):
        put(root / "ctr" / version, "secret")
    return root


def check_refused(get: Callable[[], AbstractContextManager[ServedModel]]) -> None:
    with pytest.raises(RequestError) as refused, get():
        pass
    assert refused.value.status == 404
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 1000


@pytest.mark.usefixtures("_watched")
def test_no_name_opens_a_file_outside_the_repository(root: Path) -> None:
    repository = Repository(root, load_made_up)
    repository.start()
    names = [name for name in evil_names() if name not in ("ctr", "1")]
    with opened_files() as opened:
        for name in names:
            for get in (partial(repository.get, name), partial(repository.get, "ctr", name)):
                check_refused(get)
            for change in (repository.load, repository.unload):
                with pytest.raises(RequestError, match="is unknown"):
                    change(name)
    assert len(opened) > len(names), "the hook sees nothing"
    assert {path for path in opened if not path.resolve().is_relative_to(root)} == set()


def test_links_are_refused_and_odd_folders_are_passed_over(root: Path) -> None:
    repository = Repository(root, load_made_up)
    repository.start()
    assert repository.index() == [
        {"name": "ctr", "version": "1", "state": "READY", "reason": ""},
        {
            "name": "ctr",
            "version": "2",
            "state": "UNAVAILABLE",
            "reason": "is a symbolic link; put the bundle itself here",
        },
    ]


def test_the_repository_itself_may_be_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to(root)
    repository = Repository(tmp_path / "current", load_made_up)
    repository.start()
    assert repository.names() == ("ctr",)

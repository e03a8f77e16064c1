"""No name that a client or a folder can give leads out of the repository."""

from __future__ import annotations

import http.client
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pytest

from peprank.errors import RequestError
from peprank.serve.app import create_app
from peprank.serve.metrics import Metrics
from peprank.serve.model import ServedModel
from peprank.serve.queue import ModelQueue, QueueSettings
from peprank.serve.repository import Repository
from peprank.serve.settings import Settings
from tests.promises import Reached, Times
from tests.serve.models import load_made_up, put
from tests.serve.running import running
from tests.serve.talk import Answer, check

_NAMES = 500, 10_000  # short, full
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


def evil_names(count: int) -> list[str]:
    rng = random.Random(0)
    names = ("".join(rng.choices(_PARTS, k=rng.randint(1, 6))) for _ in range(count))
    return [name for name in names if name not in ("ctr", "1")]


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


@pytest.mark.promise("R-33", "names")
@pytest.mark.usefixtures("_watched")
def test_no_name_opens_a_file_outside_the_repository(root: Path, times: Times, reached: Reached) -> None:
    repository = Repository(root, load_made_up)
    repository.start()
    names = evil_names(times(*_NAMES))
    with opened_files() as opened:
        for name in names:
            for get in (partial(repository.get, name), partial(repository.get, "ctr", name)):
                check_refused(get)
            for change in (repository.load, repository.unload):
                with pytest.raises(RequestError, match="is unknown"):
                    change(name)
    assert len(opened) > len(names), "the hook sees nothing"
    assert {path for path in opened if not path.resolve().is_relative_to(root)} == set()
    reached(f"{len(names):,} names, 0 files opened outside the root")


@pytest.mark.promise("R-33", "names in addresses")
@pytest.mark.usefixtures("_watched")
def test_no_address_opens_a_file_outside_the_repository(root: Path, times: Times, reached: Reached) -> None:
    repository, metrics = Repository(root, load_made_up), Metrics()
    repository.start()
    app = create_app(repository, ModelQueue(QueueSettings(), metrics), metrics, Settings(path=root))
    addresses = list(evil_addresses(times(*_NAMES)))
    with running(app) as port, opened_files() as opened, closing(connect(port)) as client:
        for method, address in addresses:
            client.request(method, address)
            response = client.getresponse()
            answer = Answer(response.status, response.read())
            assert answer.status >= 400, address
            check(answer)
    assert {path for path in opened if not path.resolve().is_relative_to(root)} == set()
    reached(f"{len(addresses):,} addresses over HTTP, 0 files opened outside the root")


def connect(port: int) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", port, timeout=120)


def evil_addresses(count: int) -> Iterator[tuple[str, str]]:
    """Methods and paths with evil names in them, encoded more or less."""
    rng = random.Random(1)
    for name in evil_names(count):
        encoded = quote(name, safe=rng.choice(("", "/", "/%", "%.~:*")), errors="surrogatepass")
        yield rng.choice(
            (
                ("GET", f"/v2/models/{encoded}"),
                ("GET", f"/v2/models/ctr/versions/{encoded}"),
                ("POST", f"/v2/models/{encoded}/infer"),
                ("POST", f"/v2/models/ctr/versions/{encoded}/infer"),
                ("POST", f"/v2/repository/models/{encoded}/load"),
            )
        )


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

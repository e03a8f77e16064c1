"""What is read runs no code: no unpickling, no eval, no network, in the source and at run time; poison stays poison."""

from __future__ import annotations

import ast
import contextlib
import io
import pickle
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from peprank import api
from peprank import bundle as bundles
from peprank.bundle import ConfigSource
from peprank.errors import PeprankError
from peprank.models import build
from peprank.sealed import MANIFEST, sealing
from peprank.training import CheckpointStore
from tests import tiny
from tests.promises import Reached

SRC = Path(__file__).resolve().parents[1] / "src" / "peprank"

_EVENTS = (
    "pickle.find_class",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "subprocess.Popen",
    "socket.connect",
    "socket.getaddrinfo",
)
_watching: list[list[str]] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    is_git = event == "subprocess.Popen" and arguments[0] == "git"  # which commit a run was made from
    if _watching and event in _EVENTS and not is_git:
        _watching[-1].append(f"{event} {arguments}")


sys.addaudithook(_hook)  # stays for ever, but sees nothing outside `watched`


@contextmanager
def watched() -> Iterator[list[str]]:
    """What of the forbidden is done within the block."""
    _watching.append([])
    try:
        yield _watching[-1]
    finally:
        _watching.pop()


class Poison:
    """Writes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def _zip(content: bytes, name: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(name, content)
    return stream.getvalue()


def _saved(save: Callable[[io.BytesIO], object]) -> bytes:
    stream = io.BytesIO()
    save(stream)
    return stream.getvalue()


def payloads(mark: Path) -> dict[str, bytes]:
    """Files that run code in a reader that unpickles."""
    poison = Poison(mark)
    pickled = pickle.dumps(poison)
    objects = np.array([poison], dtype=object)
    return {
        "pickle": pickled,
        "torch.save": _saved(lambda stream: torch.save(poison, stream)),
        "torch.save of old": _saved(lambda stream: torch.save(poison, stream, _use_new_zipfile_serialization=False)),
        "numpy objects": _saved(lambda stream: np.save(stream, objects, allow_pickle=True)),
        "numpy archive": _saved(lambda stream: np.savez(stream, objects)),
        "exported program": _zip(pickled, "archive/data.pkl"),
        "python": f"import pathlib; pathlib.Path({str(mark)!r}).touch()\n".encode(),
    }


PLACES = ("weights.safetensors", "bundle.json", "pipeline.config", "golden_rows.parquet")
EXTRAS = ("model.pt", ".metadata", "sitecustomize.py", "torch.py", "peprank.py")
KINDS = tuple(payloads(Path("mark")))


def resealed(bundle: Path, name: str, content: bytes) -> Path:
    """A bundle with a poisoned file that its manifest knows."""
    with sealing(bundle.with_name("poisoned")) as directory:
        shutil.copytree(bundle, directory, dirs_exist_ok=True)
        (directory / MANIFEST).unlink()
        (directory / name).write_bytes(content)
    return bundle.with_name("poisoned")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "bundle"
    source = ConfigSource(text=tiny.CONFIG, assets={})
    bundles.save(path, source, build(source.lower().spec.model).weights(), tiny.rows(8), step=1)
    return path


def read_all(store: CheckpointStore) -> None:
    checkpoint = store.read()
    assert checkpoint.weights()
    assert checkpoint.training()


@pytest.mark.promise("R-34", "poisoned artifacts")
def test_poisoned_bundles_and_checkpoints_run_nothing(bundle: Path, tmp_path: Path, reached: Reached) -> None:
    mark, num = tmp_path / "mark", 0
    pickle.loads(payloads(mark)["pickle"])
    assert mark.exists(), "the poison works"
    mark.unlink()
    for content in payloads(mark).values():
        for name in PLACES:
            with watched() as done, pytest.raises(PeprankError):
                bundles.load(resealed(bundle, name, content))
            assert (done, mark.exists()) == ([], False)
            num += 1
        for name in EXTRAS:
            with watched() as done:
                bundles.load(resealed(bundle, name, content))  # it is not read
            assert (done, mark.exists()) == ([], False)
            num += 1
        for name in ("weights.safetensors", "training.safetensors", "state.json"):
            store = CheckpointStore(tmp_path / "model")
            store.save({"step": 1, "plan": {}}, {"w": torch.zeros(1)}, {"r": torch.zeros(1)}, {})
            poisoned = resealed(store.path(1), name, content)
            shutil.rmtree(store.path(1))
            poisoned.rename(store.path(1))
            with watched() as done, pytest.raises(PeprankError):
                read_all(store)
            assert (done, mark.exists()) == ([], False)
            shutil.rmtree(store.model_dir)
            num += 1
    reached(f"{num} poisoned artifacts, {len(KINDS)} kinds of content in {num // len(KINDS)} places: none ran code")


@pytest.mark.promise("R-34", "poisoned rows")
def test_a_pickled_type_in_a_parquet_file_stays_pickled(tmp_path: Path, reached: Reached) -> None:
    mark = tmp_path / "mark"
    config = tiny.write(tmp_path)
    rows = pq.read_table(tmp_path / "train.parquet")
    poison = {
        b"ARROW:extension:name": b"arrow.py_extension_type",
        b"ARROW:extension:metadata": pickle.dumps(Poison(mark)),
    }
    fields = [field.with_metadata(poison) if field.name in ("user", "note") else field for field in rows.schema]
    pq.write_table(rows.cast(pa.schema(fields)), tmp_path / "train.parquet")
    with watched() as done, contextlib.suppress(PeprankError):
        api.train(config, overrides=["train_config.num_epochs=1"])
    assert (done, mark.exists()) == ([], False)
    reached("a pickled Arrow type in training rows is not unpickled")


@pytest.mark.promise("R-34", "runs without pickle and network")
def test_training_exporting_and_scoring_unpickle_nothing_and_call_nobody(tmp_path: Path, reached: Reached) -> None:
    config = tiny.write(tmp_path)
    with watched() as done:
        run = api.train(config, overrides=["train_config.num_epochs=1"])
        api.export(run.model_dir, tmp_path / "bundle")
        api.load(tmp_path / "bundle").predict(tiny.rows(10))
    assert done == []
    reached("train, export, load and predict: nothing unpickled, no process but git started, no connection made")


FORBIDDEN_MODULES = {
    "pickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "tarfile", "zipfile", "code", "runpy",
    "urllib.request", "http.client", "requests", "httpx", "ftplib", "smtplib", "xmlrpc",
}  # fmt: skip
FORBIDDEN_CALLS = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "torch.load",
    "torch.export.load",
    "torch.jit.load",
    "os.system",
    "yaml.load",
}


def breaches(path: Path) -> Iterator[str]:
    """Imports and calls of a file that could run what was read, or reach a network."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        yield from (f"{path.name}:{node.lineno}: import {name}" for name in names if name in FORBIDDEN_MODULES)  # type: ignore[attr-defined]
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            pickles = any(word.arg == "allow_pickle" and ast.unparse(word.value) != "False" for word in node.keywords)
            if called in FORBIDDEN_CALLS or pickles:
                yield f"{path.name}:{node.lineno}: {called}"


@pytest.mark.promise("R-34", "files of source")
def test_the_source_has_no_pickle_no_eval_and_calls_nobody(tmp_path: Path, reached: Reached) -> None:
    files = sorted(SRC.rglob("*.py"))
    assert [found for path in files for found in breaches(path)] == []
    (tmp_path / "bad.py").write_text("import pickle\nfrom urllib import request\neval('1')\ntorch.load(x)\n")
    assert len(list(breaches(tmp_path / "bad.py"))) == 4
    reached(f"{len(files)} files of source: no import that unpickles or fetches, no eval, exec or torch.load")

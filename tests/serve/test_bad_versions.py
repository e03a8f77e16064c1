"""A new version that is bad in any way is refused, counted and logged, and the old one goes on."""

from __future__ import annotations

import json
import logging
import os
import pickle
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file, save_file

from peprank.sealed import MANIFEST, sealing
from peprank.serve.repository import Repository
from tests import tiny
from tests.serve.models import Heard, load, save_bundle

Harm = Callable[[Path], object]
_FILES = (
    "bundle.json",
    "config_changes.json",
    "golden_logits.parquet",
    "golden_rows.parquet",
    MANIFEST,
    "pipeline.config",
    "weights.safetensors",
)
_WEIGHTS = "weights.safetensors"


def flip(name: str) -> Harm:
    """Change one bit."""

    def harm(path: Path) -> None:
        content = bytearray((path / name).read_bytes())
        content[len(content) // 2] ^= 1
        (path / name).write_bytes(bytes(content))

    return harm


def without(name: str) -> Harm:
    return lambda path: (path / name).unlink()


def resealed(change: Harm) -> Harm:
    """Change files and write hashes that agree, as a wrong tool would."""

    def harm(path: Path) -> None:
        with sealing(path) as directory:
            shutil.copytree(path, directory, dirs_exist_ok=True)
            (directory / MANIFEST).unlink()
            change(directory)

    return harm


def changed_json(name: str, **changes: Any) -> Harm:
    return lambda path: (path / name).write_text(json.dumps(json.loads((path / name).read_text()) | changes))


def changed_text(name: str, old: str, new: str) -> Harm:
    return lambda path: (path / name).write_text((path / name).read_text().replace(old, new))


def changed_weights(change: Callable[[dict[str, torch.Tensor]], object]) -> Harm:
    def harm(path: Path) -> None:
        weights = load_file(path / _WEIGHTS)
        change(weights)
        save_file(weights, path / _WEIGHTS)

    return harm


def replaced_by_a_link(path: Path) -> None:
    path.rename(path.parent.parent / "outside")
    path.symlink_to(path.parent.parent / "outside")


def replaced_by_a_file(path: Path) -> None:
    shutil.rmtree(path)
    path.write_bytes(b"PK\x03\x04")


def emptied(path: Path) -> None:
    shutil.rmtree(path)
    path.mkdir()


def a_pipe(path: Path) -> None:
    (path / _WEIGHTS).unlink()
    os.mkfifo(path / _WEIGHTS)


def other_golden_logits(path: Path) -> None:
    logits = pq.read_table(path / "golden_logits.parquet")
    pq.write_table(logits.select(["logit_1", "logit_0"]), path / "golden_logits.parquet")


def manifest_that_leads_outside(path: Path) -> None:
    manifest = json.loads((path / MANIFEST).read_text())
    manifest["files"]["../../../outside"] = manifest["files"][_WEIGHTS]
    (path / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")  # as ours are


KINDS: dict[str, tuple[Harm, str]] = {
    **{f"a bit of {name}": (flip(name), "damaged|cannot be read|is missing|not in the manifest") for name in _FILES},
    **{f"no {name}": (without(name), "is missing|no bundle|not whole") for name in _FILES},
    "half of the weights": (lambda path: os.truncate(path / _WEIGHTS, 1000), "has 1000 bytes, the manifest says"),
    "a file too many": (lambda path: (path / "x.pt").touch(), "x.pt: is not in the manifest"),
    "an empty folder": (emptied, "is no bundle"),
    "a file": (replaced_by_a_file, "is no directory; a version is a bundle, which is one"),
    "a link": (replaced_by_a_link, "is a symbolic link; put the bundle itself here"),
    "a pipe": (a_pipe, "weights.safetensors: is missing"),
    "a manifest that leads outside": (manifest_that_leads_outside, "outside: is missing"),
    "a later format": (resealed(changed_json("bundle.json", format=99)), "has format 99, this peprank reads 2"),
    "no format": (resealed(lambda path: (path / "bundle.json").write_text("[]")), "does not say format and step"),
    "no safetensors": (
        resealed(lambda path: (path / _WEIGHTS).write_bytes(b"\xff" * 64)),
        "weights.safetensors: cannot be",
    ),
    "a pickle": (
        resealed(lambda path: (path / _WEIGHTS).write_bytes(pickle.dumps([1]))),
        "weights.safetensors: cannot be",
    ),
    "a weight too few": (resealed(changed_weights(lambda weights: weights.popitem())), "is missing"),
    "tables of another size": (
        resealed(changed_text("pipeline.config", "num_buckets: 50", "num_buckets: 51")),
        "has shape .*, the model needs",
    ),
    "a config that no longer checks": (resealed(changed_text("pipeline.config", "num_buckets", "buckets")), "buckets"),
    "a vocabulary in another order": (
        resealed(changed_text("pipeline.config", '["home", "search"]', '["search", "home"]')),
        "the golden rows no longer score as they did",
    ),
    "other weights": (
        resealed(changed_weights(lambda weights: [value.mul_(1.1) for value in weights.values()])),
        "the golden rows no longer score as they did",
    ),
    "NaN weights": (
        resealed(changed_weights(lambda weights: [value.fill_(torch.nan) for value in weights.values()])),
        "the golden rows no longer score as they did .*nan",
    ),
    "other golden scores": (resealed(other_golden_logits), "the golden rows no longer score as they did"),
    "no golden rows": (
        resealed(lambda path: pq.write_table(tiny.rows(0), path / "golden_rows.parquet")),
        "golden_rows.parquet: has no rows",
    ),
    "golden rows without a column": (
        resealed(lambda path: pq.write_table(tiny.rows(64).drop_columns(["user"]), path / "golden_rows.parquet")),
        "user",
    ),
}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_bundle(tmp_path_factory.mktemp("good") / "bundle")


@pytest.mark.promise("R-29", f"{len(KINDS)} kinds of bad versions")
@pytest.mark.parametrize("kind", KINDS)
def test_a_bad_version_is_refused_and_the_old_one_goes_on(
    good: Path, tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    harm, reason = KINDS[kind]
    shutil.copytree(good, tmp_path / "ctr" / "1")
    heard = Heard.nothing()
    repository = Repository(tmp_path, load, listener=heard)
    repository.start()
    shutil.copytree(good, tmp_path / "ctr" / "2")
    harm(tmp_path / "ctr" / "2")
    for _ in range(3):  # new, settled and refused, left alone
        repository.poll()
        assert repository.wait(60)
    row = repository.index()[1]
    assert (row["version"], row["state"]) == ("2", "UNAVAILABLE")
    assert re.search(reason, row["reason"]), row["reason"]
    with repository.get("ctr") as model:
        assert model.version == "1"
    assert heard.refused_models == ["ctr"]
    logged = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert logged == [f"model 'ctr' version 2 is refused: {row['reason']}"]
    assert str(tmp_path) not in row["reason"]


def test_a_good_version_is_not_refused(good: Path, tmp_path: Path) -> None:
    shutil.copytree(good, tmp_path / "ctr" / "1")
    resealed(changed_json("bundle.json", step=13))(tmp_path / "ctr" / "1")
    repository = Repository(tmp_path, load)
    repository.start()
    assert repository.ready()

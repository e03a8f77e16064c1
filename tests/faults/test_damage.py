"""Checkpoints and bundles that were damaged at random are never loaded, and the message says enough."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from peprank import bundle as bundles
from peprank.bundle import ConfigSource
from peprank.errors import ArtifactError
from peprank.models import build
from peprank.sealed import MANIFEST
from peprank.training import CheckpointStore
from peprank.training.resume import checkpoint_to_resume
from tests import tiny
from tests.promises import Reached, Times


def flip_a_bit(content: bytearray, draw: random.Random) -> None:
    content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)


def cut(content: bytearray, draw: random.Random) -> None:
    del content[draw.randrange(1, len(content)) :]


def swap_blocks(content: bytearray, draw: random.Random) -> None:
    size = draw.randint(1, len(content) // 2)
    one, other = draw.randint(0, len(content) // 2 - size), draw.randint(len(content) // 2, len(content) - size)
    content[one : one + size], content[other : other + size] = content[other : other + size], content[one : one + size]


def empty(content: bytearray, _draw: random.Random) -> None:
    content.clear()


WITHIN: tuple[Callable[[bytearray, random.Random], None], ...] = (flip_a_bit, cut, swap_blocks, empty)


def damage(folder: Path, draw: random.Random) -> tuple[str, set[str]]:
    """Damage one file of a folder, or exchange two; return how, and the names that a message may find fault with."""
    files = sorted(folder.iterdir())
    one, other = draw.sample(files, 2)
    kind, before = draw.choice([*WITHIN, "delete", "swap files"]), one.read_bytes()
    if kind == "delete":
        one.unlink()
    elif kind == "swap files":
        one.write_bytes(other.read_bytes())
        other.write_bytes(before)
    else:
        assert callable(kind)
        content = bytearray(before)
        while content == before:  # blocks may be alike
            kind(content, draw)
        one.write_bytes(content)
    harmed = {one.name, other.name} if kind == "swap files" else {one.name}
    # A manifest may be wrong about any file.
    return getattr(kind, "__name__", str(kind)), {file.name for file in files} if MANIFEST in harmed else harmed


@pytest.mark.promise("R-05", "damaged checkpoints")
def test_no_damaged_checkpoint_is_gone_on_with(tmp_path: Path, times: Times, reached: Reached) -> None:
    store = CheckpointStore(tmp_path / "model")
    for step in (10, 20):
        weights = {"a.weight": torch.arange(400.0).view(100, 4) + step, "bias": torch.tensor(1.5)}
        store.save({"step": step, "plan": {}}, weights, {"random/cpu": torch.get_rng_state()}, {})
    draw, num, kinds = random.Random(1), times(60, 1000), Counter[str]()
    for _ in range(num):
        copy = CheckpointStore(Path(shutil.copytree(store.model_dir, tmp_path / "copy")))
        kind, names = damage(copy.path(20), draw)
        kinds[kind] += 1
        notes: list[str] = []
        checkpoint = checkpoint_to_resume(copy, "auto", notes.append)
        assert checkpoint is not None
        assert checkpoint.step == 10, (kind, names)
        (note,) = notes
        assert note.endswith("; going back to step 10")
        assert any(str(copy.path(20) / name) in note for name in names), note
        shutil.rmtree(copy.model_dir)
    assert len(kinds) == len(WITHIN) + 2
    reached(f"{num:,} damaged checkpoints, 0 loaded, each message with file, reason and the step gone back to")


@pytest.mark.promise("R-05", "damaged bundles")
def test_no_damaged_bundle_is_loaded(tmp_path: Path, times: Times, reached: Reached) -> None:
    source = ConfigSource(text=tiny.CONFIG, assets={})
    bundles.save(tmp_path / "bundle", source, build(source.lower().spec.model).weights(), tiny.rows(8), step=1)
    draw, num = random.Random(2), times(60, 1000)
    for _ in range(num):
        copy = Path(shutil.copytree(tmp_path / "bundle", tmp_path / "copy"))
        kind, names = damage(copy, draw)
        with pytest.raises(ArtifactError) as refused:
            bundles.load(copy)
        message = str(refused.value)
        assert str(copy) in message
        assert any(name in message for name in names), (kind, names, message)
        assert message.endswith(("export it again", "make one with `peprank export`")), message
        shutil.rmtree(copy)
    reached(f"{num:,} damaged bundles, 0 loaded, each message with file, reason and remedy")

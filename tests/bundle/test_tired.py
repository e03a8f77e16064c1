"""A bundle whose weights, encoder, kernels or byte order are not what they were is refused, hashes or no hashes."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from peprank import bundle as bundles
from peprank.bundle import ConfigSource
from peprank.bundle.words import word_sums
from peprank.encode import Encoder
from peprank.errors import ArtifactError, PeprankError
from peprank.models import build
from tests import tiny
from tests.promises import Reached, Times


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "bundle"
    source = ConfigSource(text=tiny.CONFIG, assets={})
    bundles.save(path, source, build(source.lower().spec.model, seed=3).weights(), tiny.rows(64), step=12)
    return path


def flip_a_bit(weights: dict[str, Tensor], draw: random.Random) -> str:
    """Change one bit of one weight, all bits of all weights being as likely."""
    names = sorted(weights)
    (name,) = draw.choices(names, [weights[name].nbytes for name in names])
    weights[name] = weights[name].clone()
    content = weights[name].view(-1).view(torch.uint8).numpy()
    content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    return name


@pytest.mark.promise("R-05", "bits changed in memory")
def test_one_bit_that_changed_after_the_file_was_read_is_refused(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, times: Times, reached: Reached
) -> None:
    draw, num, names = random.Random(8), times(20, 1000), list[str]()

    def tired(path: Path) -> dict[str, Tensor]:
        weights = load_file(path)
        names.append(flip_a_bit(weights, draw))
        return weights

    monkeypatch.setattr("peprank.bundle.bundle.load_file", tired)
    num_golden = 0
    for _ in range(num):
        with pytest.raises(ArtifactError) as refused:
            bundles.load(bundle)
        is_golden = "the golden rows no longer score as they did" in str(refused.value)
        num_golden += is_golden
        assert is_golden or str(refused.value) == (
            f"{bundle}/weights.safetensors: '{names[-1]}' is not in memory as it was written; load it again, and if "
            "this stays, doubt the memory or the library that reads it"
        )
    assert len(set(names)) > 3
    reached(
        f"{num:,} weights with one bit changed after they were read: all refused, {num_golden:,} by the golden rows, "
        "the others by their sums"
    )


def test_word_sums_see_every_bit_of_every_type() -> None:
    draw = random.Random(9)
    weights = {
        "float": torch.randn(3, 5),
        "half": torch.ones(3, dtype=torch.float16),
        "scalar": torch.tensor(1.5),
        "int": torch.arange(4),
    }
    for _ in range(100):
        changed = dict(weights)
        name = flip_a_bit(changed, draw)
        before, after = word_sums(weights), word_sums(changed)
        assert [key for key in before if before[key] != after[key]] == [name]
    assert word_sums({"empty": torch.zeros(0)}) == {"empty": 0}


def exchanged(features: Any) -> Any:
    ids = features.ids
    ids["user"], ids["item"] = ids["item"], ids["user"]
    return features


def wrong_kernel(patch: pytest.MonkeyPatch) -> None:
    linear = F.linear
    patch.setattr(F, "linear", lambda x, w, b=None: linear(x, w, b) * (1 + 1e-3))


def wrong_activation(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(torch, "sigmoid", lambda x: x.clamp(-2, 2) / 4 + 0.5)


def swapped_columns(patch: pytest.MonkeyPatch) -> None:
    features = Encoder.features
    patch.setattr(Encoder, "features", lambda self, rows: exchanged(features(self, rows)))


def other_hash_seed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("peprank.encode.hashing._SEED", np.uint64(1))


def other_byte_order(patch: pytest.MonkeyPatch) -> None:
    def swapped(path: Path) -> dict[str, Tensor]:
        weights = load_file(path)
        return {name: torch.from_numpy(value.numpy().byteswap()) for name, value in weights.items()}

    patch.setattr("peprank.bundle.bundle.load_file", swapped)
    patch.setattr("peprank.bundle.bundle._check_words", lambda *_: None)  # golden rows alone


@pytest.mark.promise("R-05", "kinds of a wrong library")
@pytest.mark.parametrize(
    "tire",
    [wrong_kernel, wrong_activation, swapped_columns, other_hash_seed, other_byte_order],
    ids=lambda f: f.__name__,
)
def test_golden_rows_refuse_what_scores_otherwise(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, tire: Callable[[pytest.MonkeyPatch], None], reached: Reached
) -> None:
    bundles.load(bundle)
    with monkeypatch.context() as patch, np.errstate(all="ignore"):
        tire(patch)
        with pytest.raises(PeprankError, match=r"the golden rows no longer score as they did|is outside table"):
            bundles.load(bundle)
    bundles.load(bundle)
    reached("golden rows refused a wrong kernel, a wrong activation, swapped columns, another hash seed and byte order")

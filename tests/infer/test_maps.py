"""Maps in 8-bit integers: near the exact ones, and a row's outputs are its own."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from peprank.errors import SpecError
from peprank.infer import Engine, Precision, engine
from peprank.infer.maps import Arithmetic, Weights
from peprank.models import build, score
from tests.contract.models import DOMAIN_TOWERS, EVERY_PEPNET, EVERY_RIVAL, some_features
from tests.infer.test_engine import ONCE, gap, one_request, trained

INT8 = Arithmetic(torch.float32, is_int8=True)
needs_int8 = pytest.mark.skipif(not engine.has_int8(), reason="the processor has no VNNI instructions")


def some(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@needs_int8
def test_a_product_of_small_integers_is_exact() -> None:
    # Peaks of 127 make steps of 1. Rows: 127 * 127 + 2 * 5 + 1 = 16140, -127 * 127 + 1 = -16128.
    affine = INT8.map(Weights(torch.tensor([[127.0], [5.0]]).double(), torch.ones(1).double()))
    assert affine(torch.tensor([[127.0, 2.0], [-127.0, 0.0]])).flatten().tolist() == pytest.approx([16140.0, -16128.0])


@needs_int8
@pytest.mark.parametrize("num_rows", [0, 1, 7, 300])
def test_8_bits_are_near(num_rows: int) -> None:
    weights, x = Weights(some(96, 40).double(), some(40).double()), some(num_rows, 96, seed=1)
    exact = x.double() @ weights.matrix + weights.bias
    # Each of 96 inputs and weights is off by half a step, 1/254 of its peak (below 4.5) at most: 0.2 on average.
    assert gap(INT8.map(weights)(x).double(), exact) < 0.02
    assert gap(INT8.stack([weights, weights])(torch.stack([x, x]))[1].double(), exact) < 0.02


@needs_int8
def test_a_row_has_the_same_outputs_whatever_shares_its_batch() -> None:
    affine, x = INT8.map(Weights(some(64, 32).double(), some(32).double())), some(50, 64, seed=1)
    alone = torch.cat([affine(row[None]) for row in x])
    assert torch.equal(affine(torch.cat([x, 1e6 * x]))[:50], alone)


@needs_int8
def test_a_row_of_zeros_gives_the_bias_and_nan_stays_nan() -> None:
    affine = INT8.map(Weights(some(8, 3).double(), torch.tensor([1.0, 2.0, 3.0]).double()))
    zeros, nan = affine(torch.tensor([[0.0] * 8, [float("nan")] + [0.0] * 7]))
    assert zeros.tolist() == [1.0, 2.0, 3.0]
    assert nan.isnan().all()


@needs_int8
@pytest.mark.parametrize("once", ONCE.values(), ids=ONCE)
@pytest.mark.parametrize("name", EVERY_PEPNET)
def test_a_pepnet_scores_nearly_as_in_float32(name: str, once: tuple[str, ...]) -> None:
    ranker = trained(EVERY_PEPNET[name])
    int8 = Engine(ranker, Precision.INT8, once=once)
    for features in (some_features(0), some_features(60), one_request(60)):
        assert gap(torch.from_numpy(int8.logits(features)), score(ranker, features)) < 0.1


def test_int8_is_refused_where_it_would_be_wrong_or_no_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SpecError, match=r"int8.*is for PEPNet"):
        Engine(build(EVERY_RIVAL["mmoe"], seed=1), Precision.INT8)
    monkeypatch.setattr(engine, "has_int8", lambda: False)
    with pytest.raises(SpecError, match=r"int8.*no VNNI instructions"):
        Engine(build(DOMAIN_TOWERS, seed=1), Precision.INT8)

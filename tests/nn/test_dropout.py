from __future__ import annotations

import pytest
import torch

from peprank.nn.dropout import Dropout, drawn_to_keep, kept_scale

CPU = torch.device("cpu")


@pytest.mark.parametrize("ratio", [0.1, 0.5, 0.9])
def test_each_number_goes_with_the_given_probability(ratio: float) -> None:
    torch.manual_seed(0)
    keep = drawn_to_keep(torch.Size([1000, 1200]), ratio, CPU)  # more than one block
    sigma = (ratio * (1 - ratio) / keep.numel()) ** 0.5
    assert 1 - keep.float().mean().item() == pytest.approx(ratio, abs=5 * sigma)
    for half in (keep[:500], keep[500:]):
        assert 1 - half.float().mean().item() == pytest.approx(ratio, abs=8 * sigma)
    assert keep.float().mean(0).std().item() == pytest.approx((ratio * (1 - ratio) / 1000) ** 0.5, rel=0.15)


def test_the_mean_is_kept() -> None:
    torch.manual_seed(1)
    dropped = Dropout(0.3)(torch.ones(1000, 400))
    assert dropped.unique().tolist() == pytest.approx([0.0, 1 / 0.7], rel=1e-4)
    assert dropped.mean().item() == pytest.approx(1, abs=0.01)
    assert kept_scale(0.0) == 1


@pytest.mark.parametrize("shape", [(3, 5), (1000, 600), (0, 7), (1, 0)])
def test_torchs_generator_alone_decides_whatever_the_number_of_threads(shape: tuple[int, int]) -> None:
    threads, drawn = torch.get_num_threads(), []
    try:
        for num in (1, 2):
            torch.set_num_threads(num)
            torch.manual_seed(3)
            drawn.append(drawn_to_keep(torch.Size(shape), 0.4, CPU))
    finally:
        torch.set_num_threads(threads)
    assert drawn[0].shape == shape
    assert torch.equal(*drawn)


def test_two_draws_differ() -> None:
    torch.manual_seed(4)
    first, second = (drawn_to_keep(torch.Size([100, 100]), 0.5, CPU) for _ in range(2))
    assert (first != second).float().mean().item() == pytest.approx(0.5, abs=0.05)


def test_nothing_drops_out_when_scoring() -> None:
    hidden = torch.randn(4, 3)
    assert torch.equal(Dropout(0.5).eval()(hidden), hidden)
    assert torch.equal(Dropout(0.0)(hidden), hidden)

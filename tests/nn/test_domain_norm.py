from __future__ import annotations

import pytest
import torch

from peprank.nn import PartitionedNorm


def test_rows_are_normalized_by_those_of_their_domain() -> None:
    norm = PartitionedNorm(1, 2)
    torch.nn.init.constant_(norm.gamma, 2.0)
    torch.nn.init.constant_(norm.gammas[1], 3.0)
    torch.nn.init.constant_(norm.beta, 10.0)
    torch.nn.init.constant_(norm.betas[1], 1.0)
    # mean 4, variance 4, so z = (z - 4) / 2; times 2 * 3, plus 10 + 1
    assert norm(torch.tensor([[2.0], [6.0]]), 1).flatten().tolist() == pytest.approx([5.0, 17.0], abs=1e-4)


def test_a_domain_has_statistics_of_its_own() -> None:
    norm = PartitionedNorm(1, 2)
    norm(torch.tensor([[2.0], [6.0]]), 1)
    assert [float(value) for name, value in norm.named_buffers() if "mean" in name] == pytest.approx([0.0, 0.4])
    # 0.9 * 1 + 0.1 * 8, the unbiased variance
    assert [float(value) for name, value in norm.named_buffers() if "var" in name] == pytest.approx([1.0, 1.7])


@pytest.mark.parametrize("num_rows", [0, 1])
def test_rows_without_a_variance_are_normalized_by_the_moving_statistics_which_stay(num_rows: int) -> None:
    norm = PartitionedNorm(1, 1)
    norm(torch.tensor([[2.0], [6.0]]), 0)
    before = {name: value.clone() for name, value in norm.state_dict().items()}
    z = torch.full((num_rows, 1), 2.0)
    assert norm(z, 0).flatten().tolist() == pytest.approx([(2 - 0.4) / 1.7**0.5] * num_rows, abs=1e-4)
    assert all(torch.equal(value, before[name]) for name, value in norm.state_dict().items())


def test_outside_training_a_row_is_normalized_alone() -> None:
    norm, z = PartitionedNorm(3, 2), torch.randn(4, 3)
    norm(z, 1)
    norm.eval()
    torch.testing.assert_close(torch.cat([norm(row[None], 1) for row in z]), norm(z, 1))

"""What multiplies the vectors of features: factorization machine and compressed interaction network."""

from __future__ import annotations

from itertools import combinations

import torch
from hypothesis import given
from hypothesis import strategies as st

from peprank.nn import CIN, pair_products


def test_products_of_pairs_by_hand() -> None:
    vectors = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]])
    assert pair_products(vectors).tolist() == [[1 * 3 + 1 * 5 + 3 * 5, 2 * 4 + 2 * 6 + 4 * 6]]


@given(num_fields=st.integers(1, 6), dim=st.integers(1, 4), num_rows=st.integers(0, 3))
def test_they_are_the_sum_over_all_pairs(num_fields: int, dim: int, num_rows: int) -> None:
    g = torch.Generator().manual_seed(num_fields)
    vectors = torch.randn(num_rows, num_fields, dim, dtype=torch.float64, generator=g)
    pairs = [vectors[:, i] * vectors[:, j] for i, j in combinations(range(num_fields), 2)]
    expected = torch.stack(pairs).sum(0) if pairs else torch.zeros(num_rows, dim, dtype=torch.float64)
    torch.testing.assert_close(pair_products(vectors), expected)


def test_a_cin_by_hand() -> None:
    cin = CIN(2, 1, (1, 1))  # two fields of one column
    cin.get_parameter("layers.0.weight").data.copy_(torch.tensor([[1.0, 2.0, 3.0, 4.0]]))
    cin.get_parameter("layers.0.bias").data.fill_(100.0)
    cin.get_parameter("layers.1.weight").data.copy_(torch.tensor([[1.0, 10.0]]))
    cin.get_parameter("layers.1.bias").data.zero_()
    # x^1 = 1*2*2 + 2*2*3 + 3*3*2 + 4*3*3 + 100 = 170; x^2 = 1*170*2 + 10*170*3
    assert cin(torch.tensor([[[2.0], [3.0]]])).tolist() == [[170.0, 5440.0]]


def test_a_cin_sums_the_entries_of_each_vector() -> None:
    cin, g = CIN(3, 4, (5,)), torch.Generator().manual_seed(0)
    vectors = torch.randn(2, 3, 4, generator=g)
    by_entry = sum(CINOfOneEntry(cin)(vectors[:, :, d]) for d in range(4))
    torch.testing.assert_close(cin(vectors), by_entry)


class CINOfOneEntry:
    """The same weights on one entry of each vector: entries do not mix but in the sum."""

    def __init__(self, cin: CIN) -> None:
        self.narrow = CIN(cin.num_fields, 1, cin.hidden_dims)
        self.narrow.load_state_dict(cin.state_dict())

    def __call__(self, entries: torch.Tensor) -> torch.Tensor:
        sums: torch.Tensor = self.narrow(entries.unsqueeze(2))
        return sums

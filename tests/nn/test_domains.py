from __future__ import annotations

import pytest
import torch
from torch import Tensor

from peprank.errors import DataError
from peprank.nn.domains import check_domains, per_domain


def test_each_row_passes_the_parts_of_its_domain_once() -> None:
    seen: list[tuple[int, list[float]]] = []

    def note(domain: int, rows: Tensor) -> Tensor:
        seen.append((domain, rows[:, 0].tolist()))
        return rows * 10.0**domain

    rows = torch.tensor([[1.0], [2.0], [3.0], [4.0]])
    assert per_domain(note, rows, torch.tensor([2, 0, 2, 0]), 3).tolist() == [[100.0], [2.0], [300.0], [4.0]]
    assert seen == [(0, [2.0, 4.0]), (2, [1.0, 3.0])]  # domain 1 has no rows


def test_the_parts_may_change_the_shape_of_a_row() -> None:
    rows, domain = torch.randn(5, 2, 4), torch.tensor([1, 0, 1, 1, 0])
    widened = per_domain(lambda _, of_domain: of_domain.flatten(1)[:, :3], rows, domain, 2)
    assert torch.equal(widened, rows.flatten(1)[:, :3])
    assert per_domain(lambda _, of_domain: of_domain.flatten(1), rows[:0], domain[:0], 2).shape == (0, 8)


@pytest.mark.parametrize("wrong", [-1, 3])
def test_a_domain_without_parts_is_an_error(wrong: int) -> None:
    with pytest.raises(DataError) as error:
        check_domains(torch.tensor([0, wrong, wrong]), 3)
    assert str(error.value) == (
        f"domain = {wrong} in 2 of 3 rows: must lie in [0, 3), since each domain has parts of its own; "
        "give these rows a known domain"
    )

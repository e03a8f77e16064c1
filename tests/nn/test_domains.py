from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from peprank.errors import DataError
from peprank.nn.domains import ByDomain, PerDomain, check_domains, per_domain


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


def test_gathered_rows_stand_in_the_order_of_their_domains_until_they_are_restored() -> None:
    by, rows = ByDomain(torch.tensor([2, 0, 2, 0]), 3), torch.tensor([10.0, 20.0, 30.0, 40.0])
    gathered = by.gathered(rows)
    assert gathered.tolist() == [20.0, 40.0, 10.0, 30.0]
    assert by.each(lambda domain, of_domain: of_domain + domain, gathered).tolist() == [20.0, 40.0, 12.0, 32.0]
    assert by.restored(gathered).tolist() == rows.tolist()


def test_a_gathered_row_passes_the_part_of_its_domain() -> None:
    parts, rows, domain = PerDomain(nn.Linear(3, 2) for _ in range(3)), torch.randn(5, 3), torch.tensor([2, 0, 2, 2, 0])
    by = ByDomain(domain, 3)
    outputs = by.restored(parts(by.gathered(rows), by))
    for row, d, output in zip(rows, domain.tolist(), outputs, strict=True):
        torch.testing.assert_close(output, parts.parts[d](row))
    torch.autograd.backward(outputs.sum())
    assert [part.get_parameter("weight").grad is not None for part in parts.parts] == [True, False, True]

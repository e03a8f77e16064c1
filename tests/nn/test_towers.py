from __future__ import annotations

import pytest
import torch

from peprank.errors import DataError
from peprank.nn import MLP, Tower, Towers


def domain_towers(num_domains: int = 3) -> Towers:
    torch.manual_seed(0)
    return Towers([lambda: Tower(MLP(4, (5,))), lambda: Tower(MLP(4, (5,)), num_class=2)], num_domains)


def test_a_row_passes_the_towers_of_its_domain() -> None:
    towers, hidden, domain = domain_towers(), torch.randn(7, 2, 4), torch.tensor([2, 0, 2, 1, 0, 0, 2])
    logits = towers(hidden, domain)
    assert logits.shape == (7, 3)
    for b, d in enumerate(domain.tolist()):
        click, classes = (task.get_submodule(str(d)) for task in towers.tasks)
        expected = torch.cat([click(hidden[b : b + 1, 0]), classes(hidden[b : b + 1, 1])], dim=1)[0]
        torch.testing.assert_close(logits[b], expected)


def test_gradients_find_their_rows_again() -> None:
    towers, domain = domain_towers(), torch.tensor([2, 0, 2, 1, 0])
    hidden = torch.randn(5, 2, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda h: towers.double()(h, domain), (hidden,))


def test_a_domain_without_rows_costs_nothing() -> None:
    towers, domain = domain_towers(), torch.tensor([2, 0, 2])
    torch.autograd.backward(towers(torch.randn(3, 2, 4), domain).sum())
    has_gradient = [
        [any(p.grad is not None for p in tower.parameters()) for tower in task.children()] for task in towers.tasks
    ]
    assert has_gradient == [[True, False, True], [True, False, True]]


@pytest.mark.parametrize("wrong", [-1, 3])
def test_a_domain_without_a_tower_is_an_error(wrong: int) -> None:
    with pytest.raises(DataError) as error:
        domain_towers()(torch.randn(3, 2, 4), torch.tensor([0, wrong, wrong]))
    assert str(error.value) == (
        f"domain = {wrong} in 2 of 3 rows: must lie in [0, 3), since each domain has parts of its own; "
        "give these rows a known domain"
    )


def test_shared_towers_do_not_ask_for_the_domain() -> None:
    assert domain_towers(1)(torch.randn(3, 2, 4), torch.tensor([-1, 7, 0])).shape == (3, 3)


def test_an_empty_batch_has_the_logits_shape() -> None:
    assert domain_towers()(torch.randn(0, 2, 4), torch.zeros(0, dtype=torch.int64)).shape == (0, 3)


def test_an_offset_is_added_to_the_logit_as_it_is() -> None:
    tower = Tower(MLP(2, ()), has_offset=True)
    with_offset = torch.tensor([[5.0, 1.0, 2.0], [-7.0, 3.0, 4.0]])
    expected = with_offset[:, :1] + tower.logit(with_offset[:, 1:])
    torch.testing.assert_close(tower(with_offset), expected, rtol=0, atol=0)


def test_a_logit_may_do_without_a_bias() -> None:
    assert Tower(MLP(2, ()), bias=False)(torch.zeros(1, 2)).item() == 0.0

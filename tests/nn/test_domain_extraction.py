"""A level of experts over domains and tasks, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from peprank.nn import ByDomain, DomainExtraction, Paths, PerDomain
from tests.nn.test_experts import column, gate, times

HALF = (0.0, 0.0)
ONE_TO_THREE = (0.0, math.log(3.0))


def level(*, is_last: bool = False) -> DomainExtraction:
    """Two tasks and two domains, one expert each; domain 1 takes three parts of the last expert of a mixture."""
    return DomainExtraction(
        [times(1.0), times(2.0)],
        PerDomain([times(10.0), times(20.0)]),
        times(100.0),
        [PerDomain([gate(0.0, *HALF), gate(-50.0, *ONE_TO_THREE)]), PerDomain([gate(50.0, *HALF), gate(0.0, *HALF)])],
        domain_gates=None if is_last else PerDomain([gate(*HALF), gate(*ONE_TO_THREE)]),
        shared_gate=None if is_last else gate(0.0, 0.0, 0.0, 0.0),
    )


def paths(num_rows: int) -> Paths:
    """All rows alike: 1 and 2 for the tasks, 3 for the domain, 4 shared."""
    a, b, c, s = (torch.full((num_rows, 1), value) for value in (1.0, 2.0, 3.0, 4.0))
    return Paths([a, b], c, s)


def test_a_task_mixes_its_own_experts_the_domains_and_the_shared_ones_by_the_pairs_gate() -> None:
    (first, second), _, _ = level()(paths(2), ByDomain(torch.tensor([0, 1]), 2))
    assert first[:, 0].tolist() == pytest.approx(
        [(1 + 30 + 400) / 3, 0.25 * 60 + 0.75 * 400]  # the gate of domain 1 leaves out the task's own
    )
    assert second[:, 0].tolist() == pytest.approx([4.0, (4 + 60 + 400) / 3])  # that of domain 0 has only its own


def test_the_paths_of_the_domain_and_of_all_go_on() -> None:
    _, domain, shared = level()(paths(2), ByDomain(torch.tensor([0, 1]), 2))
    assert domain[:, 0].tolist() == pytest.approx([0.5 * 30 + 0.5 * 400, 0.25 * 60 + 0.75 * 400])
    assert shared[:, 0].tolist() == pytest.approx([(1 + 4 + 30 + 400) / 4, (1 + 4 + 60 + 400) / 4])


def test_the_last_level_leaves_the_other_paths_as_they_are() -> None:
    start = paths(1)
    _, domain, shared = level(is_last=True)(start, ByDomain(torch.tensor([1]), 2))
    assert domain is start.domain
    assert shared is start.shared


def test_only_the_experts_and_gates_of_the_rows_domain_learn() -> None:
    made = level()
    outputs = made(Paths([column(1.0), column(2.0)], column(3.0), column(4.0)), ByDomain(torch.tensor([1]), 2))
    torch.autograd.backward([*(task.sum() for task in outputs.tasks), outputs.domain.sum(), outputs.shared.sum()])
    learnt = {name for name, value in made.named_parameters() if value.grad is not None}
    assert {name for name in learnt if ".parts.0." in name} == set()
    assert {name for name, _ in made.named_parameters() if ".parts.0." not in name} == learnt

"""Sparse optimisers: equal to the formula on a dense gradient, and nothing but the touched rows changes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import Parameter

from peprank.spec.train import (
    RowWiseAdagrad,
    SparseAdagrad,
    SparseAdam,
    SparseOptimizer,
    SparseRule,
    SparseSGD,
    WeightDecayMode,
)
from peprank.training.sparse import EmbeddingOptimizer, row_sums

RULES: tuple[SparseRule, ...] = (
    SparseSGD(),
    SparseAdagrad(),
    SparseAdagrad(initial_accumulator=0.5),
    RowWiseAdagrad(),
    RowWiseAdagrad(weight_decay=0.1, weight_decay_mode=WeightDecayMode.L2),
    RowWiseAdagrad(weight_decay=0.1, weight_decay_mode=WeightDecayMode.DECOUPLE),
    SparseAdam(),
    SparseAdam(weight_decay=0.1),
    SparseAdam(partial_rowwise=True),
)
LR = 0.1


class Dense:
    """The rules of fbgemm on whole matrices in float64, one row after the other."""

    def __init__(self, rule: SparseRule, weight: Tensor) -> None:
        self.rule, self.weight = rule, weight.double().clone()
        start = rule.initial_accumulator if isinstance(rule, SparseAdagrad) else 0.0
        self.first, self.second = torch.zeros_like(self.weight), torch.full_like(self.weight, start)
        self.steps = 0

    def step(self, ids: Tensor, values: Tensor) -> None:
        self.steps += 1
        grad = torch.zeros_like(self.weight)
        for row, value in zip(ids.tolist(), values.double(), strict=True):
            grad[row] += value
        for row in sorted(set(ids.tolist()) - {0}):
            self._row(row, grad[row])

    def _row(self, row: int, g: Tensor) -> None:
        rule, w = self.rule, self.weight[row]
        match rule:
            case SparseSGD():
                w -= LR * g
            case SparseAdagrad():
                self.second[row] += g**2
                w -= LR * g / (self.second[row].sqrt() + 1e-8)
            case RowWiseAdagrad():
                if rule.weight_decay_mode is WeightDecayMode.L2:
                    g = g + rule.weight_decay * w
                self.second[row] += (g**2).mean()
                if rule.weight_decay_mode is WeightDecayMode.DECOUPLE:
                    w -= LR * rule.weight_decay * w
                w -= LR * g / (self.second[row].sqrt() + 1e-8)
            case SparseAdam():
                square = (g**2).mean() if rule.partial_rowwise else g**2
                self.first[row] = rule.beta1 * self.first[row] + (1 - rule.beta1) * g
                self.second[row] = rule.beta2 * self.second[row] + (1 - rule.beta2) * square
                m = self.first[row] / (1 - rule.beta1**self.steps)
                v = self.second[row] / (1 - rule.beta2**self.steps)
                w -= LR * (m / (v.sqrt() + 1e-8) + rule.weight_decay * w)


def arena_of(rows: int, dim: int, seed: int, dtype: torch.dtype = torch.float32) -> Parameter:
    weight = torch.randn(rows, dim, generator=torch.Generator().manual_seed(seed))
    weight[0] = 0
    return Parameter(weight.to(dtype))


def put_gradient(arena: Parameter, ids: Tensor, values: Tensor) -> None:
    arena.grad = torch.sparse_coo_tensor(ids[None], values.to(arena.dtype), arena.shape, check_invariants=False)


def optimizer_of(rule: SparseRule, arena: Parameter, max_gradient: float | None = None) -> EmbeddingOptimizer:
    return EmbeddingOptimizer({"dim": arena}, SparseOptimizer(rule=rule, max_gradient=max_gradient))


@settings(max_examples=20, deadline=None)
@pytest.mark.parametrize("rule", RULES, ids=str)
@given(seed=st.integers(0, 2**32), rows=st.integers(2, 9), dim=st.integers(1, 5), lookups=st.integers(0, 30))
def test_each_rule_equals_its_formula_for_ids_with_duplicates(
    rule: SparseRule, seed: int, rows: int, dim: int, lookups: int
) -> None:
    draw = torch.Generator().manual_seed(seed)
    arena = arena_of(rows, dim, seed)
    reference, optimizer = Dense(rule, arena.detach()), optimizer_of(rule, arena)
    for _ in range(3):
        ids = torch.randint(0, rows, (lookups,), generator=draw)
        # Eighths: their sums are exact, so that duplicates which cancel do so in float32 as in float64.
        values = torch.randint(-8, 9, (lookups, dim), generator=draw) / 8
        put_gradient(arena, ids, values)
        optimizer.step(LR)
        reference.step(ids, values)
    torch.testing.assert_close(arena.detach().double(), reference.weight, rtol=1e-5, atol=1e-5)
    assert arena.grad is None


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_rows_that_no_lookup_touched_stay_bit_for_bit(rule: SparseRule) -> None:
    arena = arena_of(50, 4, seed=3)
    before, optimizer = arena.detach().clone(), optimizer_of(rule, arena)
    slots = {name: state.clone() for name, state in optimizer.slots["dim"].items()}
    put_gradient(arena, torch.tensor([0, 7, 7, 9, 0]), torch.ones(5, 4))
    optimizer.step(LR)
    untouched = [row for row in range(50) if row not in (7, 9)]
    assert torch.equal(arena.detach()[untouched], before[untouched])
    assert not torch.equal(arena.detach()[[7, 9]], before[[7, 9]])
    for name, state in optimizer.slots["dim"].items():
        assert torch.equal(state[untouched], slots[name][untouched])


def test_adagrad_equals_the_hand_computed_number() -> None:
    # Row 1 is looked up twice: g = 1 + 2 = 3, a = 9, w = 1 - 0.1 * 3 / 3; then g = 4, a = 25, w = 0.9 - 0.1 * 4 / 5
    arena = Parameter(torch.tensor([[0.0], [1.0]]))
    optimizer = optimizer_of(SparseAdagrad(), arena)
    put_gradient(arena, torch.tensor([1, 1]), torch.tensor([[1.0], [2.0]]))
    optimizer.step(0.1)
    assert arena[1].item() == pytest.approx(0.9)
    put_gradient(arena, torch.tensor([1]), torch.tensor([[4.0]]))
    optimizer.step(0.1)
    assert arena[1].item() == pytest.approx(0.82)
    assert optimizer.slots["dim"]["sum"].tolist() == [[0.0], [25.0]]


def test_adam_corrects_its_bias_by_the_number_of_all_updates() -> None:
    # Row 2 is first seen in update 3: m = 0.1, v = 0.001, corrected by 1 - 0.9^3 = 0.271 and 1 - 0.999^3 = 0.002997
    arena = Parameter(torch.zeros(3, 1))
    optimizer = optimizer_of(SparseAdam(), arena)
    for row in (1, 1, 2):
        put_gradient(arena, torch.tensor([row]), torch.ones(1, 1))
        optimizer.step(0.1)
    assert arena[2].item() == pytest.approx(-0.1 * (0.1 / 0.271) / (0.001 / 0.002997001) ** 0.5, rel=1e-4)


def test_gradients_are_bounded_before_lookups_are_summed() -> None:
    arena = Parameter(torch.zeros(2, 2))
    optimizer = optimizer_of(SparseSGD(), arena, max_gradient=1.0)
    put_gradient(arena, torch.tensor([1, 1]), torch.tensor([[5.0, -0.5], [7.0, -9.0]]))
    optimizer.step(1.0)
    assert arena[1].tolist() == [-2.0, 1.5]


def test_float16_rows_are_updated_in_float32_and_rounded_once() -> None:
    # 100 updates of 1e-4 from 1.0 each vanish in float16 next to 1.0, but their sum within one update does not.
    arena = Parameter(torch.ones(2, 1, dtype=torch.float16))
    optimizer = optimizer_of(SparseSGD(), arena)
    put_gradient(arena, torch.ones(100, dtype=torch.int64), torch.full((100, 1), 1e-4))
    optimizer.step(1.0)
    assert arena.dtype == torch.float16
    assert arena[1].item() == pytest.approx(0.99, abs=5e-4)
    assert all(state.dtype == torch.float32 for state in optimizer_of(SparseAdam(), arena).slots["dim"].values())


def test_no_gradient_and_an_empty_gradient_change_nothing() -> None:
    arena = arena_of(4, 3, seed=1)
    before, optimizer = arena.detach().clone(), optimizer_of(SparseAdam(), arena)
    optimizer.step(LR)
    put_gradient(arena, torch.zeros(0, dtype=torch.int64), torch.zeros(0, 3))
    optimizer.step(LR)
    assert torch.equal(arena.detach(), before)
    assert optimizer.num_steps == 2


def test_runs_repeat_bit_for_bit() -> None:
    def run() -> Tensor:
        draw = torch.Generator().manual_seed(5)
        arena = arena_of(3000, 16, seed=5)
        optimizer = optimizer_of(SparseAdagrad(), arena)
        for _ in range(3):
            ids = (torch.rand(20_000, generator=draw) ** 3 * 3000).long()
            put_gradient(arena, ids, torch.randn(20_000, 16, generator=draw))
            optimizer.step(LR)
        return arena.detach()

    assert torch.equal(run(), run())


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32), lookups=st.integers(0, 200), top=st.sampled_from([1, 3, 50, 2**40]))
def test_row_sums_equal_coalesce_without_the_pad_row(seed: int, lookups: int, top: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    ids = torch.randint(0, top, (lookups,), generator=draw)
    values = torch.randn(lookups, 3, generator=draw)
    rows, sums = row_sums(ids, values)
    expected, inverse = torch.unique(ids, return_inverse=True)
    dense = torch.zeros(len(expected), 3).index_add_(0, inverse, values)
    assert torch.equal(rows, expected[expected > 0])
    torch.testing.assert_close(sums, dense[expected > 0], rtol=0, atol=1e-4)

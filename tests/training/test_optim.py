"""Dense optimisers: parts, schedules, clipping, state, and five recorded steps of the peer."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import Parameter

from peprank.batch import Targets
from peprank.errors import ArtifactError
from peprank.models import build
from peprank.models.peer import from_torcheasyrec, peer_names, stack_rows
from peprank.spec.train import (
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Clipping,
    ConstantLR,
    DenseOptimizer,
    DenseRule,
    ExponentialDecayLR,
    GradClipping,
    PartOptimizer,
    RMSprop,
    SparseAdagrad,
    SparseOptimizer,
)
from peprank.training.loss import task_losses, total_loss
from peprank.training.optim import NetworkOptimizer, clip
from peprank.training.sparse import EmbeddingOptimizer
from tests.reference.fixtures import TRAJECTORY, load
from tests.shared import needs_shared

RULES: tuple[DenseRule, ...] = (
    SGD(momentum=0.9, nesterov=True),
    SGD(),
    Adagrad(lr=0.1, initial_accumulator=0.1),
    Adam(lr=0.1, amsgrad=True),
    Adam(lr=0.1, weight_decay=0.1, decoupled=True),
    Adadelta(lr=0.5),
    RMSprop(lr=0.1),
)


def parameters() -> list[tuple[str, Parameter]]:
    draw = torch.Generator().manual_seed(0)
    names = ("trunk.weight", "trunk.bias", "towers.weight")
    return [(name, Parameter(torch.randn(3, 4, generator=draw))) for name in names]


def put_gradients(named: list[tuple[str, Parameter]], seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    for _, value in named:
        value.grad = torch.randn(value.shape, generator=draw)


def values_of(named: list[tuple[str, Parameter]]) -> Tensor:
    return torch.stack([value.detach() for _, value in named])


def torchs_own(rule: DenseRule, values: list[Parameter], **kernel: bool) -> torch.optim.Optimizer:
    """The class of torch.optim that a rule names."""
    kinds: dict[type[DenseRule], Callable[..., torch.optim.Optimizer]] = {
        SGD: torch.optim.SGD,
        Adagrad: torch.optim.Adagrad,
        Adam: torch.optim.Adam,
        Adadelta: torch.optim.Adadelta,
        RMSprop: torch.optim.RMSprop,
    }
    fields = {name: getattr(rule, name) for name in rule.__slots__}
    if isinstance(rule, Adam):
        fields["betas"] = (fields.pop("beta1"), fields.pop("beta2"))
        if fields.pop("decoupled"):
            kinds[Adam] = torch.optim.AdamW
    if isinstance(rule, Adagrad):
        fields["initial_accumulator_value"] = fields.pop("initial_accumulator")
    return kinds[type(rule)](values, **fields, **kernel)


@needs_shared
def test_five_steps_equal_the_recorded_ones_of_the_peer() -> None:
    fixture = load(TRAJECTORY)
    ranker = build(fixture.spec)
    from_torcheasyrec(ranker, fixture.tensors("w0/"))
    tables = EmbeddingOptimizer(dict(ranker.sparse_parameters()), SparseOptimizer(rule=SparseAdagrad(lr=0.05)))
    network = NetworkOptimizer(ranker.dense_parameters(), DenseOptimizer(rule=Adam(lr=0.01)))
    largest = 0.0
    for step in range(5):
        labels, weights = fixture.labels(f"step{step}/")
        losses = task_losses(ranker(fixture.features(f"step{step}/")), Targets(labels, weights, {}), fixture.spec)
        for name, value in losses.items():
            assert value.item() == pytest.approx(fixture.arrays[f"step{step}/loss/{name}"].item(), abs=1e-5)
        total_loss(losses).backward()  # type: ignore[no-untyped-call]
        tables.step(0.05)
        network.step(step=step, epoch=0)
        if step in (0, 4):
            after = {
                name.removeprefix("model."): v for name, v in fixture.tensors("w1/" if step == 0 else "wN/").items()
            }
            names = peer_names(ranker)
            for own, value in ranker.weights().items():
                expected = stack_rows([after[part] for part in names[own]])
                largest = max(largest, float((value - expected).abs().max()))
    assert largest < 1e-5


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_a_restored_optimiser_goes_on_bit_for_bit(rule: DenseRule) -> None:
    named, twin = parameters(), parameters()
    optimizer = NetworkOptimizer(named, DenseOptimizer(rule=rule))
    for step in range(3):
        put_gradients(named, step)
        optimizer.step(step=step, epoch=0)
    restored = NetworkOptimizer(twin, DenseOptimizer(rule=rule))
    restored.load_state({name: value.clone() for name, value in optimizer.state().items()})
    with torch.no_grad():
        for (_, value), (_, copy) in zip(named, twin, strict=True):
            copy.copy_(value)
    for both, target in ((named, optimizer), (twin, restored)):
        put_gradients(both, 9)
        target.step(step=3, epoch=0)
    assert torch.equal(values_of(named), values_of(twin))


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_each_rule_equals_torchs_plain_optimiser(rule: DenseRule) -> None:
    named, twin = parameters(), parameters()
    ours = NetworkOptimizer(named, DenseOptimizer(rule=rule))
    torchs = torchs_own(rule, [value for _, value in twin], foreach=False)
    for step in range(3):
        put_gradients(named, step)
        put_gradients(twin, step)
        ours.step(step=step, epoch=0)
        torchs.step()
    torch.testing.assert_close(values_of(named), values_of(twin), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_each_rule_equals_torchs_fast_optimiser_bit_for_bit(rule: DenseRule) -> None:
    named, twin = parameters(), parameters()
    ours = NetworkOptimizer(named, DenseOptimizer(rule=rule))
    fast = {"foreach": True} if isinstance(rule, (Adagrad, Adadelta, RMSprop)) else {"fused": True}
    torchs = torchs_own(rule, [value for _, value in twin], **fast)
    for step in range(3):
        put_gradients(named, step)
        put_gradients(twin, step)
        ours.step(step=step, epoch=0)
        torchs.step()
    assert torch.equal(values_of(named), values_of(twin))
    theirs = {f"{slot}/{n}": v for n, value in twin for slot, v in torchs.state[value].items() if v is not None}
    assert ours.state().keys() == theirs.keys()
    assert all(torch.equal(value, theirs[key]) for key, value in ours.state().items())


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_a_parameter_may_get_its_first_gradient_late(rule: DenseRule) -> None:
    named, twin = parameters(), parameters()
    both = NetworkOptimizer(named, DenseOptimizer(rule=rule))
    apart = [NetworkOptimizer([pair], DenseOptimizer(rule=rule)) for pair in twin]
    for step in range(3):
        put_gradients(named, step)
        put_gradients(twin, step)
        if step == 0:
            named[1][1].grad = twin[1][1].grad = None
        both.step(step=step, epoch=0)
        for optimizer in apart:
            optimizer.step(step=step, epoch=0)
    assert torch.equal(values_of(named), values_of(twin))


def test_an_optimiser_does_not_import_torchs_compiler() -> None:
    code = """
import sys, torch
from peprank.spec.train import *
from peprank.training.optim import NetworkOptimizer
for rule in (SGD(momentum=0.9), Adagrad(), Adam(), Adadelta(), RMSprop()):
    weight = torch.nn.Parameter(torch.ones(2))
    weight.grad = torch.ones(2)
    NetworkOptimizer([("w", weight)], DenseOptimizer(rule=rule)).step(step=0, epoch=0)
    assert weight[0] != 1
print("torch._dynamo" in sys.modules, "sympy" in sys.modules)
"""
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False False\n"


def test_the_first_pattern_that_matches_decides_and_inherits_the_dense_schedule() -> None:
    named = [(name, Parameter(torch.zeros(1))) for name in ("trunk.gate", "towers.gate", "towers.out", "rest")]
    plan = DenseOptimizer(
        rule=SGD(lr=1.0),
        schedule=ExponentialDecayLR(decay_size=1, decay_factor=0.5),
        parts=(
            PartOptimizer(pattern="gate$", rule=SGD(lr=8.0), schedule=ConstantLR()),
            PartOptimizer(pattern="^towers", rule=SGD(lr=100.0)),
        ),
    )
    optimizer = NetworkOptimizer(named, plan)
    for _, value in named:
        value.grad = torch.ones(1)
    optimizer.step(step=1, epoch=0)
    # gates: 8, constant; towers.out: 100 halved once, as the dense schedule says; rest: 1 halved once
    assert [value.item() for _, value in named] == [-8.0, -8.0, -50.0, -0.5]
    assert optimizer.rate(step=1, epoch=0) == 0.5


def test_a_parameter_that_cannot_learn_is_left_alone() -> None:
    frozen = Parameter(torch.ones(2), requires_grad=False)
    optimizer = NetworkOptimizer([("a", Parameter(torch.ones(2))), ("b", frozen)], DenseOptimizer(rule=SGD()))
    optimizer.step(step=0, epoch=0)
    assert frozen.tolist() == [1.0, 1.0]


def test_state_of_other_parameters_is_refused_by_name() -> None:
    optimizer = NetworkOptimizer(parameters(), DenseOptimizer(rule=Adam()))
    message = "the optimiser's state names parameters that the model does not have: ['gone']"
    with pytest.raises(ArtifactError, match=f"^{re.escape(message)}$"):
        optimizer.load_state({"exp_avg/gone": torch.zeros(1)})


def test_clipping_by_norm_keeps_the_direction_and_by_value_each_number() -> None:
    gradients = [torch.tensor([3.0, 0.0]), torch.tensor([[-4.0]])]  # norm 5
    clip(gradients, GradClipping(kind=Clipping.NORM, max_gradient=1.0))
    assert torch.cat([g.flatten() for g in gradients]).tolist() == pytest.approx([0.6, 0.0, -0.8], abs=1e-6)
    clip(gradients, GradClipping(kind=Clipping.VALUE, max_gradient=0.7))
    assert torch.cat([g.flatten() for g in gradients]).tolist() == pytest.approx([0.6, 0.0, -0.7], abs=1e-6)
    clip(gradients, GradClipping(kind=Clipping.NORM, max_gradient=10.0))
    assert gradients[1].item() == pytest.approx(-0.7)


def test_clipping_by_another_norm() -> None:
    gradients = [torch.tensor([2.0, -8.0])]
    clip(gradients, GradClipping(kind=Clipping.NORM, max_gradient=4.0, norm_type=float("inf")))
    assert gradients[0].tolist() == pytest.approx([1.0, -4.0], abs=1e-5)


def test_a_part_that_is_left_without_parameters_is_known() -> None:
    parts = tuple(PartOptimizer(pattern=pattern, rule=SGD()) for pattern in ("a", "^a$", "gone"))
    optimizer = NetworkOptimizer([("a", Parameter(torch.ones(2)))], DenseOptimizer(rule=SGD(), parts=parts))
    assert optimizer.idle_patterns == ["^a$", "gone"]

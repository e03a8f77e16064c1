"""Learning rates by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from peprank.errors import TrainingError
from peprank.spec.train import (
    Adam,
    ConstantLR,
    CosineAnnealingLR,
    CosineWarmRestartsLR,
    DenseOptimizer,
    ExponentialDecayLR,
    ManualStepLR,
    PartOptimizer,
    Schedule,
    SparseAdagrad,
    SparseOptimizer,
    TrainSpec,
)
from peprank.training.schedule import learning_rate, lr_at, settled

STAIRS = ExponentialDecayLR(
    decay_size=10, decay_factor=0.5, warmup_learning_rate=0.2, warmup_size=4, min_learning_rate=0.3
)
STEPS = ManualStepLR(schedule_sizes=(4, 8), learning_rates=(0.5, 0.1), warmup=True)
COSINE = CosineAnnealingLR(t_max=10, min_learning_rate=0.2, warmup_learning_rate=0.6, warmup_size=2)
RESTARTS = CosineWarmRestartsLR(t_0=4, t_mult=2, min_learning_rate=0.0)


@pytest.mark.parametrize(
    ("schedule", "t", "rate"),
    [
        (ConstantLR(), 99, 1.0),
        (STAIRS, 0, 0.2),  # the first update runs at the warm-up's start
        (STAIRS, 2, 0.6),  # half way from 0.2 to 1
        (STAIRS, 4, 1.0),
        (STAIRS, 13, 1.0),  # 9 / 10 of a step: floored to 0
        (STAIRS, 14, 0.5),
        (STAIRS, 24, 0.3),  # 0.25, held at the minimum
        (ExponentialDecayLR(decay_size=10, decay_factor=0.25, staircase=False), 5, 0.5),  # 0.25 ** (1 / 2)
        (STEPS, 0, 1.0),
        (STEPS, 2, 0.75),  # half way from the base to 0.5
        (STEPS, 4, 0.5),  # a size itself still belongs to what lies before it: the end of the warm-up
        (STEPS, 5, 0.5),
        (STEPS, 8, 0.5),
        (STEPS, 9, 0.1),
        (ManualStepLR(schedule_sizes=(4, 8), learning_rates=(0.5, 0.1)), 4, 1.0),
        (ManualStepLR(schedule_sizes=(0,), learning_rates=(0.5,), warmup=True), 0, 1.0),
        (COSINE, 1, 0.8),
        (COSINE, 2, 1.0),
        (COSINE, 7, 0.6),  # the middle of the cosine: (1 + 0.2) / 2
        (COSINE, 12, 0.2),
        (COSINE, 1000, 0.2),
        (RESTARTS, 0, 1.0),
        (RESTARTS, 2, 0.5),
        (RESTARTS, 3, 0.5 * (1 + math.cos(math.pi * 3 / 4))),
        (RESTARTS, 4, 1.0),  # cycles are 4, 8, 16... long
        (RESTARTS, 8, 0.5),
        (RESTARTS, 12, 1.0),
        (RESTARTS, 28, 1.0),
        (CosineWarmRestartsLR(t_0=3, warmup_size=2, warmup_learning_rate=0.0), 5, 1.0),
    ],
)
def test_rate_equals_the_hand_computed_one(schedule: Schedule, t: int, rate: float) -> None:
    assert lr_at(schedule, 1.0, t) == pytest.approx(rate)


@pytest.mark.parametrize("schedule", [ConstantLR(), STAIRS, STEPS, COSINE, RESTARTS])
def test_a_base_of_zero_freezes_whatever_the_schedule_says(schedule: Schedule) -> None:
    assert [lr_at(schedule, 0.0, t) for t in range(30)] == [0.0] * 30


def test_by_epoch_reads_the_epoch_and_not_the_step() -> None:
    by_step = ExponentialDecayLR(decay_size=1, decay_factor=0.5)
    by_epoch = ExponentialDecayLR(decay_size=1, decay_factor=0.5, by_epoch=True)
    assert learning_rate(by_step, 1.0, step=3, epoch=1) == 0.125
    assert learning_rate(by_epoch, 1.0, step=3, epoch=1) == 0.5


def test_restarts_do_not_drift_however_late_they_are() -> None:
    starts = [4 * (2**k - 1) for k in range(40)]
    assert [lr_at(RESTARTS, 1.0, t) for t in starts] == [1.0] * 40


def _plan(schedule: Schedule, *, num_steps: int | None = None) -> TrainSpec:
    """A run whose tables, network and one part of it follow `schedule`."""
    part = PartOptimizer(pattern="tower", rule=Adam(lr=1.0), schedule=schedule)
    return TrainSpec(
        sparse=SparseOptimizer(rule=SparseAdagrad(lr=1.0), schedule=schedule),
        dense=DenseOptimizer(rule=Adam(lr=1.0), schedule=schedule, parts=(part,)),
        num_steps=num_steps,
        num_epochs=3 if num_steps is None else None,
    )


@pytest.mark.parametrize(("by_epoch", "t_max"), [(False, 58), (True, 1)])
def test_a_cosine_without_a_length_lasts_up_to_the_end(by_epoch: bool, t_max: int) -> None:
    open_end = CosineAnnealingLR(warmup_size=2, by_epoch=by_epoch)
    plan = settled(_plan(open_end), 60)
    assert plan == _plan(replace(open_end, t_max=t_max))


def test_a_length_that_is_written_stays() -> None:
    assert settled(_plan(COSINE), None) == _plan(COSINE)


def test_a_length_that_nobody_knows_is_asked_for() -> None:
    with pytest.raises(TrainingError, match=r"write T_max, or train_config\.num_steps"):
        settled(_plan(CosineAnnealingLR()), None)
    with pytest.raises(TrainingError, match="write T_max, or num_epochs"):
        settled(_plan(CosineAnnealingLR(by_epoch=True), num_steps=9), 9)

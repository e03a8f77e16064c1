"""Learning rates as pure functions of time."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import replace

from typing_extensions import assert_never

from peprank.errors import TrainingError
from peprank.spec.train import (
    ConstantLR,
    CosineAnnealingLR,
    CosineWarmRestartsLR,
    ExponentialDecayLR,
    ManualStepLR,
    Schedule,
    TrainSpec,
)


def settled(plan: TrainSpec, num_steps: int | None) -> TrainSpec:
    """Give each cosine that lasts up to the end of the run its length.

    Args:
        num_steps: updates of the whole run; None: not known, for the files do not say how many rows they have.

    Raises:
        TrainingError: a cosine needs a length that is not known.
    """

    def of(schedule: Schedule) -> Schedule:
        if not isinstance(schedule, CosineAnnealingLR) or schedule.t_max is not None:
            return schedule
        length = plan.num_epochs if schedule.by_epoch else num_steps
        if length is None:
            unit, known = ("epochs", "num_epochs") if schedule.by_epoch else ("steps", "train_config.num_steps")
            raise TrainingError(
                f"cosine_annealing_learning_rate.T_max is not set and how many {unit} the run has is not known; "
                f"write T_max, or {known}"
            )
        return replace(schedule, t_max=max(1, length - schedule.warmup_size))

    parts = tuple(replace(part, schedule=part.schedule and of(part.schedule)) for part in plan.dense.parts)
    sparse = replace(plan.sparse, schedule=of(plan.sparse.schedule))
    return replace(plan, sparse=sparse, dense=replace(plan.dense, schedule=of(plan.dense.schedule), parts=parts))


def learning_rate(schedule: Schedule, base: float, *, step: int, epoch: int) -> float:
    """Return the rate of the next update, counted in updates or, for `by_epoch`, in whole epochs done so far."""
    by_epoch = not isinstance(schedule, ConstantLR) and schedule.by_epoch
    return lr_at(schedule, base, epoch if by_epoch else step)


def lr_at(schedule: Schedule, base: float, t: int) -> float:
    """Return the learning rate at time t >= 0; a base of 0 freezes its parameters whatever the schedule says.

    Example:
        >>> lr_at(ExponentialDecayLR(decay_size=10, decay_factor=0.5), 1.0, 25)
        0.25
    """
    if base == 0:
        return 0.0
    match schedule:
        case ConstantLR():
            return base
        case ManualStepLR():
            return _manual_step(schedule, base, t)
        case ExponentialDecayLR() | CosineAnnealingLR() | CosineWarmRestartsLR() if t < schedule.warmup_size:
            return _between(schedule.warmup_learning_rate, base, t / schedule.warmup_size)
        case ExponentialDecayLR():
            power = (t - schedule.warmup_size) / schedule.decay_size
            power = math.floor(power) if schedule.staircase else power
            return max(base * schedule.decay_factor**power, schedule.min_learning_rate)
        case CosineAnnealingLR():
            assert schedule.t_max is not None, "see `settled`"
            elapsed = min(t - schedule.warmup_size, schedule.t_max)
            return _half_cosine(base, schedule.min_learning_rate, elapsed / schedule.t_max)
        case CosineWarmRestartsLR():
            return _half_cosine(base, schedule.min_learning_rate, _part_of_cycle(schedule, t - schedule.warmup_size))
        case _:
            assert_never(schedule)


def _manual_step(schedule: ManualStepLR, base: float, t: int) -> float:
    """The base before the first size, then the rate of the last size that lies before t."""
    index = bisect_left(schedule.schedule_sizes, t)
    if index > 0:
        return schedule.learning_rates[index - 1]
    if schedule.warmup and schedule.schedule_sizes[0] > 0:
        return _between(base, schedule.learning_rates[0], t / schedule.schedule_sizes[0])
    return base


def _between(start: float, end: float, part: float) -> float:
    return start + (end - start) * part


def _half_cosine(base: float, minimum: float, part: float) -> float:
    return _between(minimum, base, 0.5 * (1 + math.cos(math.pi * part)))


def _part_of_cycle(schedule: CosineWarmRestartsLR, elapsed: int) -> float:
    """How much of its cycle time has gone by, in [0, 1). Integers only: a logarithm errs at the restarts."""
    length = schedule.t_0
    if schedule.t_mult == 1:
        return elapsed % length / length
    while elapsed >= length:
        elapsed, length = elapsed - length, length * schedule.t_mult
    return elapsed / length

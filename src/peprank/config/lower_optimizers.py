"""Optimisers and learning-rate schedules."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, TypeAlias

from peprank.config.place import Place
from peprank.config.protos import pipeline_pb2 as pb
from peprank.spec import train as spec

AnyOptimizer: TypeAlias = pb.SparseOptimizer | pb.DenseOptimizer | pb.PartOptimizer
Fused: TypeAlias = (
    pb.FusedSGDOptimizer
    | pb.FusedAdagradOptimizer
    | pb.FusedAdamOptimizer
    | pb.FusedPartialRowWiseAdamOptimizer
    | pb.FusedRowWiseAdagradOptimizer
)

# Rules of the numbers that optimisers share: field -> (test, what the message says).
NOT_NEGATIVE: Final = ("lr", "weight_decay", "momentum", "initial_accumulator_value", "dampening")
POSITIVE: Final = ("eps",)  # with 0 the first step of a weight without a gradient is 0 / 0
FRACTIONS: Final = ("beta1", "beta2", "rho", "alpha")


def sparse_optimizer(msg: pb.SparseOptimizer, at: Place) -> spec.SparseOptimizer | None:
    """Rule and schedule of the embedding tables."""
    kind = _optimizer_kind(msg, at, "adagrad_optimizer { lr: 0.01 }")
    schedule = _schedule(msg, at)
    rule = _sparse_rule(msg, kind) if kind else None
    if rule is None or schedule is None or kind is None:
        return None
    _check_numbers(at[kind])
    return spec.SparseOptimizer(rule=rule, schedule=schedule, max_gradient=_max_gradient(getattr(msg, kind), at[kind]))


def _sparse_rule(msg: pb.SparseOptimizer, kind: str) -> spec.SparseRule | None:
    if kind == "sgd_optimizer":
        return spec.SparseSGD(lr=msg.sgd_optimizer.lr)
    if kind == "adagrad_optimizer":
        adagrad = msg.adagrad_optimizer
        return spec.SparseAdagrad(lr=adagrad.lr, initial_accumulator=adagrad.initial_accumulator_value)
    if kind == "rowwise_adagrad_optimizer":
        rowwise = msg.rowwise_adagrad_optimizer
        return spec.RowWiseAdagrad(
            lr=rowwise.lr,
            weight_decay=rowwise.weight_decay,
            weight_decay_mode=spec.WeightDecayMode(pb.WeightDecayMode.Name(rowwise.weight_decay_mode)),
        )
    if kind == "adam_optimizer":
        return _sparse_adam(msg.adam_optimizer, partial_rowwise=False)
    if kind == "partial_rowwise_adam_optimizer":
        return _sparse_adam(msg.partial_rowwise_adam_optimizer, partial_rowwise=True)
    return None  # support.review has refused it


def _sparse_adam(
    msg: pb.FusedAdamOptimizer | pb.FusedPartialRowWiseAdamOptimizer, *, partial_rowwise: bool
) -> spec.SparseAdam:
    return spec.SparseAdam(
        lr=msg.lr,
        beta1=msg.beta1,
        beta2=msg.beta2,
        weight_decay=msg.weight_decay,
        partial_rowwise=partial_rowwise,
    )


def _max_gradient(msg: Fused, at: Place) -> float | None:
    if not msg.gradient_clipping:
        if msg.HasField("max_gradient"):
            at["max_gradient"].warn("has no effect without gradient_clipping: true")
        return None
    if not msg.max_gradient > 0:
        at["max_gradient"].error("must be > 0")
    return msg.max_gradient


def dense_optimizer(msg: pb.DenseOptimizer, at: Place) -> spec.DenseOptimizer | None:
    """Rules and schedules of everything but the embedding tables."""
    rule = _dense_rule(msg, at)
    schedule = _schedule(msg, at)
    parts = _parts(msg.part_optimizers, at["part_optimizers"])
    decay = msg.ema.decay if msg.HasField("ema") else None
    if decay is not None and not 0 <= decay < 1:
        at["ema"]["decay"].error("must lie in [0, 1); 0.999 is usual")
    if rule is None or schedule is None:
        return None
    return spec.DenseOptimizer(rule=rule, schedule=schedule, parts=parts, ema_decay=decay)


def _parts(messages: Sequence[pb.PartOptimizer], at: Place) -> tuple[spec.PartOptimizer, ...]:
    parts = []
    for index, msg in enumerate(messages):
        try:
            re.compile(msg.regex_pattern)
        except re.error as failure:
            at[index]["regex_pattern"].error(f"is no regular expression: {failure}; escape special characters")
        rule = _dense_rule(msg, at[index])
        schedule = _schedule(msg, at[index]) if msg.WhichOneof("learning_rate") else None
        if rule is not None:
            parts.append(spec.PartOptimizer(pattern=msg.regex_pattern, rule=rule, schedule=schedule))
    return tuple(parts)


def _dense_rule(msg: pb.DenseOptimizer | pb.PartOptimizer, at: Place) -> spec.DenseRule | None:
    kind = _optimizer_kind(msg, at, "adam_optimizer { lr: 0.001 }")
    if kind is None:
        return None
    _check_numbers(at[kind])
    if kind == "sgd_optimizer":
        return _sgd(msg.sgd_optimizer, at[kind])
    if kind == "adagrad_optimizer":
        return _adagrad(msg.adagrad_optimizer)
    if kind == "adam_optimizer":
        return _adam(msg.adam_optimizer, decoupled=False)
    if kind == "adamw_optimizer":
        return _adam(msg.adamw_optimizer, decoupled=True)
    if kind == "adadelta_optimizer":
        delta = msg.adadelta_optimizer
        return spec.Adadelta(lr=delta.lr, rho=delta.rho, eps=delta.eps, weight_decay=delta.weight_decay)
    rms = msg.rmsprop_optimizer
    return spec.RMSprop(lr=rms.lr, alpha=rms.alpha, eps=rms.eps, weight_decay=rms.weight_decay)


def _sgd(msg: pb.SGDOptimizer, at: Place) -> spec.SGD:
    if msg.nesterov and (msg.momentum == 0 or msg.dampening != 0):
        at["nesterov"].error("needs a momentum and no dampening; write momentum: 0.9")
    return spec.SGD(
        lr=msg.lr,
        momentum=msg.momentum,
        weight_decay=msg.weight_decay,
        dampening=msg.dampening,
        nesterov=msg.nesterov,
    )


def _adagrad(msg: pb.AdagradOptimizer) -> spec.Adagrad:
    return spec.Adagrad(
        lr=msg.lr, weight_decay=msg.weight_decay, initial_accumulator=msg.initial_accumulator_value, eps=msg.eps
    )


def _adam(msg: pb.AdamOptimizer | pb.AdamWOptimizer, *, decoupled: bool) -> spec.Adam:
    return spec.Adam(
        lr=msg.lr,
        beta1=msg.beta1,
        beta2=msg.beta2,
        weight_decay=msg.weight_decay,
        eps=msg.eps,
        amsgrad=msg.amsgrad,
        decoupled=decoupled,
    )


def _optimizer_kind(msg: AnyOptimizer, at: Place, example: str) -> str | None:
    kind = msg.WhichOneof("optimizer")
    if kind is None and at.is_set:
        at.error_without("optimizer", f"names no optimiser; write {example}")
    return kind


def _check_numbers(at: Place) -> None:
    for name in NOT_NEGATIVE:
        if at.has(name) and not float(at[name].node) >= 0:  # type: ignore[arg-type]
            at[name].error("must be >= 0")
    for name in POSITIVE:
        if at.has(name) and not float(at[name].node) > 0:  # type: ignore[arg-type]
            at[name].error("must be > 0; 1e-8 is usual")
    for name in FRACTIONS:
        if at.has(name) and not 0 <= float(at[name].node) < 1:  # type: ignore[arg-type]
            at[name].error("must lie in [0, 1)")


def _schedule(msg: AnyOptimizer, at: Place) -> spec.Schedule | None:
    kind = msg.WhichOneof("learning_rate")
    if kind is None:
        if at.is_set:
            at.error_without("learning_rate", "says nothing about the learning rate; write constant_learning_rate {}")
        return None
    place = at[kind]
    _check_warmup(place)
    if kind == "exponential_decay_learning_rate":
        return _exponential(msg.exponential_decay_learning_rate, place)
    if kind == "manual_step_learning_rate":
        return _manual(msg.manual_step_learning_rate, place)
    if kind == "cosine_annealing_learning_rate":
        return _cosine(msg.cosine_annealing_learning_rate, place)
    if kind == "cosine_annealing_warm_restarts_learning_rate":
        return _restarts(msg.cosine_annealing_warm_restarts_learning_rate, place)
    return spec.ConstantLR()


def _check_warmup(at: Place) -> None:
    for name in ("warmup_learning_rate", "min_learning_rate"):
        if at.has(name) and not float(at[name].node) >= 0:  # type: ignore[arg-type]
            at[name].error("must be >= 0")


def _check_length(name: str, at: Place) -> None:
    if at[name].node == 0:
        at[name].error(f"must be at least 1; write {name}: 1000, say, in steps (or in epochs, with by_epoch: true)")


def _exponential(msg: pb.ExponentialDecayLR, at: Place) -> spec.ExponentialDecayLR:
    _check_length("decay_size", at)
    if not msg.decay_factor > 0:
        at["decay_factor"].error("must be > 0; 0.95 is usual")
    return spec.ExponentialDecayLR(
        decay_size=msg.decay_size,
        decay_factor=msg.decay_factor,
        staircase=msg.staircase,
        warmup_learning_rate=msg.warmup_learning_rate,
        warmup_size=msg.warmup_size,
        min_learning_rate=msg.min_learning_rate,
        by_epoch=msg.by_epoch,
    )


def _manual(msg: pb.ManualStepLR, at: Place) -> spec.ManualStepLR:
    sizes, rates = list(msg.schedule_sizes), list(msg.learning_rates)
    if not sizes:
        at["schedule_sizes"].error("is missing; list the steps at which the learning rate changes")
    if len(sizes) != len(rates):
        at["learning_rates"].error(f"has {len(rates)} values for {len(sizes)} schedule_sizes; give one rate per size")
    if any(a >= b for a, b in pairwise(sizes)):
        at["schedule_sizes"].error("must ascend strictly")
    if any(not rate >= 0 for rate in rates):
        at["learning_rates"].error("every rate must be >= 0")
    return spec.ManualStepLR(
        schedule_sizes=tuple(sizes), learning_rates=tuple(rates), warmup=msg.warmup, by_epoch=msg.by_epoch
    )


def _cosine(msg: pb.CosineAnnealingLR, at: Place) -> spec.CosineAnnealingLR:
    if at["T_max"].is_set:
        _check_length("T_max", at)
    return spec.CosineAnnealingLR(
        t_max=msg.T_max if at["T_max"].is_set else None,
        min_learning_rate=msg.min_learning_rate,
        warmup_learning_rate=msg.warmup_learning_rate,
        warmup_size=msg.warmup_size,
        by_epoch=msg.by_epoch,
    )


def _restarts(msg: pb.CosineAnnealingWarmRestartsLR, at: Place) -> spec.CosineWarmRestartsLR:
    _check_length("T_0", at)
    _check_length("T_mult", at)
    return spec.CosineWarmRestartsLR(
        t_0=msg.T_0,
        t_mult=msg.T_mult,
        min_learning_rate=msg.min_learning_rate,
        warmup_learning_rate=msg.warmup_learning_rate,
        warmup_size=msg.warmup_size,
        by_epoch=msg.by_epoch,
    )

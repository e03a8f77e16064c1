"""The rules of dense parameters, by torch's own kernels.

The functions behind torch.optim's classes are called, not the classes: making one of those imports torch's compiler,
which nothing here uses, for 2 s of a run's start and 70 MB.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim.adadelta import adadelta
from torch.optim.adagrad import adagrad
from torch.optim.adam import adam
from torch.optim.rmsprop import rmsprop
from torch.optim.sgd import sgd
from typing_extensions import assert_never

from peprank.spec.train import SGD, Adadelta, Adagrad, Adam, DenseRule, RMSprop

State = dict[str, Tensor]  # what a rule remembers of one parameter, by torch.optim's names


def new_state(rule: DenseRule, parameter: Parameter) -> State:
    """What `rule` remembers of a parameter before its first update; the momentum of SGD comes with that update."""

    def zeros() -> Tensor:
        return torch.zeros_like(parameter, memory_format=torch.preserve_format)

    match rule:
        case SGD():
            return {}
        case Adagrad():
            total = torch.full_like(parameter, rule.initial_accumulator, memory_format=torch.preserve_format)
            return {"step": torch.zeros(()), "sum": total}
        case Adam():
            # The fused kernel reads the step count where the parameter lies; the others want it on the CPU.
            state = {"step": torch.zeros((), device=parameter.device), "exp_avg": zeros(), "exp_avg_sq": zeros()}
            return state | ({"max_exp_avg_sq": zeros()} if rule.amsgrad else {})
        case Adadelta():
            return {"step": torch.zeros(()), "square_avg": zeros(), "acc_delta": zeros()}
        case RMSprop():
            return {"step": torch.zeros(()), "square_avg": zeros()}
        case _:
            assert_never(rule)


@torch.no_grad()
def apply_rule(rule: DenseRule, parameters: Sequence[Parameter], states: Sequence[State], *, lr: float) -> None:
    """Update parameters that have a gradient, and what is remembered of them, in place: all of them at once.

    Fused where torch has such a kernel for every device.
    """
    values, gradients = list[Tensor](parameters), [p.grad for p in parameters if p.grad is not None]

    def of(slot: str) -> list[Tensor]:
        return [state[slot] for state in states if slot in state]

    match rule:
        case SGD():
            _sgd(rule, values, gradients, states, lr)
        case Adagrad():
            adagrad(
                values,
                gradients,
                of("sum"),
                of("step"),
                foreach=True,
                lr=lr,
                weight_decay=rule.weight_decay,
                lr_decay=0.0,
                eps=rule.eps,
                maximize=False,
            )
        case Adam():
            adam(
                values,
                gradients,
                of("exp_avg"),
                of("exp_avg_sq"),
                of("max_exp_avg_sq"),
                of("step"),
                fused=True,
                decoupled_weight_decay=rule.decoupled,
                amsgrad=rule.amsgrad,
                beta1=rule.beta1,
                beta2=rule.beta2,
                lr=lr,
                weight_decay=rule.weight_decay,
                eps=rule.eps,
                maximize=False,
            )
        case Adadelta():
            adadelta(
                values,
                gradients,
                of("square_avg"),
                of("acc_delta"),
                of("step"),
                foreach=True,
                lr=lr,
                rho=rule.rho,
                eps=rule.eps,
                weight_decay=rule.weight_decay,
                maximize=False,
            )
        case RMSprop():
            rmsprop(
                values,
                gradients,
                of("square_avg"),
                [],
                [],
                of("step"),
                foreach=True,
                lr=lr,
                alpha=rule.alpha,
                eps=rule.eps,
                weight_decay=rule.weight_decay,
                momentum=0.0,
                centered=False,
            )
        case _:
            assert_never(rule)


def _sgd(rule: SGD, values: list[Tensor], gradients: list[Tensor], states: Sequence[State], lr: float) -> None:
    """Parameters at their first update apart from the others: the kernel wants a momentum for all of them or none."""
    has_momentum = ["momentum_buffer" in state for state in states]
    for kind in (False, True):
        group = [k for k, has in enumerate(has_momentum) if has is kind]
        momenta = [states[k].get("momentum_buffer") for k in group]  # the kernel's callee fills in those that are None
        sgd(
            [values[k] for k in group],
            [gradients[k] for k in group],
            momenta,
            fused=True,
            weight_decay=rule.weight_decay,
            momentum=rule.momentum,
            lr=lr,
            dampening=rule.dampening,
            nesterov=rule.nesterov,
            maximize=False,
        )
        for k, momentum in zip(group, momenta, strict=True):
            if momentum is not None:
                states[k]["momentum_buffer"] = momentum

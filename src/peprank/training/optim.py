"""Optimisers of the dense parameters: one torch optimiser per part, each with its own schedule."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Optimizer
from typing_extensions import assert_never

from peprank.errors import ArtifactError
from peprank.spec.train import (
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Clipping,
    DenseOptimizer,
    DenseRule,
    GradClipping,
    RMSprop,
    Schedule,
)
from peprank.training.schedule import learning_rate


@dataclass(frozen=True, slots=True)
class _Part:
    optimizer: Optimizer
    base: float  # learning rate before the schedule
    schedule: Schedule


class NetworkOptimizer:
    """Update dense parameters as the plan says; the first pattern that a name matches decides its rule.

    Args:
        parameters: (name, parameter) of everything that is no embedding table.
        plan: rules and schedules.
    """

    def __init__(self, parameters: Sequence[tuple[str, Parameter]], plan: DenseOptimizer) -> None:
        self._named = {name: value for name, value in parameters if value.requires_grad}
        members: dict[int, list[Parameter]] = {}
        for name, value in self._named.items():
            members.setdefault(_part_of(name, plan), []).append(value)
        self.idle_patterns = [part.pattern for k, part in enumerate(plan.parts, 1) if k not in members]
        rules = [(plan.rule, plan.schedule), *((part.rule, part.schedule or plan.schedule) for part in plan.parts)]
        self._parts = [
            _Part(_optimizer(rules[k][0], values), rules[k][0].lr, rules[k][1]) for k, values in sorted(members.items())
        ]

    def rate(self, *, step: int, epoch: int) -> float:
        """Return the first part's rate: the default rule's, if anything follows it."""
        return learning_rate(self._parts[0].schedule, self._parts[0].base, step=step, epoch=epoch)

    def step(self, *, step: int, epoch: int) -> None:
        """Apply and drop all gradients, at the rates of update `step` (from 0) in `epoch` (from 0)."""
        for part in self._parts:
            part.optimizer.param_groups[0]["lr"] = learning_rate(part.schedule, part.base, step=step, epoch=epoch)
            part.optimizer.step()
            part.optimizer.zero_grad(set_to_none=True)

    def gradients(self) -> dict[str, Tensor]:
        """Return the gradient of each parameter that has one."""
        return {name: value.grad for name, value in self._named.items() if value.grad is not None}

    def state(self) -> dict[str, Tensor]:
        """Return all state tensors, named `<slot>/<parameter>`."""
        return {
            f"{slot}/{name}": value
            for name, parameter in self._named.items()
            for slot, value in self._state_of(parameter).items()
            if isinstance(value, Tensor)
        }

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state` gave.

        Raises:
            ArtifactError: it belongs to other parameters.
        """
        slots: dict[str, dict[str, Tensor]] = {}
        for key, value in state.items():
            slot, name = key.split("/", 1)
            slots.setdefault(name, {})[slot] = value
        if unknown := sorted(slots.keys() - self._named.keys()):
            raise ArtifactError(f"the optimiser's state names parameters that the model does not have: {unknown}")
        for name, tensors in slots.items():
            parameter = self._named[name]
            # A step count stays where torch keeps it (the CPU, unless fused); the rest lies beside its parameter.
            self._state_of(parameter).update(
                {slot: t.clone() if t.dim() == 0 else t.to(parameter.device, copy=True) for slot, t in tensors.items()}
            )

    def _state_of(self, parameter: Parameter) -> dict[str, object]:
        for part in self._parts:
            if any(parameter is member for member in part.optimizer.param_groups[0]["params"]):
                state: dict[str, object] = part.optimizer.state[parameter]
                return state
        raise KeyError(parameter)


def clip(gradients: Sequence[Tensor], plan: GradClipping) -> None:
    """Bound dense gradients in place: their total norm, or each value."""
    match plan.kind:
        case Clipping.NONE:
            pass
        case Clipping.VALUE:
            torch._foreach_clamp_min_(list(gradients), -plan.max_gradient)
            torch._foreach_clamp_max_(list(gradients), plan.max_gradient)
        case Clipping.NORM:
            norm = torch.nn.utils.get_total_norm(gradients, plan.norm_type)
            scale = (plan.max_gradient / (norm + 1e-6)).clamp(max=1.0)
            torch._foreach_mul_(list(gradients), scale)
        case _:
            assert_never(plan.kind)


def _part_of(name: str, plan: DenseOptimizer) -> int:
    """0: the default rule; k: the k-th part."""
    return next((k for k, part in enumerate(plan.parts, 1) if re.search(part.pattern, name)), 0)


def _optimizer(rule: DenseRule, parameters: list[Parameter]) -> Optimizer:
    """One torch optimiser over all parameters at once; fused where torch has such a kernel for every device."""
    match rule:
        case SGD():
            return torch.optim.SGD(
                parameters,
                lr=rule.lr,
                momentum=rule.momentum,
                weight_decay=rule.weight_decay,
                dampening=rule.dampening,
                nesterov=rule.nesterov,
                fused=True,
            )
        case Adagrad():
            return torch.optim.Adagrad(
                parameters,
                lr=rule.lr,
                weight_decay=rule.weight_decay,
                initial_accumulator_value=rule.initial_accumulator,
                eps=rule.eps,
                foreach=True,
            )
        case Adam():
            kind = torch.optim.AdamW if rule.decoupled else torch.optim.Adam
            return kind(
                parameters,
                lr=rule.lr,
                betas=(rule.beta1, rule.beta2),
                weight_decay=rule.weight_decay,
                eps=rule.eps,
                amsgrad=rule.amsgrad,
                fused=True,
            )
        case Adadelta():
            return torch.optim.Adadelta(
                parameters, lr=rule.lr, rho=rule.rho, eps=rule.eps, weight_decay=rule.weight_decay, foreach=True
            )
        case RMSprop():
            return torch.optim.RMSprop(
                parameters, lr=rule.lr, alpha=rule.alpha, eps=rule.eps, weight_decay=rule.weight_decay, foreach=True
            )
        case _:
            assert_never(rule)

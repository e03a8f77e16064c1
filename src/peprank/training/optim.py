"""The optimiser of the dense parameters: one rule per part, each with its own schedule."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import Parameter
from typing_extensions import assert_never

from peprank.errors import ArtifactError
from peprank.spec.train import Clipping, DenseOptimizer, DenseRule, GradClipping, Schedule
from peprank.training.dense import State, apply_rule, new_state
from peprank.training.schedule import learning_rate


@dataclass(frozen=True, slots=True)
class _Part:
    rule: DenseRule
    schedule: Schedule
    parameters: dict[str, Parameter]
    states: dict[str, State]  # of the parameters that have been updated


class NetworkOptimizer:
    """Update dense parameters as the plan says; the first pattern that a name matches decides its rule.

    Args:
        parameters: (name, parameter) of everything that is no embedding table.
        plan: rules and schedules.
    """

    def __init__(self, parameters: Sequence[tuple[str, Parameter]], plan: DenseOptimizer) -> None:
        self._named = {name: value for name, value in parameters if value.requires_grad}
        members: dict[int, dict[str, Parameter]] = {}
        for name, value in self._named.items():
            members.setdefault(_part_of(name, plan), {})[name] = value
        self.idle_patterns = [part.pattern for k, part in enumerate(plan.parts, 1) if k not in members]
        rules = [(plan.rule, plan.schedule), *((part.rule, part.schedule or plan.schedule) for part in plan.parts)]
        self._parts = [_Part(*rules[k], parameters, {}) for k, parameters in sorted(members.items())]

    def rate(self, *, step: int, epoch: int) -> float:
        """Return the first part's rate: the default rule's, if anything follows it."""
        return learning_rate(self._parts[0].schedule, self._parts[0].rule.lr, step=step, epoch=epoch)

    def step(self, *, step: int, epoch: int) -> None:
        """Apply and drop all gradients, at the rates of update `step` (from 0) in `epoch` (from 0)."""
        for part in self._parts:
            learning = {name: value for name, value in part.parameters.items() if value.grad is not None}
            for name in learning.keys() - part.states.keys():
                part.states[name] = new_state(part.rule, learning[name])
            lr = learning_rate(part.schedule, part.rule.lr, step=step, epoch=epoch)
            apply_rule(part.rule, list(learning.values()), [part.states[name] for name in learning], lr=lr)
            for value in learning.values():
                value.grad = None

    def gradients(self) -> dict[str, Tensor]:
        """Return the gradient of each parameter that has one."""
        return {name: value.grad for name, value in self._named.items() if value.grad is not None}

    def state(self) -> dict[str, Tensor]:
        """Return all state tensors, named `<slot>/<parameter>`."""
        states = {name: state for part in self._parts for name, state in part.states.items()}
        return {
            f"{slot}/{name}": value for name in self._named if name in states for slot, value in states[name].items()
        }

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state` gave.

        Raises:
            ArtifactError: it belongs to other parameters.
        """
        slots: dict[str, State] = {}
        for key, value in state.items():
            slot, name = key.split("/", 1)
            slots.setdefault(name, {})[slot] = value
        if unknown := sorted(slots.keys() - self._named.keys()):
            raise ArtifactError(f"the optimiser's state names parameters that the model does not have: {unknown}")
        for part in self._parts:
            for name in part.parameters.keys() & slots.keys():
                part.states[name] = _placed(
                    slots[name], new_state(part.rule, part.parameters[name]), part.parameters[name]
                )


def _placed(state: State, like: State, parameter: Parameter) -> State:
    """A copy of `state` on the devices where a new one would lie; what comes later lies beside the parameter."""
    return {slot: value.to(like.get(slot, parameter).device, copy=True) for slot, value in state.items()}


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

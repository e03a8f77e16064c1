"""Moving average of the dense weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn import Parameter


class MovingAverage:
    """average = decay average + (1 - decay) weight after each update, over dense parameters.

    Args:
        parameters: (name, parameter); averages start at their values.
        decay: in (0, 1).
    """

    def __init__(self, parameters: Sequence[tuple[str, Parameter]], decay: float) -> None:
        self.decay = decay
        self._parameters: list[Tensor] = [value for _, value in parameters]
        self.averages: dict[str, Tensor] = {name: value.detach().clone() for name, value in parameters}

    @torch.no_grad()
    def update(self) -> None:
        """Move the averages towards the weights as they are now."""
        torch._foreach_lerp_(list(self.averages.values()), self._parameters, 1 - self.decay)

    @torch.no_grad()
    def load(self, averages: Mapping[str, Tensor]) -> None:
        """Take back averages that were saved."""
        for name, average in self.averages.items():
            average.copy_(averages[name])

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Let the averages stand in the model; on leaving, the weights are back bit for bit."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for average, parameter in zip(self.averages.values(), self._parameters, strict=True):
            kept = parameter.clone()
            parameter.copy_(average)
            average.copy_(kept)

"""Looking at the gates of a trunk: what each one gives for some rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from peprank.batch import Features
from peprank.models.ranker import MultiTaskRanker, eval_mode


@dataclass(frozen=True, slots=True, kw_only=True)
class GateValues:
    """What one gate gives B rows: δ of the U units that it scales, or the shares of U experts that it mixes."""

    gate: str  # "EPNet", "PPNet", "MMoE" ...
    layer: str = ""  # "input", "layer 1" ...; "" where such a gate stands in one place only
    task: str | None = None  # whom it serves; None: all tasks
    values: Tensor  # [B, U]
    gamma: float | None = None  # open upper end of δ; None: a softmax, the values of a row sum to 1
    group: str | None = None  # the feature group whose units it scales; None: those of a hidden layer
    experts: tuple[str, ...] = ()  # names of what a softmax mixes


@runtime_checkable
class Gated(Protocol):
    """A trunk that lets its gates be looked at."""

    def gate_values(self, groups: dict[str, Tensor], domain: Tensor, tasks: Sequence[str]) -> Iterable[GateValues]:
        """What `forward` multiplies by, gate by gate, given the names of the tasks."""
        ...


def look_at_gates(
    ranker: MultiTaskRanker, features: Features, tasks: Sequence[str], *, most_rows: int | None = None
) -> list[GateValues]:
    """What each gate gives these rows, without autograd and in eval mode; the mode is put back.

    Args:
        tasks: their names.
        most_rows: look at the first so many rows only.

    Returns:
        One entry per gate; none where the model has no gates.
    """
    trunk = ranker.trunk
    if not isinstance(trunk, Gated):
        return []
    with eval_mode(ranker), torch.inference_mode():
        groups = {name: group[:most_rows] for name, group in ranker.embeddings(features).items()}
        return list(trunk.gate_values(groups, features.domain[:most_rows], tasks))

"""TensorBoard summaries, where the package is installed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from peprank.evaluation import Gate

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

_DEFAULT = ("loss", "learning_rate", "gate")


def is_installed() -> bool:
    """Whether TensorBoard can be imported."""
    return find_spec("tensorboard") is not None


class Board:
    """Write what `tensorboard_summaries` names.

    Args:
        directory: where event files go.
        summaries: loss, learning_rate, gate, parameter, gradient, gradient_norm, global_gradient_norm; (): the first
            three.
        step: events of this step and later, left by a run that was stopped, are hidden.
    """

    def __init__(self, directory: Path, summaries: tuple[str, ...], *, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._summaries = frozenset(summaries or _DEFAULT)
        self._writer: SummaryWriter = SummaryWriter(str(directory), purge_step=step + 1)

    def scalars(self, step: int, losses: Mapping[str, float], rates: Mapping[str, float]) -> None:
        """Write losses and learning rates."""
        if "loss" in self._summaries:
            self._write("loss", losses, step)
            self._writer.add_scalar("loss/total", sum(losses.values()), step)
        if "learning_rate" in self._summaries:
            self._write("learning_rate", rates, step)

    def network(self, step: int, model: nn.Module, gradients: Mapping[str, Tensor]) -> None:
        """Write histograms of dense parameters and gradients, and norms, as far as they are asked for."""
        if "parameter" in self._summaries:
            for name in gradients:
                self._writer.add_histogram(f"parameter/{name}", model.get_parameter(name), step)
        if "gradient" in self._summaries:
            for name, gradient in gradients.items():
                self._writer.add_histogram(f"gradient/{name}", gradient, step)
        norms = {name: float(gradient.norm()) for name, gradient in gradients.items()}
        if "gradient_norm" in self._summaries:
            self._write("gradient_norm", norms, step)
        if "global_gradient_norm" in self._summaries:
            self._writer.add_scalar("global_gradient_norm", float(torch.tensor(list(norms.values())).norm()), step)

    @property
    def shows_gates(self) -> bool:
        """Whether `gates` writes anything."""
        return "gate" in self._summaries

    def gates(self, step: int, gates: Iterable[Gate]) -> None:
        """Write mean δ or share of each gate, by field or expert, and the share of its numbers that are saturated."""
        for gate in gates:
            whole, place = gate.cells[0], _tag(gate.name.lower(), gate.task, gate.layer)
            self._writer.add_scalar(f"gate_saturation/{place}", whole.saturated, step)
            self._writer.add_scalar(f"gate_between_rows/{place}", gate.between_rows, step)
            if gate.gamma is not None:
                self._writer.add_scalar(f"gate/{place}", whole.mean, step)
            if gate.task is None or gate.gamma is None:  # fields of each task would be hundreds of curves
                self._write("gate", {f"{place}/{_tag(cell.part)}": cell.mean for cell in gate.strongest()}, step)

    def metrics(self, step: int, kind: str, values: Mapping[str, float | None]) -> None:
        """Write metrics of an evaluation or of the training rows; undefined ones are left out."""
        self._write(kind, {name: value for name, value in values.items() if value is not None}, step)

    def close(self) -> None:
        """Flush and close the event file."""
        self._writer.close()

    def _write(self, kind: str, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self._writer.add_scalar(f"{kind}/{name}", value, step)


def _tag(*words: str | None) -> str:
    """A place in the tree of tags: "ppnet/click/layer_1"."""
    return "/".join(word.replace(" ", "_") for word in words if word)

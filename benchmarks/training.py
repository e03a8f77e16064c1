"""The training steps that are compared: ours, the plain one, and ours over fbgemm's tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final, Protocol

import torch

from benchmarks import fused_tables
from benchmarks.fused_tables import FusedTraining
from benchmarks.plain import PlainTraining
from peprank.spec.pipeline import PipelineSpec
from peprank.spec.train import Precision, SparseOptimizer, SparseRule
from peprank.training.batches import Batch
from peprank.training.learner import Learner
from peprank.training.schedule import settled

DTYPES: Final = {Precision.FLOAT32: torch.float32, Precision.BF16: torch.bfloat16}
_RUN_STEPS = 10_000  # what a cosine without a length takes the run for


class Training(Protocol):
    """Something that learns from one encoded batch after another."""

    def update(self, batch: Batch) -> object:
        """One update of all weights."""


class OurTraining:
    """The step that `peprank train` makes."""

    def __init__(self, spec: PipelineSpec) -> None:
        lasting = replace(spec, train=settled(spec.train, _RUN_STEPS))
        self.learner, self._step = Learner(lasting, torch.device("cpu")), 0

    def update(self, batch: Batch) -> dict[str, float]:
        """One update; returns the losses."""
        losses = self.learner.update([batch], step=self._step, epoch=0)
        self._step += 1
        return losses


OURS, PLAIN, FUSED = "ours", "plain", "fused"


def trainings(spec: PipelineSpec) -> dict[str, Callable[[], Training]]:
    """Makers of all that can train the plan here, by name: fbgemm's where it is installed."""
    bf16 = spec.train.precision is Precision.BF16
    makers: dict[str, Callable[[], Training]] = {
        OURS: partial(OurTraining, spec),
        PLAIN: partial(PlainTraining, spec.model, bf16=bf16),
    }
    if fused_tables.is_installed():
        makers[FUSED] = partial(FusedTraining, spec, bf16=bf16)
    return makers


def in_precision(spec: PipelineSpec, precision: Precision) -> PipelineSpec:
    """The same plan in other arithmetic."""
    return replace(spec, train=replace(spec.train, precision=precision))


def precision_name(precision: Precision) -> str:
    """As tables print it."""
    return {Precision.FLOAT32: "float32", Precision.BF16: "BF16"}[precision]


def with_rule(spec: PipelineSpec, rule: SparseRule) -> PipelineSpec:
    """The same plan with another optimiser of the tables."""
    return replace(spec, train=replace(spec.train, sparse=SparseOptimizer(rule=rule)))

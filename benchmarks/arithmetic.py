"""How much arithmetic a row needs, and how much memory a plan's tables: counted on the plan, not on the code."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from peprank.models import build, describe
from peprank.spec.embedding import GroupInput
from peprank.spec.model import ModelSpec
from peprank.spec.pipeline import PipelineSpec
from peprank.training.sparse import EmbeddingOptimizer

FLOP_PER_MULTIPLY_ADD = 2


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Multiply-adds of the linear maps that one row needs."""

    forward: int
    backward: int

    @property
    def forward_flop(self) -> int:
        """FLOP of scoring one row."""
        return FLOP_PER_MULTIPLY_ADD * self.forward

    @property
    def step_flop(self) -> int:
        """FLOP of training on one row."""
        return FLOP_PER_MULTIPLY_ADD * (self.forward + self.backward)


def needed(spec: ModelSpec) -> Arithmetic:
    """Count the multiply-adds that the mathematics needs, per row.

    Forward: one for each weight of each linear map that a row passes; of the domain towers only its own domain's.
    Backward: as many again for the gradients of the weights, and as many again for those of the inputs, less the
    products whose input needs no gradient: what a gate observes behind its stop-gradient, and columns of a gate's
    prior that are the row's own numbers or vectors of a frozen table. Biases, activations, gates' products, the loss
    and the optimisers are left out: a product of matrices does none of them.
    """
    network = describe(spec)
    trainable = {table.name: table.trainable for table in spec.tables}
    constant = {
        group.name: sum(item.dim for item in group.inputs if _is_constant(item, trainable)) for group in spec.groups
    }
    spared = sum(
        gate.hidden_dims[0] * (sum(width for _, width in gate.observes) + sum(constant[name] for name, _ in gate.reads))
        for gate in network.gates
    )
    return Arithmetic(forward=network.multiply_adds, backward=2 * network.multiply_adds - spared)


def table_bytes(spec: PipelineSpec) -> tuple[int, int]:
    """Bytes of all embedding tables, and of their optimiser's state."""
    with torch.device("meta"):
        ranker = build(spec.model, seed=0)
    optimizer = EmbeddingOptimizer(dict(ranker.sparse_parameters()), spec.train.sparse)
    state = sum(slot.nbytes for slots in optimizer.slots.values() for slot in slots.values())
    return describe(spec.model).embedding_bytes, state


def _is_constant(item: GroupInput, trainable: dict[str, bool]) -> bool:
    """Whether a feature's columns depend on no weight."""
    return item.dense is None and (item.table is None or not trainable[item.table])

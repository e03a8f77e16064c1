"""A network with its optimisers: one update at a time, all of its state in and out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from math import isfinite

import torch
from torch import Tensor

from peprank.evaluation import Gate, glance_at_gates
from peprank.models import build, settled
from peprank.spec.pipeline import PipelineSpec
from peprank.spec.train import Precision
from peprank.training.backward import Backward
from peprank.training.batches import Batch
from peprank.training.checkpoint import Checkpoint
from peprank.training.diagnosis import NotFiniteError, not_finite
from peprank.training.ema import MovingAverage
from peprank.training.optim import NetworkOptimizer, clip
from peprank.training.schedule import learning_rate
from peprank.training.sparse import EmbeddingOptimizer
from peprank.training.watch import Watch


class Learner:
    """Everything that training changes, apart from the place in the data.

    Dropout draws from torch's global generator, which the caller has seeded; its state is part of `training_state`.

    Args:
        spec: the plan.
        device: where the network and its optimisers live.
    """

    def __init__(self, spec: PipelineSpec, device: torch.device) -> None:
        self._spec, self._device = spec, device
        self.precision = settled(spec.train.precision, device)
        self.ranker = build(spec.model, seed=spec.train.seed).to(device).train()
        dtype = torch.bfloat16 if self.precision is Precision.BF16 else torch.float32
        self._gradients = Backward(self.ranker, spec.model, dtype)
        dense = self.ranker.dense_parameters()
        self._tables = EmbeddingOptimizer(dict(self.ranker.sparse_parameters()), spec.train.sparse)
        self.network = NetworkOptimizer(dense, spec.train.dense)
        decay = spec.train.dense.ema_decay
        self._average = MovingAverage(dense, decay) if decay is not None else None
        self.watch = Watch(spec.model)

    def update(
        self,
        batches: Sequence[Batch],
        *,
        step: int,
        epoch: int,
        on_gradients: Callable[[dict[str, Tensor]], None] | None = None,
    ) -> dict[str, float]:
        """Learn from the mean gradient of some batches, and return the mean of each loss.

        Args:
            step: updates done before this one.
            epoch: epochs done before this one.
            on_gradients: shown the gradients of the dense parameters, before they are clipped.

        Raises:
            NotFiniteError: nothing has changed then, random state and batch statistics included.
        """
        before = self._before()
        losses: list[dict[str, float]] = []
        try:
            for batch in batches:
                losses.append(self._backward(batch, share=1 / len(batches)))
            if bad := not_finite(self._all_gradients()):
                raise NotFiniteError(batches[-1], losses[-1], bad)
        except NotFiniteError as error:
            failed = min(len(losses), len(batches) - 1)
            error.rows_before = sum(batch.num_rows for batch in batches[:failed])
            self._take_back(before)
            raise
        if on_gradients is not None:
            on_gradients(self.network.gradients())
        self._apply(step, epoch)
        return {name: sum(part[name] for part in losses) / len(losses) for name in losses[0]}

    def gates(self, batch: Batch) -> tuple[Gate, ...]:
        """Return what the gates do with some rows of a batch, none where the model has no gates."""
        return glance_at_gates(self.ranker, batch.to(self._device).features, self._spec.model)

    def rates(self, *, step: int, epoch: int) -> dict[str, float]:
        """Return the learning rates of the next update: of the tables, and of the network's default rule."""
        sparse = self._spec.train.sparse
        return {
            "sparse": learning_rate(sparse.schedule, sparse.rule.lr, step=step, epoch=epoch),
            "dense": self.network.rate(step=step, epoch=epoch),
        }

    def averaged(self) -> AbstractContextManager[None]:
        """Within the block the network computes with its moving averages, if it has them."""
        return nullcontext() if self._average is None else self._average.applied()

    def averages(self) -> dict[str, Tensor]:
        """Return the moving averages by parameter, empty without."""
        return {} if self._average is None else self._average.averages

    def training_state(self) -> dict[str, Tensor]:
        """Return optimiser state by table and parameter, random state and train metrics, under `<part>/<name>`."""
        parts = {"sparse": self._table_slots(), "dense": self.network.state(), "watch": self.watch.state()}
        state = {f"{part}/{name}": value for part, values in parts.items() for name, value in values.items()}
        return state | {f"random/{name}": value for name, value in _random_state(self._device).items()}

    def load(self, checkpoint: Checkpoint) -> None:
        """Take the weights and all state of a checkpoint.

        Raises:
            ArtifactError: it belongs to another network.
        """
        self.ranker.load_weights(checkpoint.weights())
        parts = _by_prefix(checkpoint.training())
        self._load_table_slots(parts.get("sparse", {}))
        self._tables.num_steps = checkpoint.step
        self.network.load_state(parts.get("dense", {}))
        self.watch.load_state(parts.get("watch", {}))
        if self._average is not None:
            self._average.load(checkpoint.averages())
        _set_random_state(parts["random"], self._device)

    def start_from(self, weights: Mapping[str, Tensor], names: Mapping[str, str]) -> list[str]:
        """Begin with the weights of another run, as far as they fit; return what was left as it is, with the reason.

        Args:
            names: name here -> name there, where they differ.
        """
        own = self.ranker.weights()
        left, found = [], dict(own)
        for name, value in own.items():
            there = weights.get(names.get(name, name))
            if there is None:
                left.append(f"'{name}' is not there")
            elif there.shape != value.shape:
                left.append(f"'{name}' has shape {list(there.shape)} there, {list(value.shape)} here")
            else:
                found[name] = there
        self.ranker.load_weights(found)
        if self._average is not None:
            self._average = MovingAverage(self.ranker.dense_parameters(), self._average.decay)
        return left

    def _backward(self, batch: Batch, share: float) -> dict[str, float]:
        """Add `share` of the batch's gradient; return its losses."""
        batch = batch.to(self._device)
        losses, logits = self._gradients(batch, share)
        values = dict(zip(losses, torch.stack([*losses.values()]).tolist(), strict=True))
        if not all(isfinite(value) for value in values.values()):
            raise NotFiniteError(batch, values)
        self.watch.update(logits, batch.targets.labels)
        return values

    def _apply(self, step: int, epoch: int) -> None:
        clip(list(self.network.gradients().values()), self._spec.train.clipping)
        self._tables.step(self.rates(step=step, epoch=epoch)["sparse"])
        self.network.step(step=step, epoch=epoch)
        if self._average is not None:
            self._average.update()

    def _all_gradients(self) -> dict[str, Tensor]:
        sparse = {name: arena.grad._values() for name, arena in self._tables.arenas.items() if arena.grad is not None}
        return self.network.gradients() | sparse

    def _before(self) -> _Before:
        return _Before(
            _random_state(self._device), [buffer.clone() for buffer in self.ranker.buffers()], self.watch.state()
        )

    def _take_back(self, before: _Before) -> None:
        self.ranker.zero_grad(set_to_none=True)
        _set_random_state(before.random, self._device)
        for buffer, value in zip(self.ranker.buffers(), before.buffers, strict=True):
            buffer.copy_(value)
        self.watch.load_state(before.watch)

    def _table_slots(self) -> dict[str, Tensor]:
        split = self.ranker.embeddings.split
        return {
            f"{slot}/{table}": rows
            for arena, slots in self._tables.slots.items()
            for slot, state in slots.items()
            for table, rows in split(arena, state).items()
        }

    def _load_table_slots(self, kept: Mapping[str, Tensor]) -> None:
        for arena, slots in self._tables.slots.items():
            for slot, state in slots.items():
                for table, rows in self.ranker.embeddings.split(arena, state).items():
                    rows.copy_(kept[f"{slot}/{table}"])


@dataclass(frozen=True, slots=True)
class _Before:
    """What a failed forward pass has touched."""

    random: dict[str, Tensor]
    buffers: list[Tensor]
    watch: dict[str, Tensor]


def _random_state(device: torch.device) -> dict[str, Tensor]:
    state = {"cpu": torch.get_rng_state()}
    return state | {"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else state


def _set_random_state(state: Mapping[str, Tensor], device: torch.device) -> None:
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)


def _by_prefix(state: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    parts: dict[str, dict[str, Tensor]] = {}
    for key, value in state.items():
        part, name = key.split("/", 1)
        parts.setdefault(part, {})[name] = value
    return parts

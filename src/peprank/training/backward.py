"""The gradient of a batch: the tables' over all rows at once, the network's in parts of the rows side by side."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn

from peprank.batch import Targets
from peprank.models import MultiTaskRanker
from peprank.nn.dropout import drawing_from
from peprank.spec.model import JRC, ModelSpec
from peprank.training.batches import Batch
from peprank.training.loss import task_losses, total_loss

_PART_ROWS = 2048  # of a part at least: fewer rows pay more for calls than they gain in the caches


@dataclass(frozen=True, slots=True)
class Gradients:
    """What a batch says, before any of it is added to a parameter."""

    losses: dict[str, Tensor]  # name -> float32 []
    logits: Tensor  # float32 [B, K], detached
    of_network: list[Tensor | None]  # one per dense parameter
    of_groups: list[Tensor | None]  # one per feature group, float [B, D_g]


class Backward:
    """Computes the gradients of batches.

    One thread to a part is faster than all threads to each layer, by 5 to 11 % for 8,192 rows on 2 cores (2026-11-22),
    since passes over activations do not share themselves well among threads; a part leaves its memory to the next.
    Which rows share a part depends on their number alone, and parts are added up in their order, so threads
    decide on nothing but rounding within a layer.

    Rows stay together where a loss or a layer compares them: contrast within sessions, batch normalization. On a GPU
    they always do.

    Args:
        ranker: the network.
        model: its plan.
        dtype: what linear maps compute in.
    """

    def __init__(self, ranker: MultiTaskRanker, model: ModelSpec, dtype: torch.dtype) -> None:
        self._ranker, self._model, self._dtype = ranker, model, dtype
        self._network = [value for _, value in ranker.dense_parameters() if value.requires_grad]
        self._device = next(ranker.parameters()).device
        self._in_parts = self._device.type == "cpu" and not _compares_rows(ranker, model)
        self._pool: ThreadPoolExecutor | None = None

    def __call__(self, batch: Batch, share: float) -> tuple[dict[str, Tensor], Tensor]:
        """Add `share` of the gradient to all parameters, if it is finite in its losses; return losses and logits.

        Shapes: B rows -> {name: float32 []}, float32 [B, K].
        """
        with self._autocast():
            groups = self._ranker.embeddings(batch.features)
        found = self._of_all(groups, batch, share)
        if torch.isfinite(torch.stack([*found.losses.values()])).all():
            self._add(groups, found)
        return found.losses, found.logits

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self._device.type, self._dtype, enabled=self._dtype is not torch.float32)

    def _of_all(self, groups: dict[str, Tensor], batch: Batch, share: float) -> Gradients:
        num_parts = max(1, batch.num_rows // _PART_ROWS) if self._in_parts else 1
        totals = batch.targets.weights.sum(0)  # [T]
        of_part = partial(self._of_part, groups, batch, totals, share)
        if num_parts == 1:
            return of_part(slice(0, batch.num_rows), None)
        ends = [batch.num_rows * k // num_parts for k in range(num_parts + 1)]
        seeds: list[int] = torch.empty(num_parts, dtype=torch.int64).random_().tolist()
        rows = [slice(start, end) for start, end in pairwise(ends)]
        return _joined(list(self._workers(num_parts).map(of_part, rows, seeds)))

    def _workers(self, num_parts: int) -> ThreadPoolExecutor:
        """As many threads as there are parts or torch's threads, which they share."""
        if self._pool is None:
            num_threads = torch.get_num_threads()
            num_workers = min(num_threads, num_parts)
            self._pool = ThreadPoolExecutor(
                num_workers, "peprank-part", initializer=partial(torch.set_num_threads, num_threads // num_workers)
            )
        return self._pool

    def _of_part(
        self, groups: dict[str, Tensor], batch: Batch, totals: Tensor, share: float, rows: slice, seed: int | None
    ) -> Gradients:
        """Gradients of the losses' share of some rows; the weights' sums `totals` [T] are those of the whole batch."""
        with torch.enable_grad():
            inputs = {name: group.detach()[rows].requires_grad_(group.requires_grad) for name, group in groups.items()}
            with drawing_from(seed), self._autocast():
                logits = self._ranker.logits(inputs, batch.features.domain[rows])
            targets = batch.targets
            keys = {name: key[rows] for name, key in targets.keys.items()}
            part = Targets(targets.labels[rows], targets.weights[rows], keys)
            losses = task_losses(logits, part, self._model, totals)
            learnt = [value for value in inputs.values() if value.requires_grad]
            found = torch.autograd.grad(total_loss(losses) * share, [*self._network, *learnt], allow_unused=True)
        return Gradients(
            losses={name: loss.detach() for name, loss in losses.items()},
            logits=logits.detach(),
            of_network=list(found[: len(self._network)]),
            of_groups=list(found[len(self._network) :]),
        )

    def _add(self, groups: dict[str, Tensor], found: Gradients) -> None:
        for parameter, gradient in zip(self._network, found.of_network, strict=True):
            if gradient is not None:
                parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient
        learnt = [group for group in groups.values() if group.requires_grad]
        pairs = [(group, grad) for group, grad in zip(learnt, found.of_groups, strict=True) if grad is not None]
        if pairs:
            torch.autograd.backward([group for group, _ in pairs], [grad for _, grad in pairs])


def _compares_rows(ranker: MultiTaskRanker, model: ModelSpec) -> bool:
    """Whether a row's loss in training depends on the rows beside it."""
    has_sessions = any(isinstance(loss, JRC) for task in model.tasks for loss in task.losses)
    return has_sessions or any(isinstance(module, nn.BatchNorm1d) for module in ranker.modules())


def _joined(parts: Sequence[Gradients]) -> Gradients:
    """Gradients of a batch from those of its parts."""
    return Gradients(
        losses={name: torch.stack([part.losses[name] for part in parts]).sum() for name in parts[0].losses},
        logits=torch.cat([part.logits for part in parts]),
        of_network=[_sum(values) for values in zip(*(part.of_network for part in parts), strict=True)],
        of_groups=[_stacked(values, parts) for values in zip(*(part.of_groups for part in parts), strict=True)],
    )


def _sum(values: Sequence[Tensor | None]) -> Tensor | None:
    """Sum of those that are there, None if none is: a domain may have no rows in a part."""
    given = [value for value in values if value is not None]
    if len(given) < 2:
        return given[0] if given else None
    total = given[0] + given[1]
    for value in given[2:]:
        total += value
    return total


def _stacked(values: Sequence[Tensor | None], parts: Sequence[Gradients]) -> Tensor | None:
    """Gradients of all rows, one part below the other."""
    if all(value is None for value in values):
        return None
    like = next(value for value in values if value is not None)
    return torch.cat(
        [
            like.new_zeros(len(part.logits), like.shape[1]) if value is None else value
            for value, part in zip(values, parts, strict=True)
        ]
    )

"""Task towers with their weights laid out for scoring; a row passes only its own domain's."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from copy import deepcopy
from itertools import groupby

import torch
from torch import Tensor, nn

from peprank.infer.maps import Arithmetic, Batched, Weights
from peprank.nn import Tower, Towers, per_domain


class FoldedTower:
    """Towers of one shape, those of tasks that stand side by side; batch normalization is a part of their maps.

    Args:
        towers: without offsets. Several: what follows their maps has no weights.
        scales: what the columns of their input are to be multiplied by, [H].
        order: where column k of their input stands in the model, int64 [H].
        arithmetic: of all but the logits, which are computed in float32 at least.

    Shapes: [T, B, H] -> [B, T·C].
    """

    def __init__(self, towers: Sequence[Tower], scales: Tensor, order: Tensor, arithmetic: Arithmetic) -> None:
        maps = [_maps(tower, scales, order) for tower in towers]
        *layers, logits = zip(*maps, strict=True)
        follow = [
            [deepcopy(part).to(arithmetic.dtype) for part in _what_follows(layer)] for layer in towers[0].mlp.layers
        ]
        self._layers = [(arithmetic.stack(of_tasks), parts) for of_tasks, parts in zip(layers, follow, strict=True)]
        self._logit_dtype = torch.promote_types(arithmetic.dtype, torch.float32)
        self._logits = Batched(logits, self._logit_dtype)

    def __call__(self, hidden: Tensor) -> Tensor:
        """Logits [B, T·C]."""
        for layer, follow in self._layers:
            hidden = layer(hidden)
            for part in follow:
                hidden = part(hidden)
        return self._logits(hidden.to(self._logit_dtype)).transpose(0, 1).flatten(1)


def _maps(tower: Tower, scales: Tensor, order: Tensor) -> list[Weights]:
    """A tower's maps, input to logits."""
    first, *later = [*map(_map, tower.mlp.layers), Weights.of(tower.logit)]
    return [first.with_inputs(order).scaled(scales), *later]


def _map(layer: nn.Module) -> Weights:
    """A layer's linear map, with the batch normalization that follows it: y = (x - mean) g / sqrt(var + eps) + b."""
    linear, norm = layer.get_submodule("linear"), dict(layer.named_children()).get("norm")
    assert isinstance(linear, nn.Linear)
    weights = Weights.of(linear)
    if not isinstance(norm, nn.BatchNorm1d):
        return weights
    assert norm.running_mean is not None
    assert norm.running_var is not None
    factor = norm.weight.detach().double() / (norm.running_var.double() + norm.eps).sqrt()
    shift = norm.bias.detach().double() - norm.running_mean.double() * factor
    return Weights(weights.matrix * factor, weights.bias * factor + shift)


def _what_follows(layer: nn.Module) -> Iterator[nn.Module]:
    """What comes after a layer's map when it scores."""
    for name, part in layer.named_children():
        if name == "activation" or isinstance(part, nn.LayerNorm):
            yield part


def _shape(task: int, tower: Tower) -> Hashable:
    """Equal for towers that can be stacked."""
    follow = [part for layer in tower.mlp.layers for part in _what_follows(layer)]
    own = task if any(True for part in follow for _ in part.parameters()) else None
    widths = tower.mlp.in_dim, tower.mlp.hidden_dims, tower.logit.out_features
    return own, *widths, tuple(map(repr, follow))


class FoldedTowers:
    """The towers of all tasks; those of one shape are one step.

    Args:
        towers: as trained.
        scales, order, arithmetic: as `FoldedTower` takes them.

    Shapes: hidden [T, B, H], domain int64 [B] -> logits [B, K].
    """

    def __init__(self, towers: Towers, scales: Tensor, order: Tensor, arithmetic: Arithmetic) -> None:
        shapes = [_shape(task, tower) for task, tower in enumerate(towers.of_domain(0))]
        groups = [list(tasks) for _, tasks in groupby(range(len(shapes)), key=lambda task: shapes[task])]
        self._reads = [slice(tasks[0], tasks[-1] + 1) for tasks in groups]
        self._by_domain = [
            [FoldedTower(towers.of_domain(domain)[reads], scales, order, arithmetic) for reads in self._reads]
            for domain in range(towers.num_domains)
        ]

    def __call__(self, hidden: Tensor, domain: Tensor) -> Tensor:
        """Logits [B, K]; float32 at least.

        Raises:
            DataError: there are towers per domain and a row's domain is none of them.
        """
        num_domains = len(self._by_domain)
        first = int(domain[0]) if num_domains > 1 and len(domain) else 0
        if num_domains == 1 or (0 <= first < num_domains and bool((domain == first).all())):
            return self._logits(first, hidden)
        rows = hidden.transpose(0, 1)
        return per_domain(lambda own, of_own: self._logits(own, of_own.transpose(0, 1)), rows, domain, num_domains)

    def _logits(self, domain: int, hidden: Tensor) -> Tensor:
        """Logits of rows that are all of one domain."""
        logits = [towers(hidden[reads]) for reads, towers in zip(self._reads, self._by_domain[domain], strict=True)]
        return logits[0] if len(logits) == 1 else torch.cat(logits, dim=1)

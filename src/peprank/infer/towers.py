"""Task towers with their weights laid out for scoring; a row passes only its own domain's."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy

import torch
from torch import Tensor, nn

from peprank.infer.maps import Affine, MakeAffine, Weights
from peprank.nn import Tower, Towers, per_domain


class FoldedTower:
    """One tower: maps with what follows each; batch normalization is a part of its map.

    Args:
        tower: without an offset.
        scale: what its input is to be multiplied by.
        order: where column k of its input stands in the model; None: at k.
        make: lays out the maps.
        dtype: of the inputs. Logits are computed in float32 at least.
    """

    def __init__(self, tower: Tower, scale: float, order: Tensor | None, make: MakeAffine, dtype: torch.dtype) -> None:
        layers = [dict(layer.named_children()) for layer in tower.mlp.layers]
        maps = [_map(layer) for layer in layers] + [Weights.of(tower.logit)]
        maps[0] = maps[0].scaled(scale)
        if order is not None:
            maps[0] = maps[0].with_inputs(order)
        follow = [[deepcopy(part).to(dtype) for part in _what_follows(layer)] for layer in layers]
        self._layers = list(zip([make(weights) for weights in maps[:-1]], follow, strict=True))
        self._logit_dtype = torch.promote_types(dtype, torch.float32)
        self._logit = Affine(maps[-1], self._logit_dtype)
        self.num_class = self._logit.out_dim

    def __call__(self, hidden: Tensor, out: Tensor) -> None:
        """Put logits [B, C] where `out` says."""
        for affine, follow in self._layers:
            hidden = affine(hidden)
            for part in follow:
                hidden = part(hidden)
        self._logit(hidden.to(self._logit_dtype), out=out)


def _map(layer: dict[str, nn.Module]) -> Weights:
    """A layer's linear map, with the batch normalization that follows it: y = (x - mean) g / sqrt(var + eps) + b."""
    linear, norm = layer["linear"], layer.get("norm")
    assert isinstance(linear, nn.Linear)
    weights = Weights.of(linear)
    if not isinstance(norm, nn.BatchNorm1d):
        return weights
    assert norm.running_mean is not None
    assert norm.running_var is not None
    factor = norm.weight.detach().double() / (norm.running_var.double() + norm.eps).sqrt()
    shift = norm.bias.detach().double() - norm.running_mean.double() * factor
    return Weights(weights.matrix * factor, weights.bias * factor + shift)


def _what_follows(layer: dict[str, nn.Module]) -> Iterator[nn.Module]:
    if isinstance(layer.get("norm"), nn.LayerNorm):
        yield layer["norm"]
    yield layer["activation"]


class FoldedTowers:
    """The towers of all tasks.

    Args:
        towers: as trained.
        scale: what their input is to be multiplied by.
        order: see `FoldedTower`; given, all tasks read the same columns, else each its own.

    Shapes: hidden [B, T·H] or [B, H], domain int64 [B] -> logits [B, K].
    """

    def __init__(
        self, towers: Towers, scale: float, order: Tensor | None, make: MakeAffine, dtype: torch.dtype
    ) -> None:
        self._by_domain = [
            [FoldedTower(tower, scale, order, make, dtype) for tower in towers.of_domain(domain)]
            for domain in range(towers.num_domains)
        ]
        self._is_shared = order is not None
        self._dtype = torch.promote_types(dtype, torch.float32)

    def __call__(self, hidden: Tensor, domain: Tensor) -> Tensor:
        """Logits [B, K]; float32 at least.

        Raises:
            DataError: there are towers per domain and a row's domain is none of them.
        """
        num_domains = len(self._by_domain)
        if num_domains == 1:
            return self._logits(0, hidden)
        first = int(domain[0]) if len(domain) else -1
        if 0 <= first < num_domains and bool((domain == first).all()):
            return self._logits(first, hidden)
        return per_domain(self._logits, hidden, domain, num_domains)

    def _logits(self, domain: int, hidden: Tensor) -> Tensor:
        """Logits of rows that are all of one domain."""
        towers = self._by_domain[domain]
        inputs = [hidden] * len(towers) if self._is_shared else hidden.chunk(len(towers), dim=1)
        logits = torch.empty(len(hidden), sum(tower.num_class for tower in towers), dtype=self._dtype)
        outputs = torch.split(logits, [tower.num_class for tower in towers], dim=1)
        for tower, of_task, out in zip(towers, inputs, outputs, strict=True):
            tower(of_task, out)
        return logits

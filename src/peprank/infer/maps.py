"""Affine maps as inference wants them: weights as the product reads them, made once from what training left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor, nn


class Weights(NamedTuple):
    """An affine map x W + b before it is laid out, in float64, so that folding loses nothing."""

    matrix: Tensor  # [inputs, outputs]
    bias: Tensor  # [outputs]

    @staticmethod
    def of(linear: nn.Linear) -> Weights:
        """What a layer holds."""
        matrix = linear.weight.detach().double().t()
        bias = matrix.new_zeros(matrix.shape[1]) if linear.bias is None else linear.bias.detach().double()
        return Weights(matrix, bias)

    def scaled(self, factor: float) -> Weights:
        """The map of `factor` x."""
        return Weights(self.matrix * factor, self.bias)

    def with_inputs(self, order: Tensor) -> Weights:
        """The map of an input whose column k was column `order[k]`."""
        return Weights(self.matrix[order], self.bias)

    def with_outputs(self, order: Tensor) -> Weights:
        """The map whose output k was output `order[k]`."""
        return Weights(self.matrix[:, order], self.bias[order])


def joined(maps: Sequence[Weights]) -> Weights:
    """One map of an input that all of `maps` read; their outputs side by side."""
    return Weights(torch.cat([m.matrix for m in maps], dim=1), torch.cat([m.bias for m in maps]))


class Affine:
    """x W + b."""

    def __init__(self, weights: Weights, dtype: torch.dtype) -> None:
        self._matrix = weights.matrix.to(dtype).contiguous()
        self._bias = weights.bias.to(dtype)
        self.in_dim, self.out_dim = self._matrix.shape

    def __call__(self, x: Tensor, *, bias: Tensor | None = None, out: Tensor | None = None) -> Tensor:
        """[B, inputs] -> [B, outputs].

        Args:
            bias: in place of b, [1 or B, outputs].
            out: where the result is put.
        """
        return torch.addmm(self._bias if bias is None else bias, x, self._matrix, out=out)


MakeAffine: TypeAlias = Callable[[Weights], Affine]


class TwoInputs:
    """u V + x W + b, where one row u may stand for all B: then u V + b is computed once.

    Shapes: u [1 or B, U], x [B, X] -> [B, outputs].
    """

    def __init__(self, of_once: Weights, of_each: Tensor, make: MakeAffine) -> None:
        self._of_once = make(of_once)
        self._of_each = make(Weights(of_each, torch.zeros_like(of_once.bias)))

    def __call__(self, u: Tensor, x: Tensor) -> Tensor:
        """[B, outputs]."""
        return self._of_each(x, bias=self._of_once(u))


class Blocks:
    """Several maps, each of some columns of the input; their outputs side by side.

    Args:
        maps: (the columns that it reads, the map).

    Shapes: [B, inputs] -> [B, sum of outputs].
    """

    def __init__(self, maps: Sequence[tuple[slice, Affine]]) -> None:
        self._maps, self._width = [], 0
        for reads, affine in maps:
            self._maps.append((reads, slice(self._width, self._width + affine.out_dim), affine))
            self._width += affine.out_dim

    def __call__(self, x: Tensor) -> Tensor:
        """[B, sum of outputs]."""
        if len(self._maps) == 1:
            reads, _, affine = self._maps[0]
            return affine(x[:, reads])
        out = x.new_empty(len(x), self._width)
        for reads, writes, affine in self._maps:
            affine(x[:, reads], out=out[:, writes])
        return out

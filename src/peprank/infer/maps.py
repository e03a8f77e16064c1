"""Affine maps as inference wants them: weights as the product reads them, made once from what training left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

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

    def scaled(self, factor: float | Tensor) -> Weights:
        """The map of `factor` x; several factors [inputs]: one per column."""
        factors = torch.as_tensor(factor, dtype=self.matrix.dtype)
        return Weights(self.matrix * factors.unsqueeze(-1), self.bias)

    def with_inputs(self, order: Tensor) -> Weights:
        """The map of an input whose column k was column `order[k]`."""
        return Weights(self.matrix[order], self.bias)

    def with_outputs(self, order: Tensor) -> Weights:
        """The map whose output k was output `order[k]`."""
        return Weights(self.matrix[:, order], self.bias[order])


class Map(Protocol):
    """x W + b: [B, inputs] -> [B, outputs]."""

    def __call__(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """The outputs, in memory of their own; `bias` [outputs] stands in place of b."""
        ...


class Affine:
    """A map whose matrix is kept as [inputs, outputs]: a product of few rows is shorter than with a transposed view."""

    def __init__(self, weights: Weights, dtype: torch.dtype) -> None:
        self.matrix = weights.matrix.to(dtype).contiguous()
        self.bias = weights.bias.to(dtype)

    def __call__(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """The outputs."""
        return torch.addmm(self.bias if bias is None else bias, x, self.matrix)


class Packed:
    """A float32 map whose matrix is also kept as MKL's kernels read it, for products that would rearrange it each time.

    512 x 512 weights and 200 rows: 0.65 ms in place of 0.81 (2026-11-22); for few rows it is no faster.
    """

    def __init__(self, weights: Weights) -> None:
        self._plain = Affine(weights, torch.float32)
        packed: Tensor = torch.ops.mkl._mkl_reorder_linear_weight(self._plain.matrix.t().contiguous(), _PACKED_FOR_ROWS)
        self._packed = packed

    def __call__(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """The outputs."""
        if len(x) < _WORTH_PACKING_ROWS:
            return self._plain(x, bias)
        plain = self._plain
        bias = plain.bias if bias is None else bias
        outputs: Tensor = torch.ops.mkl._mkl_linear(x, self._packed, plain.matrix.t(), bias, len(x))
        return outputs


_WORTH_PACKING, _WORTH_PACKING_ROWS = 2**16, 64  # weights, rows
_PACKED_FOR_ROWS = 1024  # how the packed form is laid out; it serves any number of rows


class Quantised:
    """A float32 map as a product of 8-bit integers, whose every output and every row has a scale of its own.

    A row's scale is read off the row (dynamic quantisation), so what shares its batch does not matter.
    """

    def __init__(self, weights: Weights) -> None:
        peaks = weights.matrix.abs().amax(dim=0).clamp(min=_NO_ZERO)  # [outputs]
        self._matrix = (weights.matrix / peaks * _STEPS).round().to(torch.int8)
        self._scales = (peaks / _STEPS**2).float()
        self._bias = weights.bias.float()

    def __call__(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """The outputs."""
        bias = self._bias if bias is None else bias
        if not len(x):
            return bias.expand(0, -1)
        peaks = torch.maximum(x.amax(dim=1, keepdim=True), x.amin(dim=1, keepdim=True).neg_()).clamp_(min=_NO_ZERO)
        products = torch._int_mm(_rounded(x * (_STEPS / peaks)), self._matrix)
        return (products * self._scales).mul_(peaks).add_(bias)


def _rounded(steps: Tensor) -> Tensor:
    """Numbers in [-127, 127] as integers; the sum leaves them in the last byte of the float's own bits.

    A conversion of floats to 8 bits takes several times as long (200 x 512: 105 against 50 microseconds, 2026-11-22).
    """
    return steps.add_(_ONE_IS_LAST_BIT).view(torch.int32).to(torch.int8)


_STEPS = 127
_ONE_IS_LAST_BIT = float(2**23 + 2**22)
_NO_ZERO = 1e-30  # in place of the scale of zeros


class Stack(Protocol):
    """Maps of several tasks: x_t W_t + b_t, [T, B, inputs] -> [T, B, outputs]; rows may lie apart from one another."""

    def __call__(self, x: Tensor) -> Tensor:
        """The outputs, in memory of their own."""
        ...


class Batched:
    """Maps of several tasks in one step: a batch of products beats as many single ones."""

    def __init__(self, maps: Sequence[Weights], dtype: torch.dtype) -> None:
        self._matrices = torch.stack([weights.matrix for weights in maps]).to(dtype)  # [T, inputs, outputs]
        self._biases = torch.stack([weights.bias[None] for weights in maps]).to(dtype)  # [T, 1, outputs]

    def __call__(self, x: Tensor) -> Tensor:
        """The outputs."""
        return torch.baddbmm(self._biases, x, self._matrices)


class Separate:
    """Maps of several tasks, one after the other."""

    def __init__(self, maps: Sequence[Map]) -> None:
        self._maps = tuple(maps)

    def __call__(self, x: Tensor) -> Tensor:
        """The outputs."""
        return torch.stack([affine(rows) for affine, rows in zip(self._maps, x, strict=True)])


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """What maps are computed in, and how that is done fastest.

    Args:
        dtype: of inputs and outputs.
        is_int8: whether the product between them is one of 8-bit integers; for float32.
    """

    dtype: torch.dtype
    is_int8: bool = False

    def map(self, weights: Weights) -> Map:
        """One map."""
        if self.is_int8 and len(weights.matrix):  # without inputs there is the bias alone
            return Quantised(weights)
        can_pack = self.dtype == torch.float32 and hasattr(torch.ops.mkl, "_mkl_linear")
        is_worth_it = can_pack and weights.matrix.numel() >= _WORTH_PACKING
        return Packed(weights) if is_worth_it else Affine(weights, self.dtype)

    def stack(self, maps: Sequence[Weights]) -> Stack:
        """The maps of several tasks."""
        return Separate([Quantised(weights) for weights in maps]) if self.is_int8 else Batched(maps, self.dtype)


class TwoInputs:
    """u V + x W + b, where one row u may stand for all B: then u V + b is computed once.

    Shapes: u [1 or B, U], x [B, X] -> [B, outputs].
    """

    def __init__(self, of_u: Tensor, of_x: Tensor, bias: Tensor, arithmetic: Arithmetic) -> None:
        self._of_u = arithmetic.map(Weights(of_u, bias))
        self._of_x = arithmetic.map(Weights(of_x, torch.zeros_like(bias)))

    def __call__(self, u: Tensor, x: Tensor) -> Tensor:
        """The outputs."""
        of_u = self._of_u(u)
        return self._of_x(x, of_u[0]) if len(of_u) == 1 else self._of_x(x).add_(of_u)

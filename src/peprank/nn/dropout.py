"""Dropout whose random numbers cost little beside a matrix product."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import repeat

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

_STEPS = 1 << 16  # a ratio is rounded to a multiple of 1 / _STEPS
_BLOCK = 1 << 18  # numbers that a thread decides on at a time: 512 KB of random bits


# Where the seeds of draws come from; None: torch's own generator. A thread has its own.
_GENERATOR: ContextVar[torch.Generator | None] = ContextVar("_GENERATOR", default=None)


@contextmanager
def drawing_from(seed: int | None) -> Iterator[None]:
    """Within the block what drops out in this thread depends on `seed` alone; None changes nothing."""
    token = _GENERATOR.set(None if seed is None else torch.Generator().manual_seed(seed))
    try:
        yield
    finally:
        _GENERATOR.reset(token)


class Dropout(nn.Module):
    """Zero each number with probability `ratio` in training, and make up for it in the others.

    Equal in distribution to `nn.Dropout`, which on the CPU draws a double for each number: a tenth of PEPNet's step.
    """

    def __init__(self, ratio: float) -> None:
        super().__init__()
        self.ratio = ratio

    def forward(self, hidden: Tensor) -> Tensor:
        """Tensor of the same shape."""
        if not self.training or self.ratio == 0:
            return hidden
        return hidden * drawn_to_keep(hidden.shape, self.ratio, hidden.device) * kept_scale(self.ratio)


def drawn_to_keep(shape: torch.Size, ratio: float, device: torch.device) -> Tensor:
    """Draw which numbers stay: bool, False with probability `ratio`.

    On the CPU 16 random bits decide on a number, four to a draw of a fast generator, which torch's own generator
    seeds: so its state alone still fixes all that follows, whatever the number of threads.
    """
    if device.type != "cpu":
        return torch.rand(shape, device=device) >= ratio
    seed = int(torch.empty((), dtype=torch.int64).random_(generator=_GENERATOR.get()))
    keep = np.empty(shape.numel(), np.bool_)
    blocks = [keep[start : start + _BLOCK] for start in range(0, len(keep), _BLOCK)]
    if len(blocks) == 1:
        _draw(blocks[0], ratio, [seed, 0])
    else:
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            list(pool.map(_draw, blocks, repeat(ratio), ([seed, k] for k in range(len(blocks)))))
    return torch.from_numpy(keep).view(shape)


def _draw(keep: NDArray[np.bool_], ratio: float, seed: list[int]) -> None:
    """Fill one block."""
    draws = np.random.Generator(np.random.SFC64(seed)).integers(0, 1 << 64, size=-(-len(keep) // 4), dtype=np.uint64)
    np.greater_equal(draws.view(np.uint16)[: len(keep)], _threshold(ratio), out=keep)


def kept_scale(ratio: float) -> float:
    """Factor of the numbers that stay: one over the share of them."""
    return _STEPS / (_STEPS - _threshold(ratio))


def _threshold(ratio: float) -> int:
    """A number goes when its 16 bits are below this."""
    return min(round(ratio * _STEPS), _STEPS - 1)

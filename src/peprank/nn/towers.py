"""The last layers of each task, one set for all domains or one per domain."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from peprank.nn.domains import per_domain
from peprank.nn.mlp import MLP


class Tower(nn.Module):
    """An MLP and a linear map to a task's logits.

    Args:
        mlp: over H columns.
        num_class: logits C.
        bias: whether the linear map has one.
        has_offset: whether a first column stands before the H, a number that is added to the logits.

    Shapes: [B, H] -> [B, C], with an offset [B, 1 + H] -> [B, C].
    """

    def __init__(self, mlp: MLP, num_class: int = 1, *, bias: bool = True, has_offset: bool = False) -> None:
        super().__init__()
        self.has_offset = has_offset
        self.mlp = mlp
        self.logit = nn.Linear(mlp.out_dim, num_class, bias=bias)

    def forward(self, hidden: Tensor) -> Tensor:
        """Logits [B, C]."""
        if self.has_offset:
            return hidden[:, :1] + self._logits(hidden[:, 1:])
        return self._logits(hidden)

    def _logits(self, hidden: Tensor) -> Tensor:
        logits: Tensor = self.logit(self.mlp(hidden))
        return logits


class Towers(nn.Module):
    """The towers of all tasks; with `num_domains` > 1 a row passes only its own domain's tower of each task.

    Args:
        make_towers: for each task, makes one tower.
        num_domains: towers per task.

    Shapes: hidden [B, T, H], domain int64 [B] -> logits [B, K], tasks side by side, K = T when all are binary.

    Raises:
        DataError: there are towers per domain and a row's domain is none of them.
    """

    def __init__(self, make_towers: Sequence[Callable[[], Tower]], num_domains: int = 1) -> None:
        super().__init__()
        self.num_domains = num_domains
        self.tasks = nn.ModuleList(nn.ModuleList(make() for _ in range(num_domains)) for make in make_towers)

    def forward(self, hidden: Tensor, domain: Tensor) -> Tensor:
        """Logits [B, K]."""
        if self.num_domains == 1:
            return self._logits(0, hidden)
        return per_domain(self._logits, hidden, domain, self.num_domains)

    def of_domain(self, domain: int) -> list[Tower]:
        """One domain's tower of each task."""
        return [towers[domain] for towers in self.tasks]  # type: ignore[index]

    def _logits(self, domain: int, hidden: Tensor) -> Tensor:
        """Logits [B, K] of rows that all belong to one domain."""
        pairs = zip(self.of_domain(domain), hidden.unbind(1), strict=True)
        return torch.cat([tower(of_task) for tower, of_task in pairs], dim=1)

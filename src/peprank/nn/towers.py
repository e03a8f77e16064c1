"""The last layers of each task, one set for all domains or one per domain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from peprank.errors import DataError
from peprank.nn.mlp import MLP


class Tower(nn.Module):
    """An MLP and a linear map to a task's logits: [B, H] -> [B, num_class]."""

    def __init__(self, mlp: MLP, num_class: int = 1) -> None:
        super().__init__()
        self.mlp = mlp
        self.logit = nn.Linear(mlp.out_dim, num_class)

    def forward(self, hidden: Tensor) -> Tensor:
        """Logits [B, num_class]."""
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
        self._check(domain)
        order = domain.argsort(stable=True)  # rows of one domain side by side
        place = torch.empty_like(order)
        place[order] = torch.arange(len(order), device=order.device)
        counts: list[int] = torch.bincount(domain, minlength=self.num_domains).tolist()
        parts = torch.split(_reorder(hidden, order, place), counts)
        # A domain without rows costs nothing; an empty batch still passes one tower, for its shape.
        busy = [d for d, count in enumerate(counts) if count] or [0]
        return _reorder(torch.cat([self._logits(d, parts[d]) for d in busy]), place, order)

    def _logits(self, domain: int, hidden: Tensor) -> Tensor:
        """Logits [B, K] of rows that all belong to one domain."""
        pairs = zip(self.tasks, hidden.unbind(1), strict=True)
        return torch.cat([towers[domain](of_task) for towers, of_task in pairs], dim=1)  # type: ignore[index]

    def _check(self, domain: Tensor) -> None:
        wrong = domain[(domain < 0) | (domain >= self.num_domains)]
        if len(wrong):
            raise DataError(
                f"domain = {int(wrong[0])} in {len(wrong)} of {len(domain)} rows: must lie in [0, {self.num_domains}), "
                "one per domain tower; give these rows a known domain or raise task_domain_num"
            )


class _Reorder(torch.autograd.Function):
    """Rows in another order. Its gradient is the way back; index_select's own would be a slow scatter-add."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, order: Tensor, place: Tensor) -> Tensor:
        ctx.save_for_backward(order, place)
        return rows.index_select(0, order)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        order, place = ctx.saved_tensors
        return _reorder(grads[0], place, order), None, None


def _reorder(rows: Tensor, order: Tensor, place: Tensor) -> Tensor:
    """`rows[order]`; `place` is the inverse permutation of `order`."""
    reordered: Tensor = _Reorder.apply(rows, order, place)  # type: ignore[no-untyped-call]
    return reordered

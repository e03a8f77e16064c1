"""Rows of several domains, each of which passes the parts of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from peprank.errors import DataError


def per_domain(apply: Callable[[int, Tensor], Tensor], rows: Tensor, domain: Tensor, num_domains: int) -> Tensor:
    """Return `apply(d, rows of domain d)` of each domain, every result at its row's place.

    A domain without rows costs nothing; an empty batch still passes domain 0, for its shape.

    Args:
        apply: [B_d, ...] -> [B_d, ...] for the rows of one domain.

    Shapes: rows [B, ...], domain int64 [B] -> [B, ...].

    Raises:
        DataError: a row's domain does not lie in [0, num_domains).
    """
    check_domains(domain, num_domains)
    order = domain.argsort(stable=True)  # rows of one domain side by side
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order), device=order.device)
    counts: list[int] = torch.bincount(domain, minlength=num_domains).tolist()
    parts = torch.split(_reorder(rows, order, place), counts)
    busy = [d for d, count in enumerate(counts) if count] or [0]
    return _reorder(torch.cat([apply(d, parts[d]) for d in busy]), place, order)


def check_domains(domain: Tensor, num_domains: int) -> None:
    """Refuse a row whose domain [B] has no parts.

    Raises:
        DataError: a domain does not lie in [0, num_domains).
    """
    wrong = domain[(domain < 0) | (domain >= num_domains)]
    if len(wrong):
        raise DataError(
            f"domain = {int(wrong[0])} in {len(wrong)} of {len(domain)} rows: must lie in [0, {num_domains}), since "
            "each domain has parts of its own; give these rows a known domain"
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

"""Rows of several domains, each of which passes the parts of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

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
    by = ByDomain(domain, num_domains)
    return by.restored(by.each(apply, by.gathered(rows)))


class ByDomain:
    """The rows of a batch, those of one domain side by side.

    While `torch.export` traces, rows stay where they are, and `each` picks those of every domain and puts its results
    back: a graph cannot depend on which domains a batch holds. Whoever runs the graph checks the domains.

    Args:
        domain: int64 [B].
        num_domains: D.

    Raises:
        DataError: a row's domain does not lie in [0, D).
    """

    def __init__(self, domain: Tensor, num_domains: int) -> None:
        self._picked: _Picked | None = None
        if torch.compiler.is_exporting():
            self._picked = _Picked(domain, num_domains)
            return
        check_domains(domain, num_domains)
        self._order = domain.argsort(stable=True)
        self._place = torch.empty_like(self._order)
        self._place[self._order] = torch.arange(len(domain), device=domain.device)
        self._counts: list[int] = torch.bincount(domain, minlength=num_domains).tolist()

    def gathered(self, rows: Tensor) -> Tensor:
        """Rows [B, ...] in the order of their domains."""
        return rows if self._picked is not None else _reorder(rows, self._order, self._place)

    def restored(self, gathered: Tensor) -> Tensor:
        """Gathered rows [B, ...] in the order of the batch."""
        return gathered if self._picked is not None else _reorder(gathered, self._place, self._order)

    def each(self, apply: Callable[[int, Tensor], Tensor], gathered: Tensor) -> Tensor:
        """Return `apply(d, gathered rows of domain d)` of each domain, one below the other.

        A domain without rows costs nothing; an empty batch still passes domain 0, for its shape.
        """
        if self._picked is not None:
            return self._picked.each(apply, gathered)
        parts = torch.split(gathered, self._counts)
        busy = [d for d, count in enumerate(self._counts) if count] or [0]
        return torch.cat([apply(d, parts[d]) for d in busy])


class _Picked:
    """What `ByDomain` does in a traced graph, with operations whose shapes alone depend on the values."""

    def __init__(self, domain: Tensor, num_domains: int) -> None:
        self._num_rows = domain.shape[0]
        self._rows = [(domain == d).nonzero()[:, 0] for d in range(num_domains)]  # int64 [B_d] of each domain
        for rows in self._rows:
            torch._check(rows.shape[0] > 0)  # type: ignore[no-untyped-call]  # tells the tracer, not the graph

    def each(self, apply: Callable[[int, Tensor], Tensor], rows: Tensor) -> Tensor:
        """`apply(d, rows of domain d)` of each domain, every result at its row's place."""
        parts = [apply(d, rows.index_select(0, own)) for d, own in enumerate(self._rows)]
        joined = parts[0].new_zeros((self._num_rows, *parts[0].shape[1:]))
        for own, part in zip(self._rows, parts, strict=True):
            joined = joined.index_put((own,), part)
        return joined


class PerDomain(nn.Module):
    """A part of a network that each domain has one of; a row passes that of its domain.

    Args:
        parts: one per domain, equal in the shapes of their outputs.

    Shapes: gathered rows [B, D] -> [B, ...].
    """

    def __init__(self, parts: Iterable[nn.Module]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, gathered: Tensor, by: ByDomain) -> Tensor:
        """Outputs for the gathered rows."""
        return by.each(lambda domain, own: self.parts[domain](own), gathered)


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

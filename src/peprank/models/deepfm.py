"""DeepFM (Guo et al., IJCAI 2017): a weight per id, products of pairs of features, and an MLP."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from peprank.models.description import TrunkDescription, counted
from peprank.nn import MLP, pair_products


class DeepFM(nn.Module):
    """A Trunk: h = Final(o ⊕ p ⊕ Deep(x)) with o = Σ wide, p = Σ_(i<j) v_i ⊗ v_j, the same for every task.

    Without `final`, o + Σ p and Deep(x) stand side by side, since the first is added to a tower's logit as it is.

    Args:
        wide_group: name of the input group whose columns are added up.
        fm_group: name of the input group of the vectors v_i.
        num_fields: how many vectors it holds.
        field_dim: their width D.
        deep_group: name of the input group x.
        deep: the MLP over x.
        final: reads all three; None: see above.
        num_tasks: T.

    Shapes: {wide_group: [B, D_w], fm_group: [B, M D], deep_group: [B, D_x]} -> [B, T, H], or [B, T, 1 + H] without
        `final`.
    """

    def __init__(
        self,
        *,
        wide_group: str,
        fm_group: str,
        num_fields: int,
        field_dim: int,
        deep_group: str,
        deep: MLP,
        final: MLP | None,
        num_tasks: int,
    ) -> None:
        super().__init__()
        self.wide_group, self.fm_group, self.deep_group = wide_group, fm_group, deep_group
        self.fields, self.num_tasks = (num_fields, field_dim), num_tasks
        self.out_dim = 1 + deep.out_dim if final is None else final.out_dim
        self.deep, self.final = deep, final

    def forward(self, groups: dict[str, Tensor], domain: Tensor) -> Tensor:  # noqa: ARG002  other trunks read the domain
        """The three parts, joined, once per task [B, T, H]."""
        wide = groups[self.wide_group].sum(1, keepdim=True)  # [B, 1]
        vectors = groups[self.fm_group].unflatten(1, self.fields)  # type: ignore[no-untyped-call]  # [B, M, D]
        pairs = pair_products(vectors)  # [B, D]
        hidden = self.deep(groups[self.deep_group])
        if self.final is None:
            joined = torch.cat([wide + pairs.sum(1, keepdim=True), hidden], dim=1)
        else:
            joined = self.final(torch.cat([wide, pairs, hidden], dim=1))
        return joined.unsqueeze(1).expand(-1, self.num_tasks, -1)

    def description(self, tasks: Sequence[str]) -> TrunkDescription:  # noqa: ARG002  all tasks are alike
        """Its equations and parts."""
        final = [] if self.final is None else [self.final]
        return TrunkDescription(
            model="DeepFM", equations=tuple(self._equations()), parts=counted({"deep": [self.deep], "final": final})
        )

    def _equations(self) -> Iterator[str]:
        yield f"o = sum of {self.wide_group}"
        yield f"p = Σ_(i<j) v_i ⊗ v_j, v = {self.fm_group}"
        if self.final is None:
            yield f"logit_t = o + Σ p + Tower_t(Deep({self.deep_group}))"
        else:
            yield f"h = Final(o ⊕ p ⊕ Deep({self.deep_group}))"
            yield "logit_t = Tower_t(h)"

"""STAR (Sheng et al., CIKM 2021): shared weights, times those of the row's domain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from peprank.models.description import TrunkDescription, counted
from peprank.nn import MLP, PartitionedNorm, StarMLP, per_domain


class Star(nn.Module):
    """A Trunk: h = Star_d(x) ⊕ a with a = Auxiliary(x ⊕ 1_d), the same for every task; d is the row's domain.

    In the paper, which has one task, the logit is s_m + s_a, each the last linear map of its network. A tower
    without layers of its own is that sum, since u (h ⊕ a) = u_m h + u_a a; only that u is not a product with the
    domain's. A tower with layers mixes h and a before it.

    The paper feeds the embedded domain to the auxiliary network. An embedding followed by a linear map is a vector per
    domain, and so is the linear map of the indicator 1_d.

    Args:
        group: name of the input group x.
        layers: one row of domains around shared layers.
        num_tasks: T.
        norm: of x, for the star's layers only; None: none.
        auxiliary: reads x ⊕ 1_d; None: h is the star's output alone.

    Shapes: {group: [B, D]}, domain int64 [B] -> [B, T, H].

    Raises:
        DataError: a row's domain is none of those that have weights.
    """

    def __init__(
        self,
        group: str,
        layers: StarMLP,
        num_tasks: int,
        *,
        norm: PartitionedNorm | None = None,
        auxiliary: MLP | None = None,
    ) -> None:
        super().__init__()
        self.group, self.num_tasks = group, num_tasks
        self.out_dim = layers.out_dim + (auxiliary.out_dim if auxiliary is not None else 0)
        self.norm, self.layers, self.auxiliary = norm, layers, auxiliary

    def forward(self, groups: dict[str, Tensor], domain: Tensor) -> Tensor:
        """The layers' output and the auxiliary one, once per task [B, T, H]."""
        x, num_domains = groups[self.group], len(self.layers.domains)
        hidden = per_domain(self._of_domain, x, domain, num_domains)
        if self.auxiliary is not None:
            indicator = F.one_hot(domain, num_domains).to(x.dtype)
            hidden = torch.cat([hidden, self.auxiliary(torch.cat([x, indicator], dim=1))], dim=1)
        return hidden.unsqueeze(1).expand(-1, self.num_tasks, -1)

    def _of_domain(self, domain: int, x: Tensor) -> Tensor:
        """Output of the star's layers for rows that all belong to one domain."""
        hidden: Tensor = self.layers(x if self.norm is None else self.norm(x, domain), domain)
        return hidden

    def description(self, tasks: Sequence[str]) -> TrunkDescription:  # noqa: ARG002  all tasks are alike
        """Its equations and parts; a row passes the shared weights once, multiplied by its domain's."""
        parts: dict[str, list[nn.Module]] = {"star layers": [self.layers]}
        if self.norm is not None:
            parts["partitioned normalization"] = [self.norm]
        if self.auxiliary is not None:
            parts["auxiliary network"] = [self.auxiliary]
        return TrunkDescription(model="STAR", equations=tuple(self._equations()), parts=counted(parts))

    def _equations(self) -> Iterator[str]:
        f = type(self.layers.shared.layers[0].activation).__name__
        yield f"x = {self.group}; d = the row's domain, one of {len(self.layers.domains)}"
        if self.norm is None:
            yield "h^(0) = x"
        else:
            yield "h^(0) = (γ ⊗ γ_d) ⊗ (x - μ_d) / sqrt(σ_d² + ε) + β + β_d"
        yield f"h^(l) = {f}((W^(l) ⊗ W_d^(l)) h^(l-1) + b^(l) + b_d^(l)), l = 1 .. {len(self.layers.shared.layers)}"
        if self.auxiliary is None:
            yield "logit_t = Tower_t(h^(L))"
        else:
            yield "a = ReLU(W_a (x ⊕ 1_d) + b_a)"
            yield "logit_t = Tower_t(h^(L) ⊕ a)"

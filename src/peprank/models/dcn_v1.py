"""DCN (Wang et al., ADKDD 2017): a cross network beside an MLP."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from peprank.models.description import TrunkDescription, counted
from peprank.nn import MLP, Cross


class DCNv1(nn.Module):
    """A Trunk: h = Final(Cross(x) ⊕ Deep(x)), the same for every task.

    Args:
        group: name of the input group x.
        cross: the cross network.
        deep: the MLP.
        final: reads both; without layers h is its input.
        num_tasks: T.

    Shapes: {group: [B, D]} -> [B, T, H].
    """

    def __init__(self, group: str, cross: Cross, deep: MLP, final: MLP, num_tasks: int) -> None:
        super().__init__()
        self.group, self.num_tasks, self.out_dim = group, num_tasks, final.out_dim
        self.cross, self.deep, self.final = cross, deep, final

    def forward(self, groups: dict[str, Tensor], domain: Tensor) -> Tensor:  # noqa: ARG002  other trunks read the domain
        """The crossed and the deep part, joined, once per task [B, T, H]."""
        x = groups[self.group]
        hidden: Tensor = self.final(torch.cat([self.cross(x), self.deep(x)], dim=1))
        return hidden.unsqueeze(1).expand(-1, self.num_tasks, -1)

    def description(self, tasks: Sequence[str]) -> TrunkDescription:  # noqa: ARG002  all tasks are alike
        """Its equations and parts."""
        return TrunkDescription(
            model="DCN",
            equations=(
                f"x_0 = {self.group}",
                f"x_(l+1) = (x_l · w_l) x_0 + b_l + x_l, l = 0 .. {len(self.cross) - 1}",
                f"h = Final(x_{len(self.cross)} ⊕ Deep(x_0))",
                "logit_t = Tower_t(h)",
            ),
            parts=counted({"cross network": [self.cross], "deep": [self.deep], "final": [self.final]}),
        )

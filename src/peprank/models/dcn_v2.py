"""DCN-V2 (Wang et al., WWW 2021): a cross network of matrices, stacked on an MLP or beside one, or both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from peprank.models.description import TrunkDescription, counted, cross_equation
from peprank.nn import MLP, MatrixCross


class DCNv2(nn.Module):
    """A Trunk: h = Final(Cross(Backbone(x)) ⊕ Deep(x)), the same for every task.

    Args:
        group: name of the input group x.
        backbone: the MLP below the cross network; without layers that one reads x.
        cross: the cross network.
        deep: the MLP beside it; None: there is none.
        final: reads both; without layers h is its input.
        num_tasks: T.

    Shapes: {group: [B, D]} -> [B, T, H].
    """

    def __init__(
        self, group: str, backbone: MLP, cross: MatrixCross, deep: MLP | None, final: MLP, num_tasks: int
    ) -> None:
        super().__init__()
        self.group, self.num_tasks, self.out_dim = group, num_tasks, final.out_dim
        self.backbone, self.cross, self.deep, self.final = backbone, cross, deep, final

    def forward(self, groups: dict[str, Tensor], domain: Tensor) -> Tensor:  # noqa: ARG002  other trunks read the domain
        """The crossed and the deep part, joined, once per task [B, T, H]."""
        x = groups[self.group]
        crossed = self.cross(self.backbone(x))
        joined = crossed if self.deep is None else torch.cat([crossed, self.deep(x)], dim=1)
        hidden: Tensor = self.final(joined)
        return hidden.unsqueeze(1).expand(-1, self.num_tasks, -1)

    def description(self, tasks: Sequence[str]) -> TrunkDescription:  # noqa: ARG002  all tasks are alike
        """Its equations and parts."""
        deep = [] if self.deep is None else [self.deep]
        return TrunkDescription(
            model="DCN-V2",
            equations=tuple(self._equations()),
            parts=counted(
                {"backbone": [self.backbone], "cross network": [self.cross], "deep": deep, "final": [self.final]}
            ),
        )

    def _equations(self) -> Iterator[str]:
        yield f"x = {self.group}"
        yield f"x_0 = {'Backbone(x)' if self.backbone.hidden_dims else 'x'}"
        yield cross_equation(self.cross)
        yield f"h = Final(x_{len(self.cross)}{'' if self.deep is None else ' ⊕ Deep(x)'})"
        yield "logit_t = Tower_t(h)"

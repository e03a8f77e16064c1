"""Shared bottom (Caruana, Machine Learning 1997): one MLP for all tasks, then their towers."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from peprank.models.description import TrunkDescription, counted
from peprank.nn import MLP


class SharedBottom(nn.Module):
    """A Trunk: h = MLP(x), the same for every task.

    Args:
        group: name of the input group x.
        bottom: the MLP.
        num_tasks: T.

    Shapes: {group: [B, D]} -> [B, T, H].
    """

    def __init__(self, group: str, bottom: MLP, num_tasks: int) -> None:
        super().__init__()
        self.group, self.num_tasks, self.out_dim = group, num_tasks, bottom.out_dim
        self.bottom = bottom

    def forward(self, groups: dict[str, Tensor], domain: Tensor) -> Tensor:  # noqa: ARG002  other trunks read the domain
        """The shared layers' output, once per task [B, T, H]."""
        hidden: Tensor = self.bottom(groups[self.group])
        return hidden.unsqueeze(1).expand(-1, self.num_tasks, -1)

    def description(self, tasks: Sequence[str]) -> TrunkDescription:  # noqa: ARG002  all tasks are alike
        """Its equations and its one part."""
        return TrunkDescription(
            model="Shared bottom",
            equations=(f"x = {self.group}", "h = Bottom(x)", "logit_t = Tower_t(h)"),
            parts=counted({"shared bottom": [self.bottom]}),
        )

"""Each task for itself on shared embeddings: what any sharing of layers has to beat."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from peprank.models.description import TrunkDescription


class SimpleMultiTask(nn.Module):
    """A Trunk without layers: every tower reads the input x as it is.

    Args:
        group: name of the input group x.
        in_dim: its width.
        num_tasks: T.

    Shapes: {group: [B, D]} -> [B, T, D].
    """

    def __init__(self, group: str, in_dim: int, num_tasks: int) -> None:
        super().__init__()
        self.group, self.num_tasks, self.out_dim = group, num_tasks, in_dim

    def forward(self, groups: dict[str, Tensor], domain: Tensor) -> Tensor:  # noqa: ARG002  other trunks read the domain
        """The input, once per task [B, T, D]."""
        return groups[self.group].unsqueeze(1).expand(-1, self.num_tasks, -1)

    def description(self, tasks: Sequence[str]) -> TrunkDescription:  # noqa: ARG002  all tasks are alike
        """Its one equation."""
        return TrunkDescription(model="Simple multi-task", equations=(f"x = {self.group}", "logit_t = Tower_t(x)"))

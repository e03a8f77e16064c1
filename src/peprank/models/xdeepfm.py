"""xDeepFM (Lian et al., KDD 2018): products of field vectors beside an MLP."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from peprank.models.description import TrunkDescription, counted
from peprank.nn import CIN, MLP


class XDeepFM(nn.Module):
    """A Trunk: h = Final(CIN(v) ⊕ Deep(x)), the same for every task.

    Args:
        fields_group: name of the input group of the vectors v.
        cin: crosses them.
        deep_group: name of the input group x.
        deep: the MLP over x.
        final: reads both; without layers h is its input.
        num_tasks: T.

    Shapes: {fields_group: [B, M D], deep_group: [B, D_x]} -> [B, T, H].
    """

    def __init__(self, fields_group: str, cin: CIN, deep_group: str, deep: MLP, final: MLP, num_tasks: int) -> None:
        super().__init__()
        self.fields_group, self.deep_group = fields_group, deep_group
        self.num_tasks, self.out_dim = num_tasks, final.out_dim
        self.cin, self.deep, self.final = cin, deep, final

    def forward(self, groups: dict[str, Tensor], domain: Tensor) -> Tensor:  # noqa: ARG002  other trunks read the domain
        """The crossed and the deep part, joined, once per task [B, T, H]."""
        fields, x = groups[self.fields_group], groups[self.deep_group]
        vectors = fields.unflatten(1, (self.cin.num_fields, self.cin.field_dim))  # type: ignore[no-untyped-call]  # [B, M, D]
        joined = torch.cat([self.cin(vectors), self.deep(x)], dim=1)
        hidden: Tensor = self.final(joined)
        return hidden.unsqueeze(1).expand(-1, self.num_tasks, -1)

    def description(self, tasks: Sequence[str]) -> TrunkDescription:  # noqa: ARG002  all tasks are alike
        """Its equations and parts."""
        return TrunkDescription(
            model="xDeepFM",
            equations=(
                f"x^0 = the vectors of {self.fields_group}",
                f"x^k_h = Σ_i,j W^k_(h,i,j) (x^(k-1)_i ⊗ x^0_j) + b^k_h, k = 1 .. {len(self.cin.hidden_dims)}",
                f"h = Final(sums of all x^k_h ⊕ Deep({self.deep_group}))",
                "logit_t = Tower_t(h)",
            ),
            parts=counted({"CIN": [self.cin], "deep": [self.deep], "final": [self.final]}),
        )

"""PEPNet (Chang et al., KDD 2023, arXiv 2302.01115): EPNet scales the embeddings, PPNet the task towers."""

from __future__ import annotations

from torch import Tensor, nn

from peprank.nn import EPNet, PPNet


class PEPNet(nn.Module):
    """A Trunk: O_ep = EPNet(E(F_d), E), then PPNet(O_ep, O_prior). Either half may be left out.

    Args:
        main_group: name of the group E.
        main_dim: its width.
        num_tasks: T.
        domain_group: name of the group F_d that `epnet` reads.
        epnet: None: O_ep = E.
        prior_group: name of the prior group that `ppnet` reads.
        ppnet: None: every tower reads O_ep.

    Shapes: {group: [B, D_g]} -> [B, T, H].
    """

    def __init__(
        self,
        main_group: str,
        main_dim: int,
        num_tasks: int,
        *,
        domain_group: str = "",
        epnet: EPNet | None = None,
        prior_group: str = "",
        ppnet: PPNet | None = None,
    ) -> None:
        super().__init__()
        self.main_group, self.domain_group, self.prior_group = main_group, domain_group, prior_group
        self.num_tasks = num_tasks
        self.out_dim = main_dim if ppnet is None else ppnet.out_dim
        self.epnet = epnet
        self.ppnet = ppnet

    def forward(self, groups: dict[str, Tensor], domain: Tensor) -> Tensor:  # noqa: ARG002  other trunks read the domain
        """Input of each task's tower [B, T, H]."""
        e = groups[self.main_group]  # [B, E]
        o_ep = e if self.epnet is None else self.epnet(groups[self.domain_group], e)  # [B, E]
        if self.ppnet is None:
            return o_ep.unsqueeze(1).expand(-1, self.num_tasks, -1)
        hidden: Tensor = self.ppnet(o_ep, groups[self.prior_group])
        return hidden

"""From the plans of trunks whose parts the domain picks to those trunks."""

from __future__ import annotations

from peprank.models.layers import make_mlp
from peprank.models.star import Star
from peprank.nn import MLP, PartitionedNorm, StarMLP
from peprank.spec.model import ModelSpec
from peprank.spec.multi_domain import StarSpec


def make_star(spec: StarSpec, model: ModelSpec) -> Star:
    """STAR, one set of weights for each domain of the model."""
    in_dim, num_domains = model.group(spec.group).dim, model.num_domains
    return Star(
        spec.group,
        StarMLP(make_mlp(in_dim, spec.layers), num_domains),
        model.num_tasks,
        norm=PartitionedNorm(in_dim, num_domains) if spec.normalizes_domains else None,
        auxiliary=MLP(in_dim + num_domains, (spec.auxiliary_dim,)) if spec.auxiliary_dim else None,
    )

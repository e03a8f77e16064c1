"""Rivals with parts that the row's domain picks -> their specs."""

from __future__ import annotations

from peprank.config.lower_groups import Groups
from peprank.config.lower_inputs import Inputs, one_input
from peprank.config.lower_towers import mlp
from peprank.config.place import Place
from peprank.config.protos import pipeline_pb2 as pb
from peprank.spec.multi_domain import StarSpec


def star(msg: pb.Star, at: Place, known: Groups) -> tuple[StarSpec | None, Inputs]:
    """Layers whose weights are the shared ones times the domain's."""
    inputs = one_input(msg.input_group_names, at, known)
    layers = mlp(msg.star_mlp, at["star_mlp"]) if at["star_mlp"].is_set else None
    if layers is None:
        return None, inputs
    spec = at.build(
        StarSpec,
        group=inputs.name,
        layers=layers,
        auxiliary_dim=msg.auxiliary_hidden_unit,
        normalizes_domains=msg.partitioned_normalization,
    )
    return spec, inputs

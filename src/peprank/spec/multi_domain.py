"""Trunks with parts that the row's domain picks: one plan per model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from peprank.errors import SpecError
from peprank.spec.domain_experts import HMoESpec, M3oESpec, PLEMDSpec
from peprank.spec.mlp import MLPSpec, Normalization, check_has_layers


@dataclass(frozen=True, slots=True, kw_only=True)
class StarSpec:
    """Layers whose weights are the shared ones times the domain's (Sheng et al., CIKM 2021)."""

    group: str  # the input of the layers and of the auxiliary network
    layers: MLPSpec
    auxiliary_dim: int = 32  # width of the auxiliary network; 0: there is none
    normalizes_domains: bool = False  # Partitioned Normalization of the input

    def __post_init__(self) -> None:
        check_has_layers("star_mlp", self.layers)
        if self.layers.normalization is Normalization.BATCH:
            rule = "use_bn would mix the domains; write partitioned_normalization: true beside it, or use_ln"
            raise SpecError("star_mlp", self.layers.normalization.value, rule)


PICKED_BY_DOMAIN: Final = (StarSpec, PLEMDSpec, HMoESpec, M3oESpec)

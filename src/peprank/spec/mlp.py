"""The multi-layer perceptron, of which towers, experts and other parts of a network are made."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from peprank.errors import SpecError


class Activation(Enum):
    """Activations that a config may name, with or without the prefix `nn.`; nothing else is looked up."""

    RELU = "ReLU"
    LEAKY_RELU = "LeakyReLU"
    PRELU = "PReLU"
    ELU = "ELU"
    GELU = "GELU"
    SILU = "SiLU"
    TANH = "Tanh"
    SIGMOID = "Sigmoid"
    SOFTPLUS = "Softplus"
    IDENTITY = "Identity"


class Normalization(Enum):
    """What stands between a layer's linear map and its activation."""

    NONE = "none"
    BATCH = "batch"
    LAYER = "layer"


@dataclass(frozen=True, slots=True, kw_only=True)
class MLPSpec:
    """Linear -> normalization -> activation -> dropout, once per width."""

    hidden_dims: tuple[int, ...] = ()
    dropouts: tuple[float, ...] = ()  # one per layer, in [0, 1); (): none
    activation: Activation = Activation.RELU
    normalization: Normalization = Normalization.NONE
    bias: bool = True  # dropped beside batch normalization, as the peer does

    def __post_init__(self) -> None:
        check_widths("hidden_units", self.hidden_dims)
        check_dropouts("dropout_ratio", self.dropouts, len(self.hidden_dims))


def check_widths(place: str, widths: tuple[int, ...]) -> None:
    """Refuse a layer without units; `place` is the config's name of the field."""
    for width in widths:
        if not width > 0:
            raise SpecError(place, list(widths), "every width must be at least 1")


def check_dropouts(place: str, ratios: tuple[float, ...], num_layers: int) -> None:
    """Refuse ratios that are not one per layer, or not in [0, 1)."""
    if ratios and len(ratios) != num_layers:
        raise SpecError(place, list(ratios), f"has {len(ratios)} values for {num_layers} layers; give none, one or all")
    for ratio in ratios:
        if not 0 <= ratio < 1:
            raise SpecError(place, ratio, "must lie in [0, 1)")


def check_has_layers(place: str, mlp: MLPSpec) -> None:
    """Refuse a part of the network that would be its own input."""
    if not mlp.hidden_dims:
        raise SpecError(place, (), "has no layers; write hidden_units: [128, 64], say")

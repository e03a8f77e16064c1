"""From the plan of layers to the layers, for all parts of a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from torch import nn

from peprank.nn import MLP
from peprank.spec.mlp import Activation, MLPSpec


def make_mlp(in_dim: int, spec: MLPSpec) -> MLP:
    """The layers that `spec` means, over an input of `in_dim` columns."""
    return MLP(
        in_dim,
        spec.hidden_dims,
        activation=ACTIVATIONS[spec.activation],
        normalization=spec.normalization.value,
        dropouts=spec.dropouts,
        bias=spec.bias,
    )


ACTIVATIONS: Final[Mapping[Activation, Callable[[], nn.Module]]] = {
    Activation.RELU: partial(nn.ReLU, inplace=True),  # of a linear map, which does not read its result
    Activation.LEAKY_RELU: nn.LeakyReLU,
    Activation.PRELU: nn.PReLU,
    Activation.ELU: nn.ELU,
    Activation.GELU: nn.GELU,
    Activation.SILU: nn.SiLU,
    Activation.TANH: nn.Tanh,
    Activation.SIGMOID: nn.Sigmoid,
    Activation.SOFTPLUS: nn.Softplus,
    Activation.IDENTITY: nn.Identity,
}

"""Embedding tables, dense embeddings, and the feature groups that join them into model inputs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from peprank.errors import SpecError
from peprank.spec.feature import Pooling


class Distribution(Enum):
    """The initialisers that `init_fn` may name, as in torch.nn.init."""

    UNIFORM = "uniform_"  # a, b
    NORMAL = "normal_"  # mean, std
    TRUNC_NORMAL = "trunc_normal_"  # mean, std, a, b
    CONSTANT = "constant_"  # val
    ZEROS = "zeros_"
    ONES = "ones_"
    XAVIER_UNIFORM = "xavier_uniform_"  # gain
    XAVIER_NORMAL = "xavier_normal_"  # gain
    KAIMING_UNIFORM = "kaiming_uniform_"  # a
    KAIMING_NORMAL = "kaiming_normal_"  # a


@dataclass(frozen=True, slots=True, kw_only=True)
class InitSpec:
    """A torch.nn.init function with its keyword arguments: `init_fn: "nn.init.uniform_,a=-0.1,b=0.1"`."""

    distribution: Distribution
    arguments: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSpec:
    """One embedding table. Features (and groups) that name the same table share its rows."""

    name: str
    rows: int
    dim: int
    pooling: Pooling = Pooling.SUM
    init: InitSpec | None = None  # None: uniform in +-sqrt(1 / rows), as torchrec does
    trainable: bool = True
    is_half: bool = False  # `data_type: "FP16"`: rows are stored as float16, computed as float32


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoDisSpec:
    """AutoDis (Guo et al., KDD 2021): a softmax over meta-embeddings stands for a number."""

    num_channels: int
    temperature: float = 0.1
    keep_prob: float = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearEmbeddingSpec:
    """A bias-free linear map from the numbers to a vector: `mlp {}`."""


DenseEmbedding: TypeAlias = AutoDisSpec | LinearEmbeddingSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupInput:
    """One feature as a feature group sees it: exactly one of `table`, `dense`, or neither (the numbers as they are)."""

    feature: str
    dim: int  # columns that it takes in the group's tensor
    table: str | None = None  # name of a TableSpec
    dense: DenseEmbedding | None = None
    weight_name: str = ""  # names the dense embedding's weights; groups with one name share them
    value_dim: int = 1  # numbers per row that a dense embedding reads; the feature's value_dim


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSpec:
    """A named list of features joined, in this order, into one input [B, dim]."""

    name: str
    inputs: tuple[GroupInput, ...]

    def __post_init__(self) -> None:
        if not self.inputs:
            raise SpecError(f"feature_groups[{self.name}]", (), "has no features; name at least one")

    @property
    def dim(self) -> int:
        """Width D of the group's tensor."""
        return sum(item.dim for item in self.inputs)

    def field_dim(self) -> int:
        """Width of every input, for models that multiply the vectors of features.

        Raises:
            SpecError: they differ.
        """
        first = self.inputs[0]
        for other in self.inputs[1:]:
            if other.dim != first.dim:
                widths = f"'{first.feature}' has {first.dim} columns and '{other.feature}' has {other.dim}"
                rule = f"{widths}, but only vectors of one width can be multiplied"
                raise SpecError(f"feature_groups[{self.name}]", [item.dim for item in self.inputs], rule)
        return first.dim

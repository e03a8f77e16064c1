"""Models of crossed features: written for one task, they serve several as well."""

from __future__ import annotations

from dataclasses import dataclass

from peprank.errors import SpecError
from peprank.spec.mlp import MLPSpec, check_has_layers, check_widths


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossSpec:
    """Layers of a cross network; `rank` is that of DCN-V2's matrices, which DCN does not have."""

    num_layers: int
    rank: int | None = None  # None: full

    def __post_init__(self) -> None:
        if not self.num_layers > 0:
            raise SpecError("cross_num", self.num_layers, "must be at least 1; 3 is usual")


@dataclass(frozen=True, slots=True, kw_only=True)
class DCNv1Spec:
    """A cross network of vectors beside an MLP (Wang et al., ADKDD 2017)."""

    group: str  # the input x of both
    cross: CrossSpec
    deep: MLPSpec
    final: MLPSpec  # on the outputs of both

    def __post_init__(self) -> None:
        check_has_layers("deep", self.deep)


@dataclass(frozen=True, slots=True, kw_only=True)
class DCNv2Spec:
    """A cross network of matrices, alone or beside an MLP (Wang et al., WWW 2021)."""

    group: str  # the input x
    cross: CrossSpec
    final: MLPSpec  # on the outputs
    backbone: MLPSpec | None = None  # between x and the cross network
    deep: MLPSpec | None = None

    def __post_init__(self) -> None:
        for place, part in (("backbone", self.backbone), ("deep", self.deep)):
            if part is not None:
                check_has_layers(place, part)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeepFMSpec:
    """Weights of ids, products of pairs of features, and an MLP (Guo et al., IJCAI 2017)."""

    wide_group: str  # whose columns are added up
    fm_group: str  # whose vectors, all of one width, are multiplied
    deep_group: str  # the input of the MLP
    deep: MLPSpec
    final: MLPSpec | None = None  # on all three; None: they are added up to the logit

    def __post_init__(self) -> None:
        check_has_layers("deep", self.deep)


@dataclass(frozen=True, slots=True, kw_only=True)
class CINSpec:
    """Layers of a compressed interaction network."""

    hidden_dims: tuple[int, ...]  # vectors per layer

    def __post_init__(self) -> None:
        check_widths("cin_layer_size", self.hidden_dims)
        if not self.hidden_dims:
            raise SpecError("cin_layer_size", (), "is missing; write cin_layer_size: [64, 64], say")


@dataclass(frozen=True, slots=True, kw_only=True)
class XDeepFMSpec:
    """A compressed interaction network beside an MLP (Lian et al., KDD 2018)."""

    fields_group: str  # whose vectors, all of one width, are multiplied
    deep_group: str  # the input of the MLP
    cin: CINSpec
    deep: MLPSpec
    final: MLPSpec  # on the outputs of both

    def __post_init__(self) -> None:
        check_has_layers("deep", self.deep)

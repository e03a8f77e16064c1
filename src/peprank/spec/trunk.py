"""The trunk, which stands between embeddings and task towers: one plan per model."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from peprank.errors import SpecError
from peprank.spec.domain_experts import HMoESpec, M3oESpec, PLEMDSpec
from peprank.spec.mlp import Activation, MLPSpec, check_dropouts, check_has_layers, check_widths
from peprank.spec.multi_domain import StarSpec
from peprank.spec.single_task import CrossSpec, DCNv1Spec, DCNv2Spec, DeepFMSpec, XDeepFMSpec


class Wiring(Enum):
    """Where PPNet's gates act; `docs/model.md` has the three side by side."""

    TZREC = "TZREC"  # one Gate NU per task and layer, on each layer's output; what the peer's files mean
    PAPER = "PAPER"  # one Gate NU per layer for all tasks, on each layer's input, O_ep included
    HIDDEN_ONLY = "HIDDEN_ONLY"  # PAPER without the gate on O_ep


class EPNetGate(Enum):
    """What EPNet scales: each unit of the embedding, or each feature field by one number."""

    ELEMENT = "ELEMENT"
    FIELD = "FIELD"


class GeneralInput(Enum):
    """How the gates read what they scale, E in EPNet and O_ep in PPNet; all but the first are ablations."""

    DETACHED = "DETACHED"  # behind a stop-gradient
    ATTACHED = "ATTACHED"
    LEFT_OUT = "LEFT_OUT"


@dataclass(frozen=True, slots=True, kw_only=True)
class EPNetSpec:
    """Embedding gate read from the domain side (paper, Eq 5-6)."""

    group: str  # the domain group F_d
    hidden_dim: int | None = None  # None: the main group's width
    gamma: float = 2.0
    gate: EPNetGate = EPNetGate.ELEMENT

    def __post_init__(self) -> None:
        _check_gamma("epnet_gamma", self.gamma)


@dataclass(frozen=True, slots=True, kw_only=True)
class PPNetSpec:
    """Task layers scaled by gates read from user, item and author priors (paper, Eq 7-9)."""

    group: str  # the prior group `uia`
    hidden_dims: tuple[int, ...]
    activation: Activation = Activation.RELU
    dropouts: tuple[float, ...] = ()
    gamma: float = 2.0
    gate_hidden_dim: int | None = None  # None: the width of one task's chunk
    wiring: Wiring = Wiring.TZREC
    detached_priors: bool = False  # an ablation: the gates read `group` behind a stop-gradient

    def __post_init__(self) -> None:
        _check_gamma("ppnet_gamma", self.gamma)
        check_widths("ppnet_hidden_units", self.hidden_dims)
        check_dropouts("ppnet_dropout_ratio", self.dropouts, len(self.hidden_dims))
        if not self.hidden_dims:
            raise SpecError("ppnet_hidden_units", self.hidden_dims, "name at least one layer width, such as [100, 64]")
        if self.gate_hidden_dim is not None and self.wiring is Wiring.TZREC:
            raise SpecError("ppnet_gate_hidden_unit", self.gate_hidden_dim, "the TZREC wiring has no such width")


@dataclass(frozen=True, slots=True, kw_only=True)
class PEPNetSpec:
    """PEPNet (Chang et al., KDD 2023). Without `epnet` or `ppnet` that half is left out."""

    main_group: str
    epnet: EPNetSpec | None = None
    ppnet: PPNetSpec | None = None
    general_input: GeneralInput = GeneralInput.DETACHED
    cross: CrossSpec | None = None  # between EPNet and PPNet; not of the paper


@dataclass(frozen=True, slots=True, kw_only=True)
class SimpleMultiTaskSpec:
    """No layers between embeddings and towers."""

    group: str  # the input that every tower reads


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedBottomSpec:
    """Layers that all tasks share."""

    group: str  # the input of the layers
    bottom: MLPSpec

    def __post_init__(self) -> None:
        check_has_layers("bottom_mlp", self.bottom)


@dataclass(frozen=True, slots=True, kw_only=True)
class MMoESpec:
    """Experts over one input, mixed by a gate per task (Ma et al., KDD 2018)."""

    group: str  # the input of experts and gates
    num_experts: int
    expert: MLPSpec
    gate: MLPSpec | None = None  # None: a gate is one linear map

    def __post_init__(self) -> None:
        check_has_layers("expert_mlp", self.expert)
        if self.gate is not None:
            check_has_layers("gate_mlp", self.gate)
        if not self.num_experts > 0:
            raise SpecError("num_expert", self.num_experts, "must be at least 1; 3 is usual")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractionSpec:
    """One level of PLE: experts of each task, and experts that all share. All end in one width."""

    name: str
    num_task_experts: int  # per task
    task_expert: MLPSpec
    num_shared_experts: int = 0
    shared_expert: MLPSpec | None = None  # needed where there are shared experts

    def __post_init__(self) -> None:
        check_has_layers("task_expert_net", self.task_expert)
        if not self.num_task_experts > 0:
            raise SpecError("expert_num_per_task", self.num_task_experts, "must be at least 1")
        if not self.num_shared_experts and self.shared_expert is None:
            return
        if self.shared_expert is None:
            raise SpecError("share_num", self.num_shared_experts, "needs the layers of those experts, share_expert_net")
        if not self.num_shared_experts:
            raise SpecError("share_num", 0, "leaves share_expert_net without experts")
        check_has_layers("share_expert_net", self.shared_expert)
        if self.shared_expert.hidden_dims[-1] != self.out_dim:
            rule = f"must end in the width of task_expert_net, {self.out_dim}, since a gate mixes both"
            raise SpecError("share_expert_net", self.shared_expert.hidden_dims, rule)

    @property
    def out_dim(self) -> int:
        """Width of every expert's output, and so of their mixtures."""
        return self.task_expert.hidden_dims[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class PLESpec:
    """Levels of own and shared experts (Tang et al., RecSys 2020)."""

    group: str  # the input of the first level
    levels: tuple[ExtractionSpec, ...]

    def __post_init__(self) -> None:
        if not self.levels:
            raise SpecError("extraction_networks", (), "is missing; write at least one extraction_networks { ... }")


TrunkSpec: TypeAlias = (
    PEPNetSpec
    | SimpleMultiTaskSpec
    | SharedBottomSpec
    | MMoESpec
    | PLESpec
    | DCNv1Spec
    | DCNv2Spec
    | DeepFMSpec
    | XDeepFMSpec
    | StarSpec
    | PLEMDSpec
    | HMoESpec
    | M3oESpec
)


def _check_gamma(place: str, gamma: float) -> None:
    if not gamma > 0:
        raise SpecError(place, gamma, "must be > 0; the paper uses 2.0")

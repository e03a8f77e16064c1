"""The network: trunk, task towers, losses, metrics, and which feature says a row's domain."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar, TypeAlias

from peprank.errors import SpecError
from peprank.spec.embedding import GroupSpec, TableSpec
from peprank.spec.mlp import MLPSpec
from peprank.spec.multi_domain import PICKED_BY_DOMAIN
from peprank.spec.single_task import DeepFMSpec
from peprank.spec.trunk import TrunkSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class BinaryCrossEntropy:
    """-(y log p + (1 - y) log(1 - p)) with y smoothed to y (1 - s) + s / 2."""

    name: ClassVar[str] = "binary_cross_entropy"
    label_smoothing: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BinaryFocal:
    """Binary cross-entropy times the detached weight alpha y (1-p)^gamma + (1-alpha) (1-y) p^gamma."""

    name: ClassVar[str] = "binary_focal_loss"
    gamma: float = 2.0
    alpha: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftmaxCrossEntropy:
    """Cross-entropy over `num_class` logits."""

    name: ClassVar[str] = "softmax_cross_entropy"
    label_smoothing: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class L2:
    """(y - label)^2 of an unbounded prediction."""

    name: ClassVar[str] = "l2_loss"


@dataclass(frozen=True, slots=True, kw_only=True)
class JRC:
    """alpha CE + (1 - alpha) in-session contrast (Sheng et al., KDD 2023); two classes."""

    name: ClassVar[str] = "jrc_loss"
    session: str  # id feature whose equal values form a session
    alpha: float = 0.5


LossSpec: TypeAlias = BinaryCrossEntropy | BinaryFocal | SoftmaxCrossEntropy | L2 | JRC


class MetricKind(Enum):
    """Metrics by the peer's names, plus ours."""

    AUC = "auc"
    MULTICLASS_AUC = "multiclass_auc"
    MEAN_ABSOLUTE_ERROR = "mean_absolute_error"
    MEAN_SQUARED_ERROR = "mean_squared_error"
    ACCURACY = "accuracy"
    GROUPED_AUC = "grouped_auc"
    XAUC = "xauc"
    GROUPED_XAUC = "grouped_xauc"
    NORMALIZED_ENTROPY = "normalized_entropy"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSpec:
    """One metric asked for by the config; arguments that a kind does not have stay at their default."""

    kind: MetricKind
    thresholds: int | None = None  # auc, multiclass_auc: None is exact, else binned
    average: str = "macro"  # multiclass_auc: macro | weighted
    threshold: float = 0.5  # accuracy of one logit
    top_k: int = 1  # accuracy over classes
    grouping_key: str | None = None  # grouped_auc, grouped_xauc: an id feature
    sample_ratio: float = 0.001  # xauc: share of all pairs that is drawn
    max_pairs: int | None = None  # xauc, grouped_xauc (per group)
    eta: float = 1e-12  # normalized_entropy: the mean label is kept in [eta, 1 - eta]
    decay_rate: float | None = None  # train metrics only
    decay_step: int | None = None  # train metrics only


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSpace:
    """Rows that a task is judged on: label > 0 weighs in_weight in the loss, the others out_weight."""

    label: str
    in_weight: float = 1.0
    out_weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSpec:
    """One target: its label, tower, losses and metrics."""

    name: str  # tower_name: "ctr"
    label: str  # label column: "clk"
    num_class: int = 1
    losses: tuple[LossSpec, ...] = (BinaryCrossEntropy(),)
    metrics: tuple[MetricSpec, ...] = ()
    train_metrics: tuple[MetricSpec, ...] = ()
    tower: MLPSpec = field(default_factory=MLPSpec)
    logit_bias: bool = True  # of the linear map that ends the tower
    weight: float = 1.0
    sample_weight: str | None = None  # column of row weights
    space: TaskSpace | None = None

    @property
    def is_regression(self) -> bool:
        """Whether the prediction is an unbounded `y` and not a probability."""
        return any(isinstance(loss, L2) for loss in self.losses)


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainSpec:
    """Which feature says a row's domain, how many domains there are, and how many domain towers each task has."""

    feature: str  # id feature (or raw feature with boundaries)
    num_domains: int  # ids of that feature; each is a domain
    num_towers: int = 1  # 1: towers are shared by all domains; else num_domains
    has_own_embeddings: bool = False  # each domain has a copy of every table and dense embedding
    default: str | None = None  # serving: value that stands in for an unknown domain; None: such a row is refused

    def __post_init__(self) -> None:
        if self.num_towers not in (1, self.num_domains):
            raise SpecError("task_domain_num", self.num_towers, f"must be 1, or {self.num_domains}, one per domain")


class LinearInit(Enum):
    """What linear maps start from."""

    TORCH = "TORCH"  # as nn.Linear does: uniform within 1 / sqrt(inputs), biases too
    XAVIER = "XAVIER"  # Xavier-uniform weights, zero biases (Glorot and Bengio, AISTATS 2010)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """Everything that decides the network's shape. Task order fixes the order of all [B, T] tensors."""

    tables: tuple[TableSpec, ...]
    groups: tuple[GroupSpec, ...]
    trunk: TrunkSpec
    tasks: tuple[TaskSpec, ...]
    domain: DomainSpec | None = None
    linear_init: LinearInit | None = None  # None: XAVIER for the paper's wirings of PEPNet, TORCH for all else

    def __post_init__(self) -> None:
        if not self.tasks:
            raise SpecError("task_towers", (), "name at least one task")
        if self.domain is None and isinstance(self.trunk, PICKED_BY_DOMAIN):
            raise SpecError(
                "domain_feature", None, "name the feature that says the domain, which picks parts of the model"
            )
        if isinstance(self.trunk, DeepFMSpec) and self.trunk.final is None and any(t.num_class > 1 for t in self.tasks):
            rule = "is missing, so wide and fm would be added to all classes alike and change no probability"
            raise SpecError("final", None, f"{rule}; write final {{ hidden_units: 64 }}, say")

    def group(self, name: str) -> GroupSpec:
        """The feature group called `name`."""
        return next(group for group in self.groups if group.name == name)

    @property
    def picks_by_domain(self) -> bool:
        """Whether a row's domain picks parts of the network: one that is not known cannot be scored."""
        if self.domain is None:
            return False
        own = self.domain.num_towers > 1 or self.domain.has_own_embeddings
        return own or isinstance(self.trunk, PICKED_BY_DOMAIN)

    @property
    def num_embedding_copies(self) -> int:
        """Copies of each table and dense embedding: one per domain, or one for all."""
        return self.domain.num_domains if self.domain is not None and self.domain.has_own_embeddings else 1

    @property
    def num_domains(self) -> int:
        """D, 1 where the plan does not tell domains apart."""
        return self.domain.num_domains if self.domain is not None else 1

    @property
    def num_tasks(self) -> int:
        """T."""
        return len(self.tasks)

    @property
    def logit_slices(self) -> tuple[slice, ...]:
        """Columns of each task in the logits [B, K]; K = sum of num_class, which is T when all towers are binary."""
        ends = [sum(task.num_class for task in self.tasks[: k + 1]) for k in range(len(self.tasks))]
        return tuple(slice(end - task.num_class, end) for end, task in zip(ends, self.tasks, strict=True))

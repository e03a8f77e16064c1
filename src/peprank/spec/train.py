"""Optimisers, learning-rate schedules, run length, checkpoints and evaluation during training."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from peprank.errors import SpecError

# Sparse optimisers: applied to the touched rows of embedding tables only.


@dataclass(frozen=True, slots=True, kw_only=True)
class SparseSGD:
    """w -= lr g."""

    lr: float = 0.002


@dataclass(frozen=True, slots=True, kw_only=True)
class SparseAdagrad:
    """a += g^2; w -= lr g / (sqrt(a) + 1e-8), per element."""

    lr: float = 0.002
    initial_accumulator: float = 0.0


class WeightDecayMode(Enum):
    """How row-wise Adagrad decays weights."""

    NONE = "NONE"
    L2 = "L2"  # added to the gradient
    DECOUPLE = "DECOUPLE"  # taken from the weight


@dataclass(frozen=True, slots=True, kw_only=True)
class RowWiseAdagrad:
    """a += mean(g^2) of the row; w -= lr g / (sqrt(a) + 1e-8): one accumulator per row."""

    lr: float = 0.002
    weight_decay: float = 0.0
    weight_decay_mode: WeightDecayMode = WeightDecayMode.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class SparseAdam:
    """Adam on the touched rows; `partial_rowwise` keeps one second moment per row."""

    lr: float = 0.002
    beta1: float = 0.9
    beta2: float = 0.999
    weight_decay: float = 0.0
    partial_rowwise: bool = False


SparseRule: TypeAlias = SparseSGD | SparseAdagrad | RowWiseAdagrad | SparseAdam


@dataclass(frozen=True, slots=True, kw_only=True)
class SGD:
    """torch.optim.SGD."""

    lr: float = 0.002
    momentum: float = 0.0
    weight_decay: float = 0.0
    dampening: float = 0.0
    nesterov: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Adagrad:
    """torch.optim.Adagrad."""

    lr: float = 0.002
    weight_decay: float = 0.0
    initial_accumulator: float = 0.0
    eps: float = 1e-10


@dataclass(frozen=True, slots=True, kw_only=True)
class Adam:
    """torch.optim.Adam, or AdamW when `decoupled`."""

    lr: float = 0.002
    beta1: float = 0.9
    beta2: float = 0.999
    weight_decay: float = 0.0
    eps: float = 1e-8
    amsgrad: bool = False
    decoupled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Adadelta:
    """torch.optim.Adadelta."""

    lr: float = 0.002
    rho: float = 0.95
    eps: float = 1e-6
    weight_decay: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RMSprop:
    """torch.optim.RMSprop."""

    lr: float = 0.002
    alpha: float = 0.99
    eps: float = 1e-8
    weight_decay: float = 0.0


DenseRule: TypeAlias = SGD | Adagrad | Adam | Adadelta | RMSprop


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstantLR:
    """lr(t) = lr."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExponentialDecayLR:
    """Linear warm-up, then lr * factor ** ((t - warmup) / size), floored to whole powers if `staircase`."""

    decay_size: int
    decay_factor: float = 0.95
    staircase: bool = True
    warmup_learning_rate: float = 0.0
    warmup_size: int = 0
    min_learning_rate: float = 0.0
    by_epoch: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ManualStepLR:
    """learning_rates[k] between schedule_sizes[k-1] and schedule_sizes[k] (the base lr before the first)."""

    schedule_sizes: tuple[int, ...]
    learning_rates: tuple[float, ...]
    warmup: bool = False
    by_epoch: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CosineAnnealingLR:
    """Linear warm-up, then half a cosine down to the minimum over t_max."""

    t_max: int | None = None  # None: up to the end of the run
    min_learning_rate: float = 0.0
    warmup_learning_rate: float = 0.0
    warmup_size: int = 0
    by_epoch: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CosineWarmRestartsLR:
    """CosineAnnealingLR that starts again after t_0, t_0 t_mult, ... steps."""

    t_0: int
    t_mult: int = 1
    min_learning_rate: float = 0.0
    warmup_learning_rate: float = 0.0
    warmup_size: int = 0
    by_epoch: bool = False


Schedule: TypeAlias = ConstantLR | ExponentialDecayLR | ManualStepLR | CosineAnnealingLR | CosineWarmRestartsLR


@dataclass(frozen=True, slots=True, kw_only=True)
class SparseOptimizer:
    """Rule and schedule of all embedding tables."""

    rule: SparseRule
    schedule: Schedule = field(default_factory=ConstantLR)
    max_gradient: float | None = None  # each gradient value of a row is kept in [-max, max]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartOptimizer:
    """Rule of the dense parameters whose name matches `pattern` (re.search); the first match wins."""

    pattern: str
    rule: DenseRule
    schedule: Schedule | None = None  # None: the dense optimiser's


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseOptimizer:
    """Rules and schedules of all dense parameters, and their moving average."""

    rule: DenseRule
    schedule: Schedule = field(default_factory=ConstantLR)
    parts: tuple[PartOptimizer, ...] = ()
    ema_decay: float | None = None


class Clipping(Enum):
    """`grad_clipping.clipping_type`; dense parameters only."""

    NONE = "none"
    NORM = "norm"
    VALUE = "value"


@dataclass(frozen=True, slots=True, kw_only=True)
class GradClipping:
    """Bound of the dense gradients: total norm, or each value."""

    kind: Clipping = Clipping.NONE
    max_gradient: float = 1.0
    norm_type: float = 2.0


class Precision(Enum):
    """Arithmetic of the dense part; weights and optimiser state stay float32."""

    FLOAT32 = ""
    BF16 = "BF16"
    AUTO = "AUTO"  # BF16 where the device has it, else FLOAT32 (extension)


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyStopping:
    """Stop after `patience` evaluations in a row without a better `metric` (extension)."""

    metric: str  # as `ExportSpec.best_metric`
    patience: int
    larger_is_better: bool = True
    min_delta: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSpec:
    """One training run. Exactly one of num_steps and num_epochs is set."""

    sparse: SparseOptimizer
    dense: DenseOptimizer
    num_steps: int | None = None
    num_epochs: int | None = None
    checkpoint_every_steps: int | None = 1000
    checkpoint_every_epochs: int | None = None
    keep_checkpoints: int = 0  # 0: all
    log_every_steps: int = 100
    fine_tune_checkpoint: str | None = None
    fine_tune_names: tuple[tuple[str, str], ...] = ()  # (name here, name in the checkpoint)
    use_tensorboard: bool = True
    tensorboard_summaries: tuple[str, ...] = ()
    is_profiling: bool = False
    precision: Precision = Precision.AUTO
    accumulate_steps: int = 1
    clipping: GradClipping = field(default_factory=GradClipping)
    early_stopping: EarlyStopping | None = None
    seed: int = 42

    def __post_init__(self) -> None:
        if (self.num_steps is None) == (self.num_epochs is None):
            raise SpecError("train_config.num_steps", self.num_steps, "set exactly one of num_steps and num_epochs")


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalSpec:
    """How a model is judged."""

    num_steps: int | None = None  # None: all rows
    gauc_feature: str | None = None  # id feature whose values form GAUC's groups, mostly user_id
    use_ema: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportSpec:
    """Which checkpoint becomes the bundle."""

    best: bool = False  # exporter_type "best", else "latest"
    best_metric: str | None = None  # "auc_ctr", or "auc": the mean over tasks
    larger_is_better: bool = True
    use_ema: bool = False

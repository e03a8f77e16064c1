"""From a plan to a network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn
from typing_extensions import assert_never

from peprank.errors import TrainingError
from peprank.models.mmoe import MMoE
from peprank.models.pepnet import PEPNet
from peprank.models.ple import PLE
from peprank.models.ranker import MultiTaskRanker, Trunk
from peprank.models.shared_bottom import SharedBottom
from peprank.models.simple_multi_task import SimpleMultiTask
from peprank.nn import (
    MLP,
    AutoDis,
    EmbeddingGroups,
    EPNet,
    Experts,
    Extraction,
    Field,
    PPNet,
    SoftmaxGate,
    Table,
    Tower,
    Towers,
)
from peprank.nn.arena import Fill
from peprank.spec.embedding import AutoDisSpec, DenseEmbedding, GroupInput, InitSpec, LinearEmbeddingSpec, TableSpec
from peprank.spec.feature import Pooling
from peprank.spec.mlp import Activation, MLPSpec
from peprank.spec.model import ModelSpec, TaskSpec
from peprank.spec.trunk import (
    EPNetGate,
    ExtractionSpec,
    MMoESpec,
    PEPNetSpec,
    PLESpec,
    SharedBottomSpec,
    SimpleMultiTaskSpec,
    TrunkSpec,
    Wiring,
)


def build(spec: ModelSpec, *, seed: int | None = None) -> MultiTaskRanker:
    """The network that a plan describes, with its first weights.

    Tables start from (seed, table name) alone. Linear maps start as torch's `nn.Linear` does, as the peer's do; the
    wirings of the paper start Xavier-uniform with zero biases, as the paper's do. Build under `torch.device("meta")`
    for shapes without memory.

    Args:
        spec: the plan.
        seed: fixes all weights; None: drawn.

    Raises:
        TrainingError: the memory does not hold them; names the largest tables.
    """
    drawn = seed if seed is not None else int(torch.empty((), dtype=torch.int64, device="cpu").random_(2**62))
    with torch.random.fork_rng(devices=[]), _in_memory(spec):
        torch.default_generator.manual_seed(drawn)
        embeddings, trunk = _embeddings(spec, drawn), _trunk(spec.trunk, spec)
        ranker = MultiTaskRanker(embeddings, trunk, _towers(spec, trunk.out_dim))
        if _follows_paper(spec.trunk):
            _xavier(ranker)
    return ranker


@contextmanager
def _in_memory(spec: ModelSpec) -> Iterator[None]:
    """Say what is large where torch, which has no error of its own for it, cannot get the memory."""
    try:
        yield
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        if "memory" not in reason and "overflow" not in reason:
            raise
        tables = sorted(spec.tables, key=lambda table: -table.rows * table.dim)[:3]
        largest = ", ".join(f"'{table.name}' {table.rows:,} x {table.dim}" for table in tables)
        raise TrainingError(
            f"the model is larger than the memory ({reason}); its largest tables are {largest}: "
            "lower their rows or embedding_dim, or the widths of its layers"
        ) from error


def _embeddings(spec: ModelSpec, seed: int) -> EmbeddingGroups:
    inputs = [item for group in spec.groups for item in group.inputs]
    return EmbeddingGroups(
        [_table(table) for table in spec.tables],
        {group.name: [_field(item) for item in group.inputs] for group in spec.groups},
        dense={item.weight_name: _dense(item.dense, item) for item in inputs if item.dense is not None},
        seed=seed,
    )


def _table(spec: TableSpec) -> Table:
    return Table(
        name=spec.name,
        rows=spec.rows,
        dim=spec.dim,
        is_mean=spec.pooling is Pooling.MEAN,
        is_half=spec.is_half,
        trainable=spec.trainable,
        fill=None if spec.init is None else _fill(spec.init),
    )


def _fill(init: InitSpec) -> Fill:
    """The torch.nn.init function that the plan names, reading its random numbers from a generator."""
    function: Callable[..., Tensor] = getattr(nn.init, init.distribution.value)  # an enum: nothing else is looked up
    arguments = dict(init.arguments)
    if init.distribution.value in ("constant_", "zeros_", "ones_"):
        return lambda weight, _: function(weight, **arguments)
    return lambda weight, generator: function(weight, **arguments, generator=generator)


def _field(item: GroupInput) -> Field:
    return Field(feature=item.feature, table=item.table, dense=None if item.dense is None else item.weight_name)


def _dense(spec: DenseEmbedding, item: GroupInput) -> nn.Module:
    match spec:
        case AutoDisSpec():
            return AutoDis(
                item.value_dim,
                item.dim,
                spec.num_channels,
                temperature=spec.temperature,
                keep_prob=spec.keep_prob,
            )
        case LinearEmbeddingSpec():
            return nn.Linear(item.value_dim, item.dim, bias=False)
        case _:
            assert_never(spec)


def _trunk(spec: TrunkSpec, model: ModelSpec) -> Trunk:
    match spec:
        case PEPNetSpec():
            return _pepnet(spec, model)
        case SimpleMultiTaskSpec():
            return SimpleMultiTask(spec.group, model.group(spec.group).dim, model.num_tasks)
        case SharedBottomSpec():
            return _shared_bottom(spec, model)
        case MMoESpec():
            return _mmoe(spec, model)
        case PLESpec():
            return _ple(spec, model)
        case _:
            assert_never(spec)


def _pepnet(spec: PEPNetSpec, model: ModelSpec) -> PEPNet:
    return PEPNet(
        spec.main_group,
        model.group(spec.main_group).dim,
        model.num_tasks,
        domain_group=spec.epnet.group if spec.epnet else "",
        epnet=_epnet(spec, model),
        prior_group=spec.ppnet.group if spec.ppnet else "",
        ppnet=_ppnet(spec, model),
    )


def _epnet(spec: PEPNetSpec, model: ModelSpec) -> EPNet | None:
    if spec.epnet is None:
        return None
    main = model.group(spec.main_group)
    return EPNet(
        model.group(spec.epnet.group).dim,
        main.dim,
        hidden_dim=spec.epnet.hidden_dim,
        gamma=spec.epnet.gamma,
        field_dims=[item.dim for item in main.inputs] if spec.epnet.gate is EPNetGate.FIELD else None,
    )


def _ppnet(spec: PEPNetSpec, model: ModelSpec) -> PPNet | None:
    if spec.ppnet is None:
        return None
    return PPNet(
        model.group(spec.main_group).dim,
        model.group(spec.ppnet.group).dim,
        model.num_tasks,
        spec.ppnet.hidden_dims,
        wiring=spec.ppnet.wiring.value,
        gate_hidden_dim=spec.ppnet.gate_hidden_dim,
        gamma=spec.ppnet.gamma,
        activation=_ACTIVATIONS[spec.ppnet.activation],
        dropouts=spec.ppnet.dropouts,
    )


def _shared_bottom(spec: SharedBottomSpec, model: ModelSpec) -> SharedBottom:
    return SharedBottom(spec.group, _mlp(model.group(spec.group).dim, spec.bottom), model.num_tasks)


def _mmoe(spec: MMoESpec, model: ModelSpec) -> MMoE:
    in_dim = model.group(spec.group).dim
    experts = Experts(_mlp(in_dim, spec.expert) for _ in range(spec.num_experts))
    gates = (SoftmaxGate(_mlp(in_dim, spec.gate or MLPSpec()), spec.num_experts) for _ in model.tasks)
    return MMoE(spec.group, experts, gates)


def _ple(spec: PLESpec, model: ModelSpec) -> PLE:
    in_dim, levels = model.group(spec.group).dim, []
    for index, level in enumerate(spec.levels):
        is_shared_later = any(later.num_shared_experts for later in spec.levels[index + 1 :])
        levels.append(_extraction(level, in_dim, model.num_tasks, has_shared_gate=is_shared_later))
        in_dim = level.out_dim
    return PLE(spec.group, levels, [level.name for level in spec.levels])


def _extraction(spec: ExtractionSpec, in_dim: int, num_tasks: int, *, has_shared_gate: bool) -> Extraction:
    own, common = spec.num_task_experts, spec.num_shared_experts

    def experts(num: int, mlp: MLPSpec) -> Experts:
        return Experts(_mlp(in_dim, mlp) for _ in range(num))

    def gate(num: int) -> SoftmaxGate:
        return SoftmaxGate(MLP(in_dim, ()), num)

    return Extraction(
        [experts(own, spec.task_expert) for _ in range(num_tasks)],
        [gate(own + common) for _ in range(num_tasks)],
        shared_experts=experts(common, spec.shared_expert) if spec.shared_expert is not None else None,
        shared_gate=gate(num_tasks * own + common) if has_shared_gate else None,
    )


def _towers(spec: ModelSpec, in_dim: int) -> Towers:
    return Towers([partial(_tower, in_dim, task) for task in spec.tasks], spec.domain.num_towers if spec.domain else 1)


def _tower(in_dim: int, task: TaskSpec) -> Tower:
    return Tower(_mlp(in_dim, task.tower), task.num_class)


def _mlp(in_dim: int, spec: MLPSpec) -> MLP:
    return MLP(
        in_dim,
        spec.hidden_dims,
        activation=_ACTIVATIONS[spec.activation],
        normalization=spec.normalization.value,
        dropouts=spec.dropouts,
        bias=spec.bias,
    )


def _follows_paper(spec: TrunkSpec) -> bool:
    return isinstance(spec, PEPNetSpec) and spec.ppnet is not None and spec.ppnet.wiring is not Wiring.TZREC


def _xavier(module: nn.Module) -> None:
    """Fill every linear map with Xavier-uniform weights and zero biases."""
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.xavier_uniform_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


_ACTIVATIONS: dict[Activation, Callable[[], nn.Module]] = {
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

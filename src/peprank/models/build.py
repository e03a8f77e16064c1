"""From a plan to a network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn
from typing_extensions import assert_never

from peprank.errors import TrainingError
from peprank.models.layers import make_mlp
from peprank.models.ranker import MultiTaskRanker
from peprank.models.trunks import make_trunk
from peprank.nn import AutoDis, EmbeddingGroups, Field, PerDomain, Table, Tower, Towers
from peprank.nn.arena import Fill
from peprank.spec.embedding import AutoDisSpec, DenseEmbedding, GroupInput, InitSpec, LinearEmbeddingSpec, TableSpec
from peprank.spec.feature import Pooling
from peprank.spec.model import LinearInit, ModelSpec, TaskSpec
from peprank.spec.single_task import DeepFMSpec
from peprank.spec.trunk import PEPNetSpec, Wiring


def build(spec: ModelSpec, *, seed: int | None = None, with_tables: bool = True) -> MultiTaskRanker:
    """The network that a plan describes, with its first weights.

    Tables start from (seed, table name) alone, linear maps from what `linear_init` says: torch's own start, as the
    peer's do, or Xavier, as the paper's do. Build under `torch.device("meta")`
    for shapes without memory.

    Args:
        spec: the plan.
        seed: fixes all weights; None: drawn.
        with_tables: without, the tables take no memory until `MultiTaskRanker.adopt` brings their values.

    Raises:
        TrainingError: the memory does not hold them; names the largest tables.
    """
    drawn = seed if seed is not None else int(torch.empty((), dtype=torch.int64, device="cpu").random_(2**62))
    with torch.random.fork_rng(devices=[]), _in_memory(spec):
        torch.default_generator.manual_seed(drawn)
        embeddings = _embeddings(spec, drawn if with_tables else None)
        trunk = make_trunk(spec.trunk, spec)
        ranker = MultiTaskRanker(embeddings, trunk, _towers(spec, trunk.out_dim))
        if linear_init(spec) is LinearInit.XAVIER:
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
        rows = [spec.num_embedding_copies * table.rows for table in tables]
        largest = ", ".join(f"'{table.name}' {n:,} x {table.dim}" for table, n in zip(tables, rows, strict=True))
        raise TrainingError(
            f"the model is larger than the memory ({reason}); its largest tables are {largest}: "
            "lower their rows or embedding_dim, or the widths of its layers"
        ) from error


def _embeddings(spec: ModelSpec, seed: int | None) -> EmbeddingGroups:
    inputs = [item for group in spec.groups for item in group.inputs]
    num_copies = spec.num_embedding_copies
    return EmbeddingGroups(
        [_table(table) for table in spec.tables],
        {group.name: [_field(item) for item in group.inputs] for group in spec.groups},
        dense={item.weight_name: _dense(item.dense, item, num_copies) for item in inputs if item.dense is not None},
        num_domains=num_copies,
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
    dense = None if item.dense is None else item.weight_name
    return Field(feature=item.feature, dim=item.dim, table=item.table, dense=dense)


def _dense(spec: DenseEmbedding, item: GroupInput, num_copies: int) -> nn.Module:
    copies = [_dense_embedding(spec, item) for _ in range(num_copies)]
    return copies[0] if num_copies == 1 else PerDomain(copies)


def _dense_embedding(spec: DenseEmbedding, item: GroupInput) -> nn.Module:
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


def _towers(spec: ModelSpec, in_dim: int) -> Towers:
    has_offset = isinstance(spec.trunk, DeepFMSpec) and spec.trunk.final is None
    makers = [partial(_tower, in_dim, task, has_offset=has_offset) for task in spec.tasks]
    return Towers(makers, spec.domain.num_towers if spec.domain else 1)


def _tower(in_dim: int, task: TaskSpec, *, has_offset: bool) -> Tower:
    mlp = make_mlp(in_dim - 1 if has_offset else in_dim, task.tower)
    return Tower(mlp, task.num_class, bias=task.logit_bias, has_offset=has_offset)


def linear_init(spec: ModelSpec) -> LinearInit:
    """What the linear maps of a plan start from."""
    if spec.linear_init is not None:
        return spec.linear_init
    ppnet = spec.trunk.ppnet if isinstance(spec.trunk, PEPNetSpec) else None
    return LinearInit.TORCH if ppnet is None or ppnet.wiring is Wiring.TZREC else LinearInit.XAVIER


def _xavier(module: nn.Module) -> None:
    """Fill every linear map with Xavier-uniform weights and zero biases."""
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.xavier_uniform_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)

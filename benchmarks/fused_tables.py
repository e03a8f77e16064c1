"""fbgemm's fused embedding tables in place of ours, under the same network: an optional comparison.

`pip install --no-deps fbgemm-gpu-cpu==1.8.0` is what torch 2.13.0 loads.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from peprank.batch import Features
from peprank.models import MultiTaskRanker, build
from peprank.models.ranker import table_name
from peprank.nn.arena import Lookup
from peprank.spec.embedding import GroupSpec
from peprank.spec.model import ModelSpec
from peprank.spec.pipeline import PipelineSpec
from peprank.spec.train import SparseAdagrad
from peprank.training.batches import Batch
from peprank.training.loss import task_losses, total_loss
from peprank.training.optim import NetworkOptimizer

_TABLES = "fbgemm_gpu.split_table_batched_embeddings_ops_training"


def is_installed() -> bool:
    """Whether fbgemm can be imported."""
    return find_spec("fbgemm_gpu") is not None


class FusedTables(nn.Module):
    """All tables of a plan in one fbgemm operator; their Adagrad update is part of the backward pass.

    Args:
        spec: every feature has one id per row, none missing, and every table the plan's width or its own.
        lr: learning rate of the tables.

    Shapes: Features of B rows -> {group: float [B, D_g]}.
    """

    def __init__(self, spec: ModelSpec, *, lr: float) -> None:
        super().__init__()
        fbgemm = import_module(_TABLES)
        self._groups = spec.groups
        self._lookups = tuple(dict.fromkeys(_lookups(spec.groups)))
        places = {table.name: k for k, table in enumerate(spec.tables)}
        widths = {table.name: table.dim for table in spec.tables}
        self._widths = [widths[lookup.table] for lookup in self._lookups]
        self._names = [table.name for table in spec.tables]
        on_host = (fbgemm.EmbeddingLocation.HOST, fbgemm.ComputeDevice.CPU)
        self.tables = fbgemm.SplitTableBatchedEmbeddingBagsCodegen(
            [(table.rows, table.dim, *on_host) for table in spec.tables],
            feature_table_map=[places[lookup.table] for lookup in self._lookups],
            optimizer=import_module("fbgemm_gpu.split_embedding_configs").EmbOptimType.EXACT_ADAGRAD,
            learning_rate=lr,
            eps=1e-8,
        )

    def forward(self, features: Features) -> dict[str, Tensor]:
        """One tensor [B, D_g] per group."""
        ids = torch.cat([features.ids[lookup.feature].values for lookup in self._lookups])  # [F * B]
        vectors: Tensor = self.tables(ids, torch.arange(len(ids) + 1))  # [B, sum of widths]
        columns = dict(zip(self._lookups, torch.split(vectors, self._widths, dim=1), strict=True))
        return {group.name: torch.cat([columns[k] for k in _lookups([group])], dim=1) for group in self._groups}

    def take_weights(self, ranker: MultiTaskRanker) -> None:
        """Copy the tables of our network of the same plan."""
        weights = ranker.weights()
        for name, rows in self.weights().items():
            rows.copy_(weights[table_name(name)])

    def weights(self) -> dict[str, Tensor]:
        """Views of the tables, by name."""
        return dict(zip(self._names, self.tables.split_embedding_weights(), strict=True))


class FusedTraining:
    """Our network and training step over fbgemm's tables; the plan's tables learn by Adagrad.

    Args:
        spec: the plan.
        bf16: compute the network under autocast.
    """

    def __init__(self, spec: PipelineSpec, *, bf16: bool = False) -> None:
        rule = spec.train.sparse.rule
        if not isinstance(rule, SparseAdagrad):
            raise ValueError(f"{type(rule).__name__}: the fused tables are compared under Adagrad only")
        self.ranker = build(spec.model, seed=spec.train.seed).train()
        self.tables = FusedTables(spec.model, lr=rule.lr)
        self.tables.take_weights(self.ranker)
        self.ranker.embeddings = self.tables  # type: ignore[assignment]  # the place that a sharded engine may take
        dense = [(n, value) for n, value in self.ranker.named_parameters() if not n.startswith("embeddings.")]
        self._network = NetworkOptimizer(dense, spec.train.dense)
        self._spec, self._bf16 = spec.model, bf16

    def update(self, batch: Batch) -> float:
        """One update; returns the loss."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self._bf16):
            logits: Any = self.ranker(batch.features)
        loss = total_loss(task_losses(logits, batch.targets, self._spec))
        loss.backward()  # type: ignore[no-untyped-call]
        self._network.step(step=0, epoch=0)
        return loss.item()


def _lookups(groups: Iterable[GroupSpec]) -> list[Lookup]:
    return [Lookup(item.feature, str(item.table)) for group in groups for item in group.inputs]

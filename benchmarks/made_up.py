"""Plans and encoded batches of any size: a PEPNet like the workload's, one quantity of which can be changed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from peprank.batch import Features, Ids, Targets
from peprank.spec.embedding import GroupInput, GroupSpec, TableSpec
from peprank.spec.feature import Identity, IdFeature
from peprank.spec.mlp import MLPSpec
from peprank.spec.model import DomainSpec, ModelSpec, TaskSpec
from peprank.spec.pipeline import DataSpec, PipelineSpec
from peprank.spec.train import (
    Adam,
    DenseOptimizer,
    EvalSpec,
    ExportSpec,
    Precision,
    SparseAdagrad,
    SparseOptimizer,
    TrainSpec,
)
from peprank.spec.trunk import EPNetSpec, PEPNetSpec, PPNetSpec, Wiring
from peprank.training.batches import Batch

DOMAIN = "domain"
_STRIDE = 7919  # scatters the ids that occur often over their table
_SKEW = 3  # an id is (uniform number)^3 x rows: the first hundredth of the ids makes a fifth of the lookups


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The quantities that decide what a training step costs; the defaults are near those of the workload."""

    batch_rows: int = 4096
    num_features: int = 16  # the domain's among them
    embedding_dim: int = 16
    table_rows: int = 750_000  # of all tables together
    num_tasks: int = 2
    num_domains: int = 3  # each with a tower of its own for each task
    hidden_dims: tuple[int, ...] = (512, 256)  # PPNet's
    tower_dims: tuple[int, ...] = (256, 128, 64)

    @property
    def rows_per_table(self) -> int:
        """Of each feature but the domain."""
        return max(1, self.table_rows // (self.num_features - 1))


def plan(shape: Shape) -> PipelineSpec:
    """A plan in the wiring TZREC, trained in float32 with Adagrad on the tables and Adam on the rest."""
    rows = {DOMAIN: shape.num_domains} | {f"f{k}": shape.rows_per_table for k in range(1, shape.num_features)}
    inputs = tuple(GroupInput(feature=name, dim=shape.embedding_dim, table=name) for name in rows)
    prior = inputs[1 : max(2, shape.num_features - 2)]  # the workload's leaves out the domain and two more
    return PipelineSpec(
        train_inputs=(),
        eval_inputs=(),
        model_dir="",
        data=DataSpec(batch_rows=shape.batch_rows),
        features=tuple(IdFeature(name=name, column=name, rule=Identity(rows=num)) for name, num in rows.items()),
        model=ModelSpec(
            tables=tuple(TableSpec(name=name, rows=num, dim=shape.embedding_dim) for name, num in rows.items()),
            groups=(
                GroupSpec(name="all", inputs=inputs),
                GroupSpec(name="domain", inputs=inputs[:1]),
                GroupSpec(name="uia", inputs=prior),
            ),
            trunk=PEPNetSpec(
                main_group="all",
                epnet=EPNetSpec(group="domain"),
                ppnet=PPNetSpec(
                    group="uia",
                    hidden_dims=shape.hidden_dims,
                    dropouts=(0.1,) * len(shape.hidden_dims),
                    wiring=Wiring.TZREC,
                ),
            ),
            tasks=tuple(
                TaskSpec(name=f"t{k}", label=f"t{k}", tower=MLPSpec(hidden_dims=shape.tower_dims))
                for k in range(shape.num_tasks)
            ),
            domain=DomainSpec(feature=DOMAIN, num_domains=shape.num_domains, num_towers=shape.num_domains),
        ),
        train=TrainSpec(
            sparse=SparseOptimizer(rule=SparseAdagrad()),
            dense=DenseOptimizer(rule=Adam()),
            num_epochs=1,
            precision=Precision.FLOAT32,
        ),
        evaluation=EvalSpec(),
        export=ExportSpec(),
    )


def batches(shape: Shape, num: int, *, seed: int = 1) -> list[Batch]:
    """Encoded batches of `plan(shape)`: few ids occur often, as in a log; domains and labels are drawn evenly."""
    draw = np.random.default_rng(seed)
    return [_batch(shape, draw) for _ in range(num)]


def _batch(shape: Shape, draw: np.random.Generator) -> Batch:
    num, rows = shape.batch_rows, shape.rows_per_table
    domain = draw.integers(0, shape.num_domains, num)
    ids = (draw.random((shape.num_features - 1, num)) ** _SKEW * rows).astype(np.int64) * _STRIDE % rows
    block = torch.from_numpy(np.vstack([domain[None], ids]))  # one block, as the encoder makes
    names = [DOMAIN, *(f"f{k}" for k in range(1, shape.num_features))]
    labels = (draw.random((num, shape.num_tasks)) < 0.2).astype(np.float32)
    return Batch(
        Features(
            num_rows=num,
            ids={name: Ids(values) for name, values in zip(names, block.unbind(0), strict=True)},
            numbers={},
            domain=torch.from_numpy(domain),
        ),
        Targets(labels=torch.from_numpy(labels), weights=torch.ones(num, shape.num_tasks), keys={}),
    )

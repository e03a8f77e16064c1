"""A small plan and made-up rows of its schema, for whole runs in about a second."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from peprank.evaluation import Results
from peprank.spec.embedding import GroupInput, GroupSpec, TableSpec
from peprank.spec.feature import Hashed, Identity, IdFeature, RawFeature
from peprank.spec.mlp import MLPSpec
from peprank.spec.model import DomainSpec, MetricKind, MetricSpec, ModelSpec, TaskSpace, TaskSpec
from peprank.spec.pipeline import DataSpec, PipelineSpec
from peprank.spec.train import (
    Adam,
    DenseOptimizer,
    EvalSpec,
    ExponentialDecayLR,
    ExportSpec,
    Precision,
    SparseAdagrad,
    SparseOptimizer,
    TrainSpec,
)
from peprank.spec.trunk import EPNetSpec, PEPNetSpec, PPNetSpec
from peprank.training import TrainResult

ROWS, BATCH = 640, 64  # ten steps an epoch
USERS = 50


def make_rows(seed: int, num_rows: int = ROWS) -> pa.Table:
    """Rows whose labels depend on user, item and domain."""
    draw = np.random.default_rng(seed)
    user, item, domain = (
        draw.integers(0, USERS, num_rows),
        draw.integers(0, 400, num_rows),
        draw.integers(0, 3, num_rows),
    )
    price = draw.normal(size=num_rows).astype(np.float32)
    click = draw.random(num_rows) < 1 / (1 + np.exp(-np.sin(user) - np.cos(item) - price))
    buy = click & (draw.random(num_rows) < 0.4)
    tags = [draw.integers(0, 20, draw.integers(0, 4)).tolist() for _ in range(num_rows)]
    return pa.table(
        {
            "user": user,
            "item": [f"item-{k}" for k in item],
            "domain": domain,
            "tags": pa.array(tags, pa.list_(pa.int64())),
            "price": price,
            "clk": click.astype(np.int64),
            "buy": buy.astype(np.int64),
        }
    )


def make_files(directory: Path) -> None:
    """Two training files of several row groups, and one to judge by."""
    directory.mkdir(parents=True, exist_ok=True)
    rows = make_rows(1)
    pq.write_table(rows.slice(0, 400), directory / "train-0.parquet", row_group_size=150)
    pq.write_table(rows.slice(400), directory / "train-1.parquet", row_group_size=150)
    pq.write_table(make_rows(2, 200), directory / "val.parquet")


def make_plan(directory: Path, *, epochs: int = 2, judged: bool = True, **changes: Any) -> PipelineSpec:
    """A PEPNet with dropout and domain towers over the files of `make_files`; `changes` are fields of TrainSpec."""
    train = TrainSpec(
        sparse=SparseOptimizer(rule=SparseAdagrad(lr=0.05)),
        dense=DenseOptimizer(rule=Adam(lr=0.01), schedule=ExponentialDecayLR(decay_size=4, decay_factor=0.9)),
        num_epochs=epochs,
        checkpoint_every_steps=4,
        log_every_steps=3,
        use_tensorboard=False,
        precision=Precision.FLOAT32,
        seed=7,
    )
    return PipelineSpec(
        train_inputs=(str(directory / "train-*.parquet"),),
        eval_inputs=(str(directory / "val.parquet"),) if judged else (),
        model_dir=str(directory / "model"),
        data=DataSpec(batch_rows=BATCH, shuffle=True, shuffle_batches=3, num_threads=2),
        features=(
            IdFeature(name="user", column="user", rule=Identity(rows=USERS)),
            IdFeature(name="item", column="item", rule=Hashed(rows=300)),
            IdFeature(name="domain", column="domain", rule=Identity(rows=3)),
            IdFeature(name="tags", column="tags", rule=Identity(rows=20)),
            RawFeature(name="price", column="price"),
        ),
        model=make_model(),
        train=replace(train, **changes),
        evaluation=EvalSpec(gauc_feature="user"),
        export=ExportSpec(),
    )


def make_model() -> ModelSpec:
    """Two tasks, three domains, tables of two widths."""
    tables = {"user": (USERS, 8), "item": (300, 8), "domain": (3, 4), "tags": (20, 4)}

    def group(name: str, *features: str) -> GroupSpec:
        inputs = [
            GroupInput(feature=f, dim=tables[f][1], table=f"{f}_emb") if f in tables else GroupInput(feature=f, dim=1)
            for f in features
        ]
        return GroupSpec(name=name, inputs=tuple(inputs))

    tower = MLPSpec(hidden_dims=(8,), dropouts=(0.1,))
    watched = MetricSpec(kind=MetricKind.AUC, decay_rate=0.5, decay_step=2)
    return ModelSpec(
        tables=tuple(TableSpec(name=f"{f}_emb", rows=rows, dim=dim) for f, (rows, dim) in tables.items()),
        groups=(
            group("all", "user", "item", "domain", "tags", "price"),
            group("domain", "domain"),
            group("uia", "user", "item"),
        ),
        trunk=PEPNetSpec(
            main_group="all",
            epnet=EPNetSpec(group="domain"),
            ppnet=PPNetSpec(group="uia", hidden_dims=(16, 8), dropouts=(0.1, 0.1)),
        ),
        tasks=(
            TaskSpec(name="ctr", label="clk", tower=tower, train_metrics=(watched,)),
            TaskSpec(name="cvr", label="buy", tower=tower, space=TaskSpace(label="clk", out_weight=0.0)),
        ),
        domain=DomainSpec(feature="domain", num_domains=3, num_towers=3),
    )


def digests(model_dir: Path, step: int) -> dict[str, str]:
    """SHA-256 of everything in a checkpoint, and of metrics.jsonl."""
    files = [*sorted((model_dir / "checkpoints" / f"step-{step}").iterdir()), model_dir / "metrics.jsonl"]
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@dataclass
class Recorder:
    """A listener that keeps what it is told."""

    steps: list[int] = field(default_factory=list)
    losses: list[dict[str, float]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    saved_steps: list[int] = field(default_factory=list)
    judged_steps: list[int] = field(default_factory=list)
    watched_values: list[dict[str, float]] = field(default_factory=list)
    first_step: int | None = None
    planned: int | None = None
    result: TrainResult | None = None

    def started(self, step: int, num_steps: int | None) -> None:
        self.first_step, self.planned = step, num_steps

    def step(self, step: int, losses: Any, rows_per_s: float, lr: float) -> None:
        assert rows_per_s > 0
        assert lr > 0
        self.steps.append(step)
        self.losses.append(dict(losses))

    def watched(self, step: int, metrics: Any) -> None:
        assert step == self.steps[-1]
        self.watched_values.append(dict(metrics))

    def evaluated(self, step: int, results: Results) -> None:
        assert results.rows > 0
        self.judged_steps.append(step)

    def saved(self, step: int, path: Path) -> None:
        assert path.name == f"step-{step}"
        self.saved_steps.append(step)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def finished(self, result: TrainResult) -> None:
        self.result = result

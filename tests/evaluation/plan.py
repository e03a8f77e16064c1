"""A small plan, and evaluations of a few rows under it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from peprank.evaluation import Evaluation, Results
from peprank.spec.embedding import GroupInput, GroupSpec, TableSpec
from peprank.spec.feature import FeatureSpec, Identity, IdFeature
from peprank.spec.model import DomainSpec, ModelSpec, TaskSpace, TaskSpec
from peprank.spec.pipeline import DataSpec, PipelineSpec
from peprank.spec.train import SGD, DenseOptimizer, EvalSpec, ExportSpec, SparseOptimizer, SparseSGD, TrainSpec
from peprank.spec.trunk import PEPNetSpec

CLICK = TaskSpec(name="ctr", label="click")
BUY = TaskSpec(name="cvr", label="buy", space=TaskSpace(label="click"))
USER = IdFeature(name="user_id", column="user", rule=Identity(rows=100))
TAB = IdFeature(name="tab_id", column="tab", rule=Identity(rows=10))


def plan(
    *tasks: TaskSpec,
    gauc_feature: str | None = "user_id",
    domain: FeatureSpec | None = TAB,
    num_steps: int | None = None,
    num_towers: int = 1,
    default_domain: str | None = None,
) -> PipelineSpec:
    """One group of the domain and the user."""
    features = [feature for feature in (USER, domain) if feature is not None]
    inputs = tuple(GroupInput(feature=feature.name, dim=4, table=feature.name) for feature in features)
    return PipelineSpec(
        train_inputs=(),
        eval_inputs=(),
        model_dir="",
        data=DataSpec(),
        features=tuple(features),
        model=ModelSpec(
            tables=tuple(TableSpec(name=feature.name, rows=feature.rows, dim=4) for feature in features),
            groups=(GroupSpec(name="all", inputs=inputs),),
            trunk=PEPNetSpec(main_group="all"),
            tasks=tasks or (CLICK,),
            domain=_domain(domain, num_towers, default_domain) if domain is not None else None,
        ),
        train=TrainSpec(sparse=SparseOptimizer(rule=SparseSGD()), dense=DenseOptimizer(rule=SGD()), num_epochs=1),
        evaluation=EvalSpec(gauc_feature=gauc_feature, num_steps=num_steps),
        export=ExportSpec(),
    )


def _domain(feature: FeatureSpec, num_towers: int, default: str | None) -> DomainSpec:
    return DomainSpec(feature=feature.name, num_domains=feature.rows, num_towers=num_towers, default=default)


def judged(
    spec: PipelineSpec,
    logits: Sequence[Sequence[float]],
    labels: Sequence[Sequence[float]],
    *,
    users: Sequence[int] | None = None,
    spaces: dict[str, Sequence[bool]] | None = None,
    by: str | None = None,
    batch_rows: int = 1000,
    **columns: Any,
) -> Results:
    """Results of an evaluation fed with these rows, `batch_rows` at a time; `columns` hold the domain and others."""
    num_rows = len(labels)
    rows = pa.RecordBatch.from_pydict({"row": range(num_rows), "tab": [0] * num_rows, **columns})
    keys = np.array(range(num_rows) if users is None else users, np.int64)
    inside = {task: np.array(mask, bool) for task, mask in (spaces or {}).items()}
    x = np.reshape(np.array(logits, np.float32), (num_rows, spec.model.logit_slices[-1].stop))
    y = np.reshape(np.array(labels, np.float32), (num_rows, spec.model.num_tasks))
    evaluation = Evaluation(spec, by=by)
    for start in range(0, num_rows, batch_rows):
        part = slice(start, start + batch_rows)
        evaluation.add(
            rows.slice(start, batch_rows),
            x[part],
            y[part],
            {"user_id": keys[part]},
            {task: mask[part] for task, mask in inside.items()},
        )
    return evaluation.result()


def column_of(values: Sequence[float]) -> list[list[float]]:
    """One task's values as rows of one."""
    return [[value] for value in values]

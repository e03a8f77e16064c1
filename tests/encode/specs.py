"""Plans built by hand: features in one group, one task, the rest at its default."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from peprank.encode import Encoder
from peprank.spec.embedding import GroupInput, GroupSpec
from peprank.spec.feature import FeatureSpec, Identity, IdFeature, IdRule, RawFeature
from peprank.spec.model import DomainSpec, ModelSpec, TaskSpec
from peprank.spec.pipeline import DataSpec, PipelineSpec
from peprank.spec.train import Adam, DenseOptimizer, EvalSpec, ExportSpec, SparseAdagrad, SparseOptimizer, TrainSpec
from peprank.spec.trunk import PEPNetSpec

COLUMN = "c"


def id_feature(rule: IdRule | None = None, name: str = "f", **fields: Any) -> IdFeature:
    return IdFeature(**{"name": name, "column": COLUMN, "rule": rule or Identity(rows=100), **fields})


def raw_feature(name: str = "f", **fields: Any) -> RawFeature:
    return RawFeature(**{"name": name, "column": COLUMN, **fields})


def pipeline(
    *features: FeatureSpec,
    tasks: tuple[TaskSpec, ...] = (TaskSpec(name="ctr", label="clk"),),
    domain: DomainSpec | None = None,
    gauc_feature: str | None = None,
    inputs: tuple[str, ...] | None = None,
) -> PipelineSpec:
    """A plan whose one group holds the features called `inputs` (default: all)."""
    names = tuple(feature.name for feature in features) if inputs is None else inputs
    group = GroupSpec(name="all", inputs=tuple(GroupInput(feature=name, dim=4, table=name) for name in names))
    return PipelineSpec(
        train_inputs=(),
        eval_inputs=(),
        model_dir="",
        data=DataSpec(),
        features=features,
        model=ModelSpec(tables=(), groups=(group,), trunk=PEPNetSpec(main_group="all"), tasks=tasks, domain=domain),
        train=TrainSpec(sparse=SparseOptimizer(rule=SparseAdagrad()), dense=DenseOptimizer(rule=Adam()), num_epochs=1),
        evaluation=EvalSpec(gauc_feature=gauc_feature),
        export=ExportSpec(),
    )


def encoder(*features: FeatureSpec, **fields: Any) -> Encoder:
    return Encoder(pipeline(*features, **fields))


def rows(**columns: Any) -> pa.RecordBatch:
    """A batch from Arrow arrays or Python lists."""
    arrays = {name: v if isinstance(v, pa.Array) else pa.array(v) for name, v in columns.items()}
    return pa.RecordBatch.from_pydict(arrays)

"""A small plan that the tests of this room read rows for."""

from __future__ import annotations

from dataclasses import replace

from peprank.spec.embedding import GroupInput, GroupSpec, TableSpec
from peprank.spec.feature import FeatureSpec, Hashed, Identity, IdFeature, RawFeature
from peprank.spec.model import L2, DomainSpec, ModelSpec, SoftmaxCrossEntropy, TaskSpace, TaskSpec
from peprank.spec.pipeline import DataSpec, PipelineSpec
from peprank.spec.train import SGD, DenseOptimizer, EvalSpec, ExportSpec, SparseOptimizer, SparseSGD, TrainSpec
from peprank.spec.trunk import PEPNetSpec

CLICK = TaskSpec(name="ctr", label="click")
BUY = TaskSpec(name="cvr", label="buy", sample_weight="weight", space=TaskSpace(label="click"))
STARS = TaskSpec(name="rating", label="stars", num_class=5, losses=(SoftmaxCrossEntropy(),))
WATCH = TaskSpec(name="watch", label="seconds", losses=(L2(),))

FEATURES: tuple[FeatureSpec, ...] = (
    IdFeature(name="user_id", column="user", rule=Hashed(rows=100)),  # a key of metrics only
    IdFeature(name="item_id", column="item", rule=Hashed(rows=100)),
    RawFeature(name="price", column="price"),
    RawFeature(name="scores", column="scores", value_dim=4),
    RawFeature(name="age", column="age", boundaries=(1.0, 2.0), is_bucketized=True),
    IdFeature(name="tab", column="tab", rule=Identity(rows=3)),  # the domain, in no group
)


def plan(*tasks: TaskSpec, data: DataSpec | None = None) -> PipelineSpec:
    """One group of item_id, price, scores and age; tab is the domain, user_id the key of GAUC."""
    inputs = (
        GroupInput(feature="item_id", dim=4, table="item_id_emb"),
        GroupInput(feature="price", dim=1),
        GroupInput(feature="scores", dim=4),
        GroupInput(feature="age", dim=4, table="age_emb"),
    )
    model = ModelSpec(
        tables=(TableSpec(name="item_id_emb", rows=100, dim=4), TableSpec(name="age_emb", rows=3, dim=4)),
        groups=(GroupSpec(name="all", inputs=inputs),),
        trunk=PEPNetSpec(main_group="all"),
        tasks=tasks or (CLICK,),
        domain=DomainSpec(feature="tab", num_domains=3),
    )
    return PipelineSpec(
        train_inputs=(),
        eval_inputs=(),
        model_dir="",
        data=replace(data or DataSpec(), num_threads=2),
        features=FEATURES,
        model=model,
        train=TrainSpec(sparse=SparseOptimizer(rule=SparseSGD()), dense=DenseOptimizer(rule=SGD()), num_epochs=1),
        evaluation=EvalSpec(gauc_feature="user_id"),
        export=ExportSpec(),
    )

"""Golden plans of the two configs that users bring, and what the plan keeps of the rest of the file."""

import subprocess
import sys
from dataclasses import replace

import pytest

from peprank.config import Lowered, load, lower, parse
from peprank.errors import ConfigError
from peprank.spec.embedding import GroupInput, TableSpec
from peprank.spec.feature import Hashed, Identity, IdFeature, RawFeature, Side
from peprank.spec.mlp import MLPSpec, Normalization
from peprank.spec.model import (
    JRC,
    L2,
    BinaryCrossEntropy,
    DomainSpec,
    LinearInit,
    MetricKind,
    MetricSpec,
    SoftmaxCrossEntropy,
    TaskSpace,
    TaskSpec,
)
from peprank.spec.pipeline import CsvSpec, DataSpec, FileFormat
from peprank.spec.train import (
    Adagrad,
    Adam,
    Clipping,
    ConstantLR,
    CosineAnnealingLR,
    DenseOptimizer,
    EarlyStopping,
    EvalSpec,
    ExponentialDecayLR,
    ExportSpec,
    GradClipping,
    ManualStepLR,
    PartOptimizer,
    Precision,
    RowWiseAdagrad,
    SparseAdagrad,
    SparseAdam,
    SparseOptimizer,
    SparseRule,
    WeightDecayMode,
)
from peprank.spec.trunk import EPNetGate, EPNetSpec, PEPNetSpec, PPNetSpec, Wiring
from tests.config.base import BASE, changed
from tests.shared import SHARED, needs_shared

CONFIGS = SHARED / "fixtures" / "configs"
LOCAL = ("train_input_path=data/train.parquet,more/*.parquet", "eval_input_path=data/eval.parquet")


def plan(text: str, *overrides: str) -> Lowered:
    return lower(parse(text, "pipeline.config", overrides))


@pytest.fixture(scope="module")
def taobao() -> Lowered:
    return load(CONFIGS / "pepnet_taobao.config", LOCAL)


@pytest.fixture(scope="module")
def doc() -> Lowered:
    return load(CONFIGS / "pepnet_doc_full.config")


def pepnet_of(lowered: Lowered) -> PEPNetSpec:
    assert isinstance(lowered.spec.model.trunk, PEPNetSpec)
    return lowered.spec.model.trunk


@needs_shared
def test_taobao_has_the_tables_of_the_peer(taobao: Lowered) -> None:
    model = taobao.spec.model
    assert sum(table.rows * table.dim for table in model.tables) == 50_281_232
    assert [table.name for table in model.tables][:2] == ["user_id_emb", "cms_segid_emb"]
    assert model.tables[0] == TableSpec(name="user_id_emb", rows=1_141_730, dim=16)
    assert {group.name: (len(group.inputs), group.dim) for group in model.groups} == {
        "all": (16, 256),
        "domain": (1, 16),
        "uia": (13, 208),
    }
    assert model.groups[1].inputs == (GroupInput(feature="occupation", dim=16, table="occupation_emb"),)


@needs_shared
def test_taobao_has_the_network_of_the_peer(taobao: Lowered) -> None:
    trunk = pepnet_of(taobao)
    assert trunk.ppnet is not None
    assert trunk.ppnet.dropouts == pytest.approx((0.1, 0.1), abs=1e-7)
    assert replace(trunk, ppnet=replace(trunk.ppnet, dropouts=())) == PEPNetSpec(
        main_group="all",
        epnet=EPNetSpec(group="domain", hidden_dim=None, gamma=2.0, gate=EPNetGate.ELEMENT),
        ppnet=PPNetSpec(group="uia", hidden_dims=(512, 256), gamma=2.0, wiring=Wiring.TZREC),
    )
    assert taobao.spec.model.domain == DomainSpec(feature="occupation", num_domains=3, num_towers=3)
    tower = MLPSpec(hidden_dims=(256, 128, 64))
    assert taobao.spec.model.tasks == (
        TaskSpec(name="ctr", label="clk", tower=tower, metrics=(MetricSpec(kind=MetricKind.AUC),)),
        TaskSpec(
            name="cvr",
            label="buy",
            tower=tower,
            metrics=(MetricSpec(kind=MetricKind.AUC, thresholds=1000),),
            space=TaskSpace(label="clk", in_weight=1.0, out_weight=0.0),
        ),
    )


@needs_shared
def test_taobao_runs_from_files_once_its_paths_are_overridden(taobao: Lowered) -> None:
    spec = taobao.spec
    assert spec.train_inputs == ("data/train.parquet", "more/*.parquet")
    assert spec.eval_inputs == ("data/eval.parquet",)
    assert spec.data == DataSpec(batch_rows=8192, num_threads=8)
    assert (spec.train.num_epochs, spec.train.checkpoint_every_steps, spec.train.seed) == (1, 1000, 42)
    assert isinstance(spec.train.sparse.rule, SparseAdagrad)
    assert spec.train.sparse.rule.lr == pytest.approx(0.001)
    assert isinstance(spec.train.dense.rule, Adam)
    assert spec.evaluation == EvalSpec(gauc_feature="user_id")
    assert spec.export == ExportSpec()
    assert [str(problem).partition("  ")[2] for problem in taobao.warnings] == [
        "data_config.dataset_type = OdpsDataset: the inputs are files and are read as ParquetDataset; "
        "write dataset_type: ParquetDataset"
    ]


@needs_shared
def test_taobao_as_shipped_says_how_to_name_files() -> None:
    with pytest.raises(ConfigError) as caught:
        load(CONFIGS / "pepnet_taobao.config")
    assert [(problem.path, problem.line) for problem in caught.value.problems] == [
        ("train_input_path", 1),
        ("eval_input_path", 2),
    ]
    assert "--train-input data/*.parquet" in caught.value.problems[0].message


@needs_shared
def test_taobao_features_read_the_columns_of_their_expressions(taobao: Lowered) -> None:
    assert taobao.spec.feature("adgroup_id") == IdFeature(
        name="adgroup_id", column="adgroup_id", side=Side.ITEM, rule=Identity(rows=846_812)
    )
    assert taobao.spec.feature("pid") == IdFeature(name="pid", column="pid", side=Side.CONTEXT, rule=Hashed(rows=20))
    price = taobao.spec.feature("price")
    assert isinstance(price, RawFeature)
    assert (price.rows, price.column, price.default, price.is_bucketized) == (99, "price", (0.0,), False)


@needs_shared
def test_the_doc_example_lowers_with_a_warning_for_each_old_name(doc: Lowered) -> None:
    assert [(problem.line, problem.path.rpartition(".")[2], problem.message) for problem in doc.warnings] == [
        (14, "fg_encoded", "is an old name; write fg_mode: FG_DAG"),
        (56, "wide_deep", "is the old name; write group_type"),
        (61, "wide_deep", "is the old name; write group_type"),
        (67, "wide_deep", "is the old name; write group_type"),
    ]
    assert doc.assets == {}


@needs_shared
def test_the_doc_example_means_what_its_page_says(doc: Lowered) -> None:
    spec = doc.spec
    assert spec.train_inputs == ("data/train/*.parquet",)
    assert {group.name: group.dim for group in spec.model.groups} == {"all": 272, "domain": 16, "uia": 32}
    assert pepnet_of(doc).epnet == EPNetSpec(group="domain", hidden_dim=128)
    assert spec.model.domain == DomainSpec(feature="occupation", num_domains=3)
    assert spec.feature("tag_brand_list") == IdFeature(
        name="tag_brand_list", column="tag_brand_list", rule=Hashed(rows=100_000), separator="|"
    )
    assert [(task.name, task.label, task.space) for task in spec.model.tasks] == [
        ("ctr", "clk", None),
        ("cvr", "buy", None),
    ]


def test_lowering_needs_no_torch() -> None:
    code = "import sys, peprank.config; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_feature_that_nobody_reads_is_left_out_with_a_warning() -> None:
    lowered = plan(changed('"price", "age"]', '"age"]'))
    assert [feature.name for feature in lowered.spec.features] == ["user_id", "item", "tab", "age"]
    assert [str(problem) for problem in lowered.warnings] == [
        'pipeline.config:53:5  feature_configs[3].raw_feature.feature_name = "price": '
        "no feature group, metric, loss or domain reads this feature; it is left out"
    ]


def test_a_feature_that_only_groups_rows_is_kept_and_needs_no_width() -> None:
    text = BASE.replace('"user_id", "item"', '"item"').replace("    hash_bucket_size: 100\n    embedding_dim: 8\n", "")
    text = text.replace('expression: "user:uid"', 'expression: "user:uid"\n    hash_bucket_size: 100')
    lowered = plan(text)
    assert lowered.warnings == ()
    assert [feature.name for feature in lowered.spec.key_features] == ["user_id"]
    assert all(table.name != "user_id_emb" for table in lowered.spec.model.tables)


def test_a_missing_domain_or_uia_group_leaves_out_its_half() -> None:
    text = BASE[: BASE.index('  feature_groups {\n    group_name: "domain"')] + BASE[BASE.index("  pepnet {") :]
    text = text.replace('    domain_input_name: "tab"\n    task_domain_num: 3\n', "")
    lowered = plan(text)
    assert lowered.spec.model.trunk == PEPNetSpec(main_group="all")
    assert lowered.spec.model.domain is None
    assert [problem.path.rpartition(".")[2] for problem in lowered.warnings] == [
        "ppnet_hidden_units",
        "ppnet_dropout_ratio",
    ]
    assert lowered.warnings[0].message == (
        "has no effect: without a feature group 'uia' PPNet is left out; add one, or uia_group_name"
    )


def test_groups_may_have_any_name() -> None:
    text = BASE.replace('group_name: "all"', 'group_name: "main"').replace(
        'group_name: "domain"', 'group_name: "where"'
    )
    text = text.replace('group_name: "uia"', 'group_name: "who"')
    names = 'pepnet {\n    main_group_name: "main" domain_group_name: "where" uia_group_name: "who"'
    trunk = pepnet_of(plan(text.replace("pepnet {", names)))
    assert trunk.epnet is not None
    assert trunk.ppnet is not None
    assert (trunk.main_group, trunk.epnet.group, trunk.ppnet.group) == ("main", "where", "who")


def test_a_group_that_pepnet_does_not_read_gets_a_warning() -> None:
    extra = 'feature_groups { group_name: "uiaa" feature_names: "item" }\n  pepnet {'
    (problem,) = plan(changed("pepnet {", extra)).warnings
    assert problem.message == "no part of pepnet reads this group (did you mean 'uia'?); it is left out"


@pytest.mark.parametrize("wiring", ["PAPER", "HIDDEN_ONLY"])
def test_the_papers_wirings_are_lowered_with_their_gate_width(wiring: str) -> None:
    text = changed("task_domain_num: 3", f"wiring: {wiring} ppnet_gate_hidden_unit: 5 epnet_gate: FIELD")
    trunk = pepnet_of(plan(text.replace("mlp { hidden_units: [8, 4] }", "")))
    assert trunk.epnet is not None
    assert trunk.ppnet is not None
    assert (trunk.ppnet.wiring, trunk.ppnet.gate_hidden_dim) == (Wiring(wiring), 5)
    assert trunk.epnet.gate is EPNetGate.FIELD


def test_the_domain_is_the_first_feature_of_the_domain_group_unless_the_file_says_otherwise() -> None:
    unnamed = changed('    domain_input_name: "tab"\n    task_domain_num: 3\n', "")
    assert plan(unnamed).spec.model.domain == DomainSpec(feature="tab", num_domains=3)
    named = unnamed.replace("model_config {", 'model_config {\n  domain_feature: "item" default_domain: "7"')
    assert plan(named).spec.model.domain == DomainSpec(feature="item", num_domains=50, default="7")


def test_what_linear_maps_start_from_is_up_to_the_model_unless_the_file_says_otherwise() -> None:
    assert plan(BASE).spec.model.linear_init is None
    xavier = changed("model_config {", "model_config {\n  linear_init: XAVIER")
    assert plan(xavier).spec.model.linear_init is LinearInit.XAVIER


def test_domain_input_name_may_be_the_column_of_a_feature() -> None:
    text = BASE.replace('"context:tab"', '"context:tab_id"').replace('input_name: "tab"', 'input_name: "tab_id"')
    assert plan(text).spec.model.domain == DomainSpec(feature="tab", num_domains=3, num_towers=3)


def test_domain_towers_without_domain_input_name_get_a_warning_because_the_peer_ignores_them() -> None:
    (problem,) = plan(changed('    domain_input_name: "tab"\n', "")).warnings
    assert "TorchEasyRec ignores this field without domain_input_name" in problem.message


def test_losses_and_metrics_arrive_whole() -> None:
    losses = "num_class: 2 losses { softmax_cross_entropy { label_smoothing: 0.25 } }"
    jrc = 'losses { jrc_loss { session_name: "item" } }'
    metrics = "metrics { accuracy { threshold: 0.25 } } metrics { multiclass_auc { average: 'weighted' } }"
    train = "train_metrics { auc {} decay_rate: 0.5 decay_step: 10 }"
    text = changed("losses { binary_cross_entropy {} }\n      metrics { auc {} }", f"{losses} {jrc} {metrics} {train}")
    task = plan(text).spec.model.tasks[0]
    assert task.losses == (SoftmaxCrossEntropy(label_smoothing=0.25), JRC(session="item"))
    assert task.metrics == (
        MetricSpec(kind=MetricKind.ACCURACY, threshold=0.25),
        MetricSpec(kind=MetricKind.MULTICLASS_AUC, average="weighted"),
    )
    assert task.train_metrics == (MetricSpec(kind=MetricKind.AUC, decay_rate=0.5, decay_step=10),)


def test_a_regression_tower_has_its_own_losses_and_metrics() -> None:
    pair = "metrics { xauc { sample_ratio: 0.5 } } metrics { grouped_xauc { grouping_key: 'item' } }"
    text = changed("losses { binary_cross_entropy {} }\n      metrics { auc {} }", f"losses {{ l2_loss {{}} }} {pair}")
    task = plan(text).spec.model.tasks[0]
    assert task.losses == (L2(),)
    assert task.metrics == (
        MetricSpec(kind=MetricKind.XAUC, sample_ratio=0.5),
        MetricSpec(kind=MetricKind.GROUPED_XAUC, grouping_key="item", max_pairs=100),
    )


def test_a_tower_keeps_its_weights_and_its_space() -> None:
    first, second = plan(BASE).spec.model.tasks
    assert first.losses == (BinaryCrossEntropy(),)
    assert (second.sample_weight, second.space) == ("row_weight", TaskSpace(label="click", out_weight=0.5))


def test_one_dropout_ratio_counts_for_all_layers_and_batch_norm_drops_the_bias() -> None:
    text = changed("mlp { hidden_units: [8, 4] }", "mlp { hidden_units: [8, 4] dropout_ratio: 0.5 use_bn: true }")
    assert plan(text).spec.model.tasks[0].tower == MLPSpec(
        hidden_dims=(8, 4), dropouts=(0.5, 0.5), normalization=Normalization.BATCH, bias=False
    )


SPARSE_RULES: dict[str, SparseRule] = {
    "rowwise_adagrad_optimizer { lr: 0.5 weight_decay: 0.25 weight_decay_mode: L2 }": RowWiseAdagrad(
        lr=0.5, weight_decay=0.25, weight_decay_mode=WeightDecayMode.L2
    ),
    "partial_rowwise_adam_optimizer { lr: 0.5 beta1: 0.5 beta2: 0.75 }": SparseAdam(
        lr=0.5, beta1=0.5, beta2=0.75, partial_rowwise=True
    ),
    "adam_optimizer { lr: 0.5 beta1: 0.5 beta2: 0.75 }": SparseAdam(lr=0.5, beta1=0.5, beta2=0.75),
    "adagrad_optimizer { lr: 0.5 initial_accumulator_value: 0.25 }": SparseAdagrad(lr=0.5, initial_accumulator=0.25),
}


@pytest.mark.parametrize("text", SPARSE_RULES)
def test_sparse_optimisers_arrive_whole(text: str) -> None:
    assert plan(changed("adagrad_optimizer { lr: 0.01 }", text)).spec.train.sparse == SparseOptimizer(
        rule=SPARSE_RULES[text]
    )


def test_sparse_gradients_are_clipped_only_where_the_file_says_so() -> None:
    clipped = "adagrad_optimizer { lr: 0.5 gradient_clipping: true max_gradient: 2 }"
    assert plan(changed("adagrad_optimizer { lr: 0.01 }", clipped)).spec.train.sparse.max_gradient == 2.0
    lowered = plan(changed("adagrad_optimizer { lr: 0.01 }", "adagrad_optimizer { lr: 0.5 max_gradient: 2 }"))
    assert lowered.spec.train.sparse.max_gradient is None
    assert [problem.message for problem in lowered.warnings] == ["has no effect without gradient_clipping: true"]


def test_dense_optimiser_parts_schedule_and_ema_arrive_whole() -> None:
    dense = """adagrad_optimizer { lr: 0.5 eps: 0.25 }
    exponential_decay_learning_rate { decay_size: 10 decay_factor: 0.5 warmup_size: 3 }
    part_optimizers { regex_pattern: "epnet" adamw_optimizer { lr: 0.5 beta1: 0.5 beta2: 0.75 eps: 0.25 } }
    part_optimizers { regex_pattern: "tower" adagrad_optimizer { lr: 0.25 eps: 0.25 }
      cosine_annealing_learning_rate { T_max: 9 by_epoch: true } }
    ema { decay: 0.5 }"""
    text = changed("adam_optimizer { lr: 0.001 }\n    constant_learning_rate {}", dense)
    assert plan(text).spec.train.dense == DenseOptimizer(
        rule=Adagrad(lr=0.5, eps=0.25),
        schedule=ExponentialDecayLR(decay_size=10, decay_factor=0.5, warmup_size=3),
        parts=(
            PartOptimizer(pattern="epnet", rule=Adam(lr=0.5, beta1=0.5, beta2=0.75, eps=0.25, decoupled=True)),
            PartOptimizer(
                pattern="tower", rule=Adagrad(lr=0.25, eps=0.25), schedule=CosineAnnealingLR(t_max=9, by_epoch=True)
            ),
        ),
        ema_decay=0.5,
    )
    assert plan(text.replace("T_max: 9", "")).spec.train.dense.parts[1].schedule == CosineAnnealingLR(by_epoch=True)
    assert plan(text).spec.evaluation.use_ema
    assert not plan(text, "export_config.use_dense_ema=false").spec.export.use_ema


def test_a_manual_schedule_is_lowered() -> None:
    manual = "manual_step_learning_rate { schedule_sizes: [5, 9] learning_rates: [0.5, 0.25] warmup: true }"
    text = changed("lr: 0.001 }\n    constant_learning_rate {}", "lr: 0.001 }\n    " + manual)
    assert plan(text).spec.train.dense.schedule == ManualStepLR(
        schedule_sizes=(5, 9), learning_rates=(0.5, 0.25), warmup=True
    )
    assert plan(text).spec.train.sparse.schedule == ConstantLR()


def test_the_run_is_lowered() -> None:
    run = """num_steps: 9 save_checkpoints_epochs: 2 mixed_precision: "BF16" gradient_accumulation_steps: 4
    grad_clipping { clipping_type: "norm" max_gradient: 0.5 } tensorboard_summaries: "loss" seed: 7
    early_stopping { metric: "logloss_ctr" larger_is_better: false patience: 2 }"""
    train = plan(changed("num_epochs: 1", run)).spec.train
    assert (train.num_steps, train.num_epochs, train.seed, train.accumulate_steps) == (9, None, 7, 4)
    assert (train.checkpoint_every_steps, train.checkpoint_every_epochs) == (None, 2)
    assert train.precision is Precision.BF16
    assert train.clipping == GradClipping(kind=Clipping.NORM, max_gradient=0.5)
    assert train.early_stopping == EarlyStopping(metric="logloss_ctr", larger_is_better=False, patience=2)


@pytest.mark.parametrize(
    ("text", "precision"),
    [
        ("", Precision.AUTO),
        ('mixed_precision: ""', Precision.FLOAT32),
        ('mixed_precision: "BF16"', Precision.BF16),
        ('mixed_precision: "AUTO"', Precision.AUTO),
    ],
)
def test_the_plan_says_the_precision_that_the_config_names(text: str, precision: Precision) -> None:
    assert plan(changed("num_epochs: 1", f"num_epochs: 1 {text}")).spec.train.precision is precision


@pytest.mark.parametrize(
    "metric", ["auc", "auc_ctr", "gauc", "grouped_auc_ltr", "auc_ltr_in_space", "gauc_unweighted_ctr"]
)
def test_the_best_checkpoint_may_be_chosen_by_any_number_that_evaluation_gives(metric: str) -> None:
    export = f'export_config {{\n  exporter_type: "best"\n  best_exporter_metric: "{metric}"'
    assert plan(changed("export_config {", export)).spec.export == ExportSpec(best=True, best_metric=metric)


def test_the_best_checkpoint_is_that_of_the_mean_auc_unless_the_file_says_otherwise() -> None:
    assert plan(BASE, "export_config.exporter_type=best").spec.export.best_metric == "auc"
    assert plan(BASE).spec.export.best_metric is None


def test_checkpoint_names_are_mapped_by_a_file_that_travels_with_the_config() -> None:
    text = changed("num_epochs: 1", 'num_epochs: 1 fine_tune_checkpoint: "old" fine_tune_ckpt_param_map: "names.txt"')
    lowered = lower(parse(text, "c"), open_text=lambda path: f"new.weight old.weight\n\n{path} b\n")
    assert lowered.spec.train.fine_tune_names == (("new.weight", "old.weight"), ("names.txt", "b"))
    assert set(lowered.assets) == {"names.txt"}


def test_gauc_groups_rows_by_the_grouping_key_or_else_by_user_id() -> None:
    assert plan(BASE.replace('grouping_key: "user_id"', 'grouping_key: "item"')).spec.evaluation.gauc_feature == "item"
    assert (
        plan(changed('metrics { grouped_auc { grouping_key: "user_id" } }', "")).spec.evaluation.gauc_feature
        == "user_id"
    )
    assert plan(BASE, "eval_config.gauc_feature=tab").spec.evaluation.gauc_feature == "tab"
    renamed = changed('metrics { grouped_auc { grouping_key: "user_id" } }', "").replace('"user_id"', '"uid"')
    assert plan(renamed).spec.evaluation.gauc_feature is None


def test_csv_files_bring_their_columns() -> None:
    csv = 'CsvDataset\n  delimiter: "\\t" input_fields_str: "uid:BIGINT; tags:ARRAY<STRING>;click:INT"'
    spec = plan(changed("ParquetDataset", csv)).spec.data
    assert spec.file_format is FileFormat.CSV
    assert spec.csv == CsvSpec(
        delimiter="\t",
        with_header=False,
        columns=(("uid", "INT64"), ("tags", "ARRAY_STRING"), ("click", "INT32")),
    )


def test_input_fields_name_columns_one_by_one() -> None:
    csv = 'CsvDataset\n  input_fields { input_name: "uid" input_type: INT64 } input_fields { input_name: "tag" }'
    assert plan(changed("ParquetDataset", csv)).spec.data.csv.columns == (("uid", "INT64"), ("tag", "STRING"))


def test_a_table_services_config_reads_csv_files_when_its_paths_end_so() -> None:
    text = changed("ParquetDataset", "OdpsDataset\n  with_header: true")
    assert plan(text, "train_input_path=a.csv", "eval_input_path=b.csv").spec.data.file_format is FileFormat.CSV
    with pytest.raises(ConfigError, match="the inputs mix CSV and Parquet files; give files of one kind"):
        plan(text, "train_input_path=a.csv")


def test_an_empty_eval_path_means_no_evaluation_and_says_so() -> None:
    lowered = plan(changed('eval_input_path: "data/eval.parquet"\n', ""))
    assert lowered.spec.eval_inputs == ()
    assert [problem.message for problem in lowered.warnings] == ["is empty: the model is not evaluated while it trains"]

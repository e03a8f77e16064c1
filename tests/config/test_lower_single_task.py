"""What the messages of models with one task become, with and without task_towers."""

from __future__ import annotations

import pytest

from peprank.config import Lowered, lower, parse
from peprank.errors import ConfigError
from peprank.spec.embedding import Distribution, InitSpec
from peprank.spec.mlp import MLPSpec
from peprank.spec.model import BinaryCrossEntropy, DomainSpec, MetricKind, MetricSpec, TaskSpec
from peprank.spec.single_task import CINSpec, CrossSpec, DCNv1Spec, DCNv2Spec, DeepFMSpec, XDeepFMSpec
from tests.config.base import BASE
from tests.config.rival_mistakes import DEEPFM, PEPNET, TAB, WIDE

HEAD = BASE[: BASE.index("  pepnet {")]
BCE = "losses { binary_cross_entropy {} }"
V1 = "cross {} deep { hidden_units: [8, 4] } final { hidden_units: 6 }"
V2 = "cross {} final { hidden_units: 6 }"


def one_task(model: str, fields: str = BCE, *, head: str = HEAD) -> Lowered:
    return lower(parse(f"{head}{model}\n{fields}\n}}\n", "pipeline.config"))


def several_tasks(model: str, fields: str, *, groups: str = "") -> Lowered:
    return lower(parse(BASE.replace(PEPNET, f"{groups}  {TAB}\n  {model} {{\n    {fields}\n"), "pipeline.config"))


def test_the_task_is_the_first_label_and_is_called_like_it() -> None:
    metrics = 'metrics { auc {} } metrics { grouped_auc { grouping_key: "item" } }'
    lowered = one_task(f"dcn_v1 {{ {V1} }}", f"{BCE} {metrics} train_metrics {{ auc {{}} decay_rate: 0.5 }}")
    assert lowered.spec.model.tasks == (
        TaskSpec(
            name="click",
            label="click",
            losses=(BinaryCrossEntropy(),),
            metrics=(
                MetricSpec(kind=MetricKind.AUC),
                MetricSpec(kind=MetricKind.GROUPED_AUC, grouping_key="item"),
            ),
            train_metrics=(MetricSpec(kind=MetricKind.AUC, decay_rate=0.5, decay_step=100),),
            sample_weight="row_weight",  # the first of sample_weight_fields, as in the peer
            logit_bias=False,
        ),
    )
    assert lowered.spec.evaluation.gauc_feature == "item"


def test_one_task_may_have_classes() -> None:
    lowered = one_task(f"dcn_v2 {{ {V2} }}", "num_class: 3 losses { softmax_cross_entropy {} } metrics { accuracy {} }")
    (task,) = lowered.spec.model.tasks
    assert task.num_class == 3


def test_one_task_may_have_a_tower_per_domain() -> None:
    lowered = one_task(f"{TAB} dcn_v2 {{ {V2} task_domain_num: 3 }}")
    assert lowered.spec.model.domain == DomainSpec(feature="tab", num_domains=3, num_towers=3)


def test_a_best_checkpoint_can_be_picked_by_the_tasks_metric() -> None:
    head = HEAD.replace("export_config {", 'export_config {\n  exporter_type: "best" best_exporter_metric: "auc_click"')
    assert one_task(f"dcn_v1 {{ {V1} }}", head=head).spec.export.best_metric == "auc_click"


def test_task_towers_take_the_place_of_the_one_task() -> None:
    lowered = several_tasks("dcn_v2", V2)
    assert [task.name for task in lowered.spec.model.tasks] == ["ctr", "ltr"]
    assert all(task.logit_bias for task in lowered.spec.model.tasks)


def test_what_stands_in_model_config_has_no_effect_beside_task_towers() -> None:
    text = BASE.replace("  pepnet {", f"  {BCE} num_class: 1 metrics {{ auc {{}} }}\n  pepnet {{")
    warnings = lower(parse(text, "c")).warnings
    assert [(problem.path, problem.message) for problem in warnings] == [
        (f"model_config.{field}", "has no effect beside task_towers: each of them has this field itself")
        for field in ("losses", "metrics")
    ]


def test_a_file_without_labels_has_no_task() -> None:
    head = HEAD.replace('  label_fields: "click"\n  label_fields: "like"\n', "")
    with pytest.raises(ConfigError) as caught:
        one_task(f"dcn_v1 {{ {V1} }}", head=head)
    (problem,) = caught.value.problems
    assert problem.message == (
        'predicts the first of data_config.label_fields, which lists none; add label_fields: "click"'
    )


def test_mistakes_of_the_one_task_stand_where_the_file_has_them() -> None:
    with pytest.raises(ConfigError) as caught:
        one_task(
            f"dcn_v1 {{ {V1} }}", "num_class: 2\n  losses { binary_cross_entropy {} }\n  metrics { recall_at_k {} }"
        )
    assert [problem.path for problem in caught.value.problems] == [
        "model_config.num_class",
        "model_config.metrics[0].recall_at_k",
    ]
    with pytest.raises(ConfigError, match=r"model_config\.losses: is missing; write losses"):
        one_task(f"dcn_v1 {{ {V1} }}", "")


def test_dcn_has_a_cross_network_beside_layers() -> None:
    assert several_tasks("dcn_v1", V1).spec.model.trunk == DCNv1Spec(
        group="all", cross=CrossSpec(num_layers=3), deep=MLPSpec(hidden_dims=(8, 4)), final=MLPSpec(hidden_dims=(6,))
    )


def test_dcn_v2_has_matrices_of_low_rank_unless_the_rank_is_zero() -> None:
    final = MLPSpec(hidden_dims=(6,))
    assert several_tasks("dcn_v2", V2).spec.model.trunk == DCNv2Spec(
        group="all", cross=CrossSpec(num_layers=3, rank=32), final=final
    )
    fields = "backbone { hidden_units: 9 } cross { cross_num: 1 low_rank: 0 } deep { hidden_units: 8 } final {}"
    assert several_tasks("dcn_v2", fields).spec.model.trunk == DCNv2Spec(
        group="all",
        cross=CrossSpec(num_layers=1),
        final=MLPSpec(),
        backbone=MLPSpec(hidden_dims=(9,)),
        deep=MLPSpec(hidden_dims=(8,)),
    )


def test_deepfm_reads_the_peers_groups_by_name() -> None:
    lowered = several_tasks("deepfm", "deep { hidden_units: [8, 4] } final { hidden_units: 6 }", groups=DEEPFM)
    assert lowered.spec.model.trunk == DeepFMSpec(
        wide_group="wide",
        fm_group="fm",
        deep_group="deep",
        deep=MLPSpec(hidden_dims=(8, 4)),
        final=MLPSpec(hidden_dims=(6,)),
    )
    assert [group.name for group in lowered.spec.model.groups] == ["wide", "fm", "deep"]


def test_wide_groups_have_tables_of_their_own() -> None:
    fields = 'deep { hidden_units: 8 } wide_embedding_dim: 2 wide_init_fn: "nn.init.zeros_"'
    lowered = several_tasks("deepfm", fields, groups=DEEPFM)
    tables = {table.name: table for table in lowered.spec.model.tables}
    assert list(tables) == ["user_id_emb", "item_emb", "tab_emb", "price_emb", "user_id_emb_wide", "item_emb_wide"]
    wide, deep = tables["item_emb_wide"], tables["item_emb"]
    assert (wide.rows, wide.dim, wide.init) == (deep.rows, 2, InitSpec(distribution=Distribution.ZEROS))
    assert (deep.dim, deep.init) == (8, None)


def test_a_suffix_comes_after_what_marks_a_wide_table() -> None:
    groups = DEEPFM.replace("group_type: WIDE", 'group_type: WIDE embedding_name_suffix: "own"')
    model = several_tasks("deepfm", "deep { hidden_units: 8 }", groups=groups).spec.model
    assert [item.table for item in model.group("wide").inputs] == ["user_id_emb_wide_own", "item_emb_wide_own"]


def test_wide_tables_are_4_wide_in_deepfm_and_16_in_xdeepfm() -> None:
    deepfm = several_tasks("deepfm", "deep { hidden_units: 8 }", groups=DEEPFM).spec.model
    assert [item.dim for item in deepfm.group("wide").inputs] == [4, 4]
    fields = "cin { cin_layer_size: [6, 4] } deep { hidden_units: 8 } final {}"
    lowered = several_tasks("xdeepfm", fields, groups=DEEPFM)
    assert [item.dim for item in lowered.spec.model.group("wide").inputs] == [16, 16]
    assert lowered.spec.model.trunk == XDeepFMSpec(
        fields_group="wide",
        deep_group="deep",
        cin=CINSpec(hidden_dims=(6, 4)),
        deep=MLPSpec(hidden_dims=(8,)),
        final=MLPSpec(),
    )


def test_numbers_without_a_table_are_part_of_a_wide_group_as_they_are() -> None:
    groups = DEEPFM.replace(WIDE, WIDE.replace('"item"', '"age"'))
    model = several_tasks("deepfm", "deep { hidden_units: 8 }", groups=groups).spec.model
    assert [(item.feature, item.dim, item.table) for item in model.group("wide").inputs] == [
        ("user_id", 4, "user_id_emb_wide"),
        ("age", 1, None),
    ]


def test_a_feature_of_wide_groups_needs_no_width_of_its_own() -> None:
    text = BASE.replace("num_buckets: 50\n    embedding_dim: 8", "num_buckets: 50")
    groups = WIDE + DEEPFM[DEEPFM.index('  feature_groups {\n group_name: "deep"') :].replace('"tab", "price"', '"tab"')
    used = text[: text.index("  feature_groups {")] + groups + text[text.index(PEPNET) :]
    model = lower(parse(used.replace(PEPNET, f"  {TAB}\n  deepfm {{\n deep {{ hidden_units: 8 }}\n"), "c")).spec.model
    assert [table.name for table in model.tables] == ["user_id_emb_wide", "item_emb_wide", "tab_emb"]


def test_the_vectors_are_those_of_deep_where_there_is_no_group_for_them() -> None:
    groups = WIDE + DEEPFM[DEEPFM.index('  feature_groups {\n group_name: "deep"') :]
    trunk = several_tasks("deepfm", "deep { hidden_units: 8 }", groups=groups).spec.model.trunk
    assert trunk == DeepFMSpec(wide_group="wide", fm_group="deep", deep_group="deep", deep=MLPSpec(hidden_dims=(8,)))


def test_several_groups_can_be_joined_into_the_input_of_the_layers() -> None:
    fields = 'deep { hidden_units: 8 } input_group_names: ["all", "uia"]'
    model = several_tasks("deepfm", fields, groups=DEEPFM).spec.model
    assert isinstance(model.trunk, DeepFMSpec)
    assert model.trunk.deep_group == "all + uia"
    assert [group.name for group in model.groups] == ["wide", "fm", "all + uia"]


def test_one_task_of_deepfm_has_a_bias() -> None:
    (task,) = one_task("deepfm { deep { hidden_units: 8 } }", head=HEAD + DEEPFM).spec.model.tasks
    assert task.logit_bias

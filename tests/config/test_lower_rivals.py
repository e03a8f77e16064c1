"""What the messages of PEPNet's rivals become."""

from __future__ import annotations

from dataclasses import replace

import pytest

from peprank.config import Lowered, lower, parse
from peprank.errors import ConfigError
from peprank.spec.mlp import Activation, MLPSpec, Normalization
from peprank.spec.model import DomainSpec
from peprank.spec.multi_domain import StarSpec
from peprank.spec.trunk import ExtractionSpec, MMoESpec, PLESpec, SharedBottomSpec, SimpleMultiTaskSpec
from tests.config.base import BASE
from tests.config.rival_mistakes import PEPNET, TAB


def plan(fields: str, *, model: str = "simple_multi_task", domain: str = TAB) -> Lowered:
    return lower(parse(BASE.replace(PEPNET, f"  {domain}\n  {model} {{\n    {fields}\n"), "pipeline.config"))


def test_towers_on_the_embeddings_have_no_trunk() -> None:
    model = plan("").spec.model
    assert model.trunk == SimpleMultiTaskSpec(group="all")
    assert [task.tower.hidden_dims for task in model.tasks] == [(8, 4), ()]


def test_the_input_is_the_first_group_and_the_others_are_left_out_with_their_tables() -> None:
    lowered = plan("")
    assert [group.name for group in lowered.spec.model.groups] == ["all"]
    assert [problem.message for problem in lowered.warnings] == [
        "no part of simple_multi_task reads this group; it is left out",
        "no part of simple_multi_task reads this group; it is left out",
    ]
    own = BASE.replace('feature_names: ["tab"]', 'feature_names: ["tab"] embedding_name_suffix: "own"')
    fields = f'  {TAB}\n  simple_multi_task {{\n    input_group_names: ["uia"]\n'
    model = lower(parse(own.replace(PEPNET, fields), "pipeline.config")).spec.model
    assert [table.name for table in model.tables] == ["user_id_emb", "item_emb"]


def test_several_groups_are_joined_and_what_they_share_is_there_once() -> None:
    lowered = plan('input_group_names: ["uia", "all"]')
    (group,) = lowered.spec.model.groups
    assert lowered.spec.model.trunk == SimpleMultiTaskSpec(group=group.name)
    assert group.name == "uia + all"
    assert [item.feature for item in group.inputs] == ["user_id", "item", "tab", "price", "age"]
    assert [problem.path for problem in lowered.warnings] == ["model_config.feature_groups[1].group_name"]


def test_a_feature_that_two_groups_take_from_different_tables_is_there_twice() -> None:
    own = BASE.replace('feature_names: ["tab"]', 'feature_names: ["tab"] embedding_name_suffix: "own"')
    fields = f'  {TAB}\n  simple_multi_task {{\n    input_group_names: ["all", "domain"]\n'
    (group,) = lower(parse(own.replace(PEPNET, fields), "pipeline.config")).spec.model.groups
    assert [item.table for item in group.inputs if item.feature == "tab"] == ["tab_emb", "tab_emb_own"]


def test_the_domain_is_the_one_that_domain_feature_names() -> None:
    assert plan("").spec.model.domain == DomainSpec(feature="tab", num_domains=3)
    assert plan("task_domain_num: 3").spec.model.domain == DomainSpec(feature="tab", num_domains=3, num_towers=3)
    assert plan("", domain="").spec.model.domain is None


def test_each_domain_may_have_embeddings_of_its_own() -> None:
    domain = f"{TAB} embeddings_per_domain: true"
    model = plan("task_domain_num: 3", domain=domain).spec.model
    assert model.domain == DomainSpec(feature="tab", num_domains=3, num_towers=3, has_own_embeddings=True)
    assert (model.num_embedding_copies, model.picks_by_domain) == (3, True)
    assert {table.name: table.rows for table in model.tables} == {
        table.name: table.rows for table in plan("").spec.model.tables
    }
    assert not plan("").spec.model.picks_by_domain


def test_a_file_without_groups_has_one_problem() -> None:
    start, end = BASE.index("  feature_groups {"), BASE.index(PEPNET)
    text = BASE[:start] + BASE[end:].replace(PEPNET, "  simple_multi_task {\n")
    with pytest.raises(ConfigError) as caught:
        lower(parse(text, "pipeline.config"))
    assert [problem.message for problem in caught.value.problems] == [
        "there is no feature group to read; add feature_groups { ... } beside it"
    ]


def test_a_shared_bottom_has_layers() -> None:
    fields = "bottom_mlp { hidden_units: [8, 4] use_ln: true }"
    bottom = MLPSpec(hidden_dims=(8, 4), normalization=Normalization.LAYER)
    assert plan(fields, model="shared_bottom").spec.model.trunk == SharedBottomSpec(group="all", bottom=bottom)


def test_mmoe_has_experts_and_gates() -> None:
    fields = 'expert_mlp { hidden_units: [8, 4] dropout_ratio: 0.25 activation: "nn.GELU" }'
    expert = MLPSpec(hidden_dims=(8, 4), dropouts=(0.25, 0.25), activation=Activation.GELU)
    assert plan(fields, model="mmoe").spec.model.trunk == MMoESpec(group="all", num_experts=3, expert=expert)
    fields = "expert_mlp { hidden_units: 8 } num_expert: 5 gate_mlp { hidden_units: 6 }"
    assert plan(fields, model="mmoe").spec.model.trunk == MMoESpec(
        group="all", num_experts=5, expert=MLPSpec(hidden_dims=(8,)), gate=MLPSpec(hidden_dims=(6,))
    )


def test_ple_has_levels_of_own_and_shared_experts() -> None:
    low = 'network_name: "low" expert_num_per_task: 2 task_expert_net { hidden_units: [8, 4] }'
    shared = "share_num: 1 share_expert_net { hidden_units: 4 }"
    high = low.replace("low", "high")
    fields = f"extraction_networks {{ {low} }} extraction_networks {{ {high} {shared} }}"
    own = ExtractionSpec(name="low", num_task_experts=2, task_expert=MLPSpec(hidden_dims=(8, 4)))
    both = replace(own, name="high", num_shared_experts=1, shared_expert=MLPSpec(hidden_dims=(4,)))
    assert plan(fields, model="ple").spec.model.trunk == PLESpec(group="all", levels=(own, both))


def test_layers_of_shared_experts_that_there_are_none_of_have_no_effect() -> None:
    level = 'network_name: "low" expert_num_per_task: 2 task_expert_net { hidden_units: 4 }'
    lowered = plan(f"extraction_networks {{ {level} share_expert_net {{ hidden_units: 8 }} }}", model="ple")
    (problem,) = [problem for problem in lowered.warnings if "share" in problem.path]
    assert problem.message == "has no effect: there are no shared experts; write share_num: 1, say"


def test_star_has_weights_for_each_id_of_the_domain_feature() -> None:
    model = plan("star_mlp { hidden_units: [8, 4] bias: false }", model="star").spec.model
    assert model.trunk == StarSpec(group="all", layers=MLPSpec(hidden_dims=(8, 4), bias=False))
    assert model.domain == DomainSpec(feature="tab", num_domains=3)
    fields = "star_mlp { hidden_units: 8 } auxiliary_hidden_unit: 0 partitioned_normalization: true"
    assert plan(fields, model="star").spec.model.trunk == StarSpec(
        group="all", layers=MLPSpec(hidden_dims=(8,)), auxiliary_dim=0, normalizes_domains=True
    )

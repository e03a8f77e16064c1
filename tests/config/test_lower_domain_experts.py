"""What the messages of rivals with experts over domains and tasks become."""

from __future__ import annotations

from dataclasses import replace

from peprank.config import Lowered, lower, parse
from peprank.spec.domain_experts import DomainExtractionSpec, HMoESpec, M3oESpec, PLEMDSpec
from peprank.spec.mlp import MLPSpec, Normalization
from peprank.spec.model import DomainSpec
from tests.config.base import BASE
from tests.config.rival_mistakes import PEPNET, TAB


def plan(model: str, fields: str) -> Lowered:
    return lower(parse(BASE.replace(PEPNET, f"  {TAB}\n  {model} {{\n    {fields}\n"), "pipeline.config"))


def test_ple_md_has_levels_of_experts_of_tasks_domains_and_all() -> None:
    low = """network_name: "low" expert_num_per_task: 1 expert_num_per_domain: 2 share_num: 3
      expert_mlp { hidden_units: [8, 4] }"""
    high = low.replace("low", "high").replace("share_num: 3", "share_num: 1")
    model = plan("ple_md", f"extraction_networks {{ {low} }} extraction_networks {{ {high} }}").spec.model
    level = DomainExtractionSpec(
        name="low", num_task_experts=1, num_domain_experts=2, num_shared_experts=3, expert=MLPSpec(hidden_dims=(8, 4))
    )
    assert model.trunk == PLEMDSpec(group="all", levels=(level, replace(level, name="high", num_shared_experts=1)))
    assert model.domain == DomainSpec(feature="tab", num_domains=3)


def test_hmoe_has_experts_and_layers_of_each_domain() -> None:
    fields = "expert_mlp { hidden_units: [8, 4] } domain_mlp { hidden_units: 6 }"
    spec = HMoESpec(group="all", num_experts=3, expert=MLPSpec(hidden_dims=(8, 4)), domain=MLPSpec(hidden_dims=(6,)))
    assert plan("hmoe", fields).spec.model.trunk == spec
    gated = plan("hmoe", f"{fields} gate_mlp {{ hidden_units: 5 }} num_expert: 2 task_domain_num: 3").spec.model
    assert gated.trunk == replace(spec, num_experts=2, gate=MLPSpec(hidden_dims=(5,)))
    assert gated.domain == DomainSpec(feature="tab", num_domains=3, num_towers=3)


def test_m3oe_has_a_domain_layer_and_experts_of_equal_layers() -> None:
    fields = """domain_hidden_unit: 8 common_mlp { hidden_units: 6 } expert_mlp { hidden_units: 4 use_ln: true }
      input_group_names: ["all", "uia"]"""
    assert plan("m3oe", fields).spec.model.trunk == M3oESpec(
        group="all + uia",
        domain_dim=8,
        common=MLPSpec(hidden_dims=(6,)),
        num_experts=4,
        expert=MLPSpec(hidden_dims=(4,), normalization=Normalization.LAYER),
    )

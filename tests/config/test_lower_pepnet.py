"""The ablations of PEPNet, and what is said where they mean nothing."""

from __future__ import annotations

import pytest

from peprank.config import Lowered, lower, parse
from peprank.errors import ConfigError
from peprank.spec.single_task import CrossSpec
from peprank.spec.trunk import GeneralInput, PEPNetSpec
from tests.config.base import BASE, changed

UIA = """  feature_groups {
    group_name: "uia"
    feature_names: ["user_id", "item"]
  }
"""
DOMAIN = """  feature_groups {
    group_name: "domain"
    feature_names: ["tab"]
  }
"""


def plan(text: str) -> Lowered:
    return lower(parse(text, "pipeline.config"))


def with_fields(fields: str) -> str:
    return changed("pepnet {", f"pepnet {{ {fields}")


def trunk_of(lowered: Lowered) -> PEPNetSpec:
    assert isinstance(lowered.spec.model.trunk, PEPNetSpec)
    return lowered.spec.model.trunk


def warnings(text: str) -> list[tuple[str, str]]:
    return [(warning.path.rpartition(".")[2], warning.message) for warning in plan(text).warnings]


def test_by_default_the_model_is_that_of_the_paper() -> None:
    trunk = trunk_of(plan(BASE))
    assert trunk.general_input is GeneralInput.DETACHED
    assert trunk.ppnet is not None
    assert not trunk.ppnet.detached_priors
    assert trunk == trunk_of(plan(with_fields("general_input: DETACHED detached_priors: false")))


@pytest.mark.parametrize("general_input", GeneralInput)
def test_each_ablation_is_lowered(general_input: GeneralInput) -> None:
    lowered = plan(with_fields(f"general_input: {general_input.value} detached_priors: true"))
    trunk = trunk_of(lowered)
    assert trunk.general_input is general_input
    assert trunk.ppnet is not None
    assert trunk.ppnet.detached_priors
    assert lowered.warnings == ()


def test_crosses_are_lowered_and_off_by_default() -> None:
    assert trunk_of(plan(BASE)).cross is None
    assert trunk_of(plan(with_fields("cross {}"))).cross == CrossSpec(num_layers=3, rank=32)
    assert trunk_of(plan(with_fields("cross { cross_num: 2 low_rank: 0 }"))).cross == CrossSpec(num_layers=2)


def test_a_cross_network_has_a_layer() -> None:
    with pytest.raises(ConfigError, match=r"pepnet\.cross\.cross_num.*must be at least 1"):
        plan(with_fields("cross { cross_num: 0 }"))


def test_a_suffix_gives_the_priors_tables_of_their_own() -> None:
    lowered = plan(BASE.replace('group_name: "uia"', 'group_name: "uia" embedding_name_suffix: "prior"'))
    tables = [table.name for table in lowered.spec.model.tables]
    assert tables == ["user_id_emb", "item_emb", "tab_emb", "price_emb", "user_id_emb_prior", "item_emb_prior"]
    read = {group.name: [item.table for item in group.inputs] for group in lowered.spec.model.groups}
    assert read["uia"] == ["user_id_emb_prior", "item_emb_prior"]
    assert read["all"][:2] == ["user_id_emb", "item_emb"]
    assert lowered.warnings == ()


def test_detached_priors_have_no_effect_without_ppnet() -> None:
    text = with_fields("detached_priors: true general_input: ATTACHED").replace(UIA, "")
    found = dict(warnings(text))
    message = "has no effect: without a feature group 'uia' PPNet is left out; add one, or uia_group_name"
    assert found["detached_priors"] == message
    assert "general_input" not in found  # EPNet has one


def test_the_general_input_has_no_effect_without_gates() -> None:
    text = with_fields("general_input: LEFT_OUT").replace(UIA, "").replace(DOMAIN, "")
    assert ("general_input", "has no effect: without EPNet and PPNet there are no gates") in warnings(text)


def test_priors_that_nothing_would_train_get_a_warning() -> None:
    detached = with_fields("detached_priors: true")
    apart = detached.replace('group_name: "uia"', 'group_name: "uia" embedding_name_suffix: "prior"')
    message = (
        "leaves the embeddings of user_id, item as they start, since no other group trains them; add these features to "
        "'all', or let the groups share their tables"
    )
    assert warnings(apart) == [("detached_priors", message)]
    alone = detached.replace('["user_id", "item", "tab", "price", "age"]', '["item", "tab", "price", "age"]')
    ((_, text),) = warnings(alone)
    assert text.startswith("leaves the embeddings of user_id as they start, ")
    numbers = detached.replace('["user_id", "item"]', '["item", "age"]')  # numbers as they are have no embedding
    frozen = alone.replace("hash_bucket_size: 100", "hash_bucket_size: 100\n    trainable: false")
    assert warnings(numbers) == warnings(frozen) == []

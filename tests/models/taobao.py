"""The peer's shipped example, `pepnet_taobao.config`, as a plan."""

from __future__ import annotations

from peprank.spec.embedding import GroupInput, GroupSpec, TableSpec
from peprank.spec.mlp import MLPSpec
from peprank.spec.model import DomainSpec, ModelSpec, TaskSpec
from peprank.spec.trunk import EPNetSpec, PEPNetSpec, PPNetSpec

ROWS = {
    "user_id": 1141730,
    "cms_segid": 98,
    "cms_group_id": 14,
    "final_gender_code": 3,
    "age_level": 8,
    "pvalue_level": 5,
    "shopping_level": 5,
    "occupation": 3,
    "new_user_class_level": 6,
    "pid": 20,
    "adgroup_id": 846812,
    "cate_id": 12961,
    "campaign_id": 423438,
    "customer": 255877,
    "brand": 461498,
    "price": 99,
}


def _group(name: str, *features: str) -> GroupSpec:
    return GroupSpec(name=name, inputs=tuple(GroupInput(feature=f, dim=16, table=f"{f}_emb") for f in features))


TAOBAO = ModelSpec(
    tables=tuple(TableSpec(name=f"{feature}_emb", rows=rows, dim=16) for feature, rows in ROWS.items()),
    groups=(
        _group("all", *ROWS),
        _group("domain", "occupation"),
        _group("uia", *(feature for feature in ROWS if feature not in ("occupation", "pid", "customer"))),
    ),
    trunk=PEPNetSpec(
        main_group="all",
        epnet=EPNetSpec(group="domain"),
        ppnet=PPNetSpec(group="uia", hidden_dims=(512, 256), dropouts=(0.1, 0.1)),
    ),
    tasks=tuple(
        TaskSpec(name=name, label=label, tower=MLPSpec(hidden_dims=(256, 128, 64)))
        for name, label in (("ctr", "clk"), ("cvr", "buy"))
    ),
    domain=DomainSpec(feature="occupation", num_domains=3, num_towers=3),
)

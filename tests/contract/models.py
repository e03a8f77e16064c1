"""The models that the contract holds for, and made-up rows that each of them accepts."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from peprank.batch import MISSING, Features, Ids
from peprank.spec.domain_experts import DomainExtractionSpec, HMoESpec, M3oESpec, PLEMDSpec
from peprank.spec.embedding import AutoDisSpec, GroupInput, GroupSpec, LinearEmbeddingSpec, TableSpec
from peprank.spec.feature import Pooling
from peprank.spec.mlp import Activation, MLPSpec, Normalization
from peprank.spec.model import DomainSpec, ModelSpec, TaskSpec
from peprank.spec.multi_domain import StarSpec
from peprank.spec.single_task import CINSpec, CrossSpec, DCNv1Spec, DCNv2Spec, DeepFMSpec, XDeepFMSpec
from peprank.spec.trunk import (
    EPNetGate,
    EPNetSpec,
    ExtractionSpec,
    GeneralInput,
    MMoESpec,
    PEPNetSpec,
    PLESpec,
    PPNetSpec,
    SharedBottomSpec,
    SimpleMultiTaskSpec,
    TrunkSpec,
    Wiring,
)

NUM_DOMAINS = 3
JOINED = "all + domain + uia"

TABLES = (
    TableSpec(name="user_emb", rows=20, dim=4),
    TableSpec(name="item_emb", rows=15, dim=4),
    TableSpec(name="tab_emb", rows=NUM_DOMAINS, dim=4),
    TableSpec(name="tags_emb", rows=9, dim=4, pooling=Pooling.MEAN),
    TableSpec(name="words_emb", rows=11, dim=2),
)
USER, ITEM, TAB, TAGS = (GroupInput(feature=f, dim=4, table=f"{f}_emb") for f in ("user", "item", "tab", "tags"))
WORDS = GroupInput(feature="words", dim=2, table="words_emb")
PRICE = GroupInput(feature="price", dim=1)
PRICE_VECTOR = GroupInput(feature="price", dim=3, dense=LinearEmbeddingSpec(), weight_name="price")
STATISTICS = GroupInput(feature="statistics", dim=4, dense=AutoDisSpec(num_channels=3), weight_name="type", value_dim=2)

GROUPS = (
    GroupSpec(name="all", inputs=(USER, ITEM, TAB, TAGS, WORDS, PRICE)),
    GroupSpec(name="domain", inputs=(TAB, STATISTICS)),
    GroupSpec(name="uia", inputs=(USER, ITEM, PRICE_VECTOR)),
)
WIDE_TABLES = tuple(replace(table, name=f"{table.name}_wide", dim=3) for table in (TABLES[0], TABLES[1], TABLES[3]))
WIDE = GroupSpec(
    name="wide",
    inputs=tuple(replace(item, dim=3, table=f"{item.table}_wide") for item in (USER, ITEM, TAGS)),
)
FM = GroupSpec(name="fm", inputs=(USER, ITEM, TAB, TAGS))
TASKS = tuple(TaskSpec(name=name, label=name) for name in ("click", "like", "buy"))
_MLP = MLPSpec(hidden_dims=(12, 8))


def _with_towers(spec: ModelSpec, tower: MLPSpec, num_class: int = 1) -> ModelSpec:
    return replace(spec, tasks=tuple(replace(task, tower=tower, num_class=num_class) for task in spec.tasks))


def _pepnet(epnet: EPNetSpec | None, ppnet: PPNetSpec | None) -> ModelSpec:
    used = {"all"} | {half.group for half in (epnet, ppnet) if half is not None}
    return ModelSpec(
        tables=TABLES,
        groups=tuple(group for group in GROUPS if group.name in used),
        trunk=PEPNetSpec(main_group="all", epnet=epnet, ppnet=ppnet),
        tasks=TASKS,
    )


def _with_cross(spec: ModelSpec, cross: CrossSpec) -> ModelSpec:
    assert isinstance(spec.trunk, PEPNetSpec)
    return replace(spec, trunk=replace(spec.trunk, cross=cross))


def _with_general_input(spec: ModelSpec, general_input: GeneralInput) -> ModelSpec:
    assert isinstance(spec.trunk, PEPNetSpec)
    return replace(spec, trunk=replace(spec.trunk, general_input=general_input))


def _with_priors(spec: ModelSpec, *priors: GroupInput) -> ModelSpec:
    groups = tuple(replace(group, inputs=priors) if group.name == "uia" else group for group in spec.groups)
    return replace(spec, groups=groups)


def _with_separate_priors(spec: ModelSpec) -> ModelSpec:
    own = tuple(replace(table, name=f"{table.name}_prior") for table in TABLES[:2])
    priors = (replace(item, table=f"{item.table}_prior") for item in (USER, ITEM))
    return _with_priors(replace(spec, tables=(*spec.tables, *own)), *priors)


def _rival(trunk: TrunkSpec) -> ModelSpec:
    """A model whose one input joins all groups, as its config would."""
    columns = dict.fromkeys(item for group in GROUPS for item in group.inputs)
    joined = GroupSpec(name=JOINED, inputs=tuple(columns))
    domain = DomainSpec(feature="tab", num_domains=NUM_DOMAINS)
    return _with_towers(ModelSpec(tables=TABLES, groups=(joined,), trunk=trunk, tasks=TASKS, domain=domain), _MLP)


def _with_domain_towers(spec: ModelSpec) -> ModelSpec:
    return replace(spec, domain=DomainSpec(feature="tab", num_domains=NUM_DOMAINS, num_towers=NUM_DOMAINS))


_EPNET = EPNetSpec(group="domain")
_PPNET = PPNetSpec(group="uia", hidden_dims=(12, 8), wiring=Wiring.PAPER)
_TZREC = replace(_PPNET, wiring=Wiring.TZREC)
PAPER = _pepnet(_EPNET, _PPNET)
TZREC = _with_towers(_pepnet(_EPNET, _TZREC), _MLP)
DOMAIN_TOWERS = _with_domain_towers(TZREC)
SIMPLE_MULTI_TASK = _rival(SimpleMultiTaskSpec(group=JOINED))
SHARED_BOTTOM = _rival(SharedBottomSpec(group=JOINED, bottom=_MLP))
MMOE = _rival(MMoESpec(group=JOINED, num_experts=3, expert=_MLP))
_LEVEL = ExtractionSpec(
    name="low", num_task_experts=2, task_expert=_MLP, num_shared_experts=1, shared_expert=MLPSpec(hidden_dims=(6, 8))
)
PLE = _rival(
    PLESpec(group=JOINED, levels=(_LEVEL, replace(_LEVEL, name="high", num_task_experts=1, num_shared_experts=2)))
)
DCN_V1 = _rival(DCNv1Spec(group=JOINED, cross=CrossSpec(num_layers=2), deep=_MLP, final=_MLP))
DCN_V2 = _rival(
    DCNv2Spec(
        group=JOINED,
        backbone=MLPSpec(hidden_dims=(10,)),
        cross=CrossSpec(num_layers=2, rank=3),
        deep=_MLP,
        final=_MLP,
    )
)
_DOMAIN_LEVEL = DomainExtractionSpec(
    name="low", num_task_experts=1, num_domain_experts=2, num_shared_experts=2, expert=_MLP
)
STAR = _rival(StarSpec(group=JOINED, layers=_MLP, auxiliary_dim=5))
PLE_MD = _rival(
    PLEMDSpec(group=JOINED, levels=(_DOMAIN_LEVEL, replace(_DOMAIN_LEVEL, name="high", num_domain_experts=1)))
)
HMOE = _rival(HMoESpec(group=JOINED, num_experts=2, expert=_MLP, domain=MLPSpec(hidden_dims=(6,))))
M3OE = _rival(M3oESpec(group=JOINED, domain_dim=7, common=MLPSpec(hidden_dims=(10,)), num_experts=2, expert=_MLP))
DEEPFM = DeepFMSpec(wide_group="wide", fm_group="fm", deep_group=JOINED, deep=_MLP)
XDEEPFM = XDeepFMSpec(
    fields_group="wide", deep_group=JOINED, cin=CINSpec(hidden_dims=(5, 4)), deep=_MLP, final=MLPSpec(hidden_dims=(8,))
)


def _with_wide_groups(spec: ModelSpec, *groups: GroupSpec) -> ModelSpec:
    return replace(spec, tables=(*spec.tables, *WIDE_TABLES), groups=(*groups, *spec.groups))


def _with_own_embeddings(spec: ModelSpec) -> ModelSpec:
    domain = DomainSpec(feature="tab", num_domains=NUM_DOMAINS, num_towers=NUM_DOMAINS, has_own_embeddings=True)
    return replace(spec, domain=domain)


SPECIFIC_ALL = _with_own_embeddings(SHARED_BOTTOM)

EVERY_PEPNET: dict[str, ModelSpec] = {
    "paper": PAPER,
    "tzrec": TZREC,
    "hidden_only": _pepnet(_EPNET, replace(_PPNET, wiring=Wiring.HIDDEN_ONLY, gate_hidden_dim=5)),
    "domain_towers": DOMAIN_TOWERS,
    "field_gate": _pepnet(EPNetSpec(group="domain", gate=EPNetGate.FIELD, hidden_dim=5, gamma=3.0), _PPNET),
    "general_input_attached": _with_general_input(PAPER, GeneralInput.ATTACHED),
    "general_input_attached_field_gate_tzrec": _with_general_input(
        _with_towers(_pepnet(replace(_EPNET, gate=EPNetGate.FIELD), _TZREC), _MLP), GeneralInput.ATTACHED
    ),
    "general_input_left_out": _with_general_input(PAPER, GeneralInput.LEFT_OUT),
    "general_input_left_out_tzrec": _with_general_input(TZREC, GeneralInput.LEFT_OUT),
    "detached_priors": _with_priors(_pepnet(_EPNET, replace(_PPNET, detached_priors=True)), USER, ITEM),
    "crossed": _with_cross(PAPER, CrossSpec(num_layers=2)),
    "crossed_low_rank_tzrec": _with_cross(TZREC, CrossSpec(num_layers=1, rank=3)),
    "separate_priors": _with_separate_priors(PAPER),
    "no_epnet": _with_towers(_pepnet(None, _TZREC), _MLP),
    "no_ppnet": _with_towers(_pepnet(_EPNET, None), _MLP),
    "no_gates": _with_towers(_pepnet(None, None), _MLP),
    "crossed_no_gates": _with_cross(_with_towers(_pepnet(None, None), _MLP), CrossSpec(num_layers=1)),
    "batch_norm": _with_towers(TZREC, replace(_MLP, normalization=Normalization.BATCH)),
    "layer_norm_prelu_classes": _with_towers(
        TZREC, replace(_MLP, normalization=Normalization.LAYER, activation=Activation.PRELU), num_class=3
    ),
    "embeddings_per_domain": replace(
        _with_own_embeddings(TZREC), tables=(replace(TABLES[0], is_half=True), *TABLES[1:])
    ),
    "half_and_frozen_tables": replace(
        PAPER,
        tables=(
            replace(TABLES[0], is_half=True),
            replace(TABLES[1], trainable=False),
            TABLES[2],
            replace(TABLES[3], is_half=True),
            *TABLES[4:],
        ),
    ),
}
EVERY_RIVAL: dict[str, ModelSpec] = {
    "simple_multi_task": SIMPLE_MULTI_TASK,
    "simple_multi_task_domain_towers": _with_domain_towers(SIMPLE_MULTI_TASK),
    "shared_bottom": SHARED_BOTTOM,
    "shared_bottom_domain_towers": _with_domain_towers(SHARED_BOTTOM),
    "specific_all": SPECIFIC_ALL,
    "mmoe": MMOE,
    "ple": PLE,
    "ple_domain_towers": _with_domain_towers(PLE),
    "ple_without_shared_experts": _rival(
        PLESpec(group=JOINED, levels=(ExtractionSpec(name="only", num_task_experts=2, task_expert=_MLP),))
    ),
    "star": STAR,
    "star_domain_towers": _with_domain_towers(STAR),
    "star_normalized": _rival(StarSpec(group=JOINED, layers=_MLP, auxiliary_dim=0, normalizes_domains=True)),
    "ple_md": PLE_MD,
    "ple_md_domain_towers": _with_domain_towers(PLE_MD),
    "hmoe": HMOE,
    "hmoe_gate_mlp_domain_towers": _with_domain_towers(
        _rival(HMoESpec(group=JOINED, num_experts=3, expert=_MLP, domain=_MLP, gate=MLPSpec(hidden_dims=(6,))))
    ),
    "m3oe": M3OE,
    "m3oe_domain_towers": _with_domain_towers(M3OE),
    "mmoe_gate_mlp_domain_towers": _with_domain_towers(
        _rival(MMoESpec(group=JOINED, num_experts=2, expert=_MLP, gate=MLPSpec(hidden_dims=(6, 4))))
    ),
    "deepfm": _with_wide_groups(_rival(replace(DEEPFM, final=_MLP)), WIDE, FM),
    "deepfm_added_up_domain_towers": _with_domain_towers(_with_wide_groups(_rival(DEEPFM), WIDE, FM)),
    "xdeepfm": _with_wide_groups(_rival(XDEEPFM), WIDE),
    "dcn_v1": DCN_V1,
    "dcn_v1_without_logit_bias": replace(DCN_V1, tasks=tuple(replace(task, logit_bias=False) for task in DCN_V1.tasks)),
    "dcn_v2": DCN_V2,
    "dcn_v2_stacked_domain_towers": _with_domain_towers(
        _rival(DCNv2Spec(group=JOINED, cross=CrossSpec(num_layers=1), final=_MLP))
    ),
}
EVERY_MODEL = EVERY_PEPNET | EVERY_RIVAL


def some_features(num_rows: int, *, seed: int = 0) -> Features:
    """Rows with every kind of input: single, missing, many, weighted, numbers; all domains in turn."""
    g = torch.Generator().manual_seed(seed)
    user = torch.randint(20, (num_rows,), generator=g)
    tab = torch.arange(num_rows) % NUM_DOMAINS
    words = _ragged(11, num_rows, g)
    return Features(
        num_rows=num_rows,
        ids={
            "user": Ids(user.masked_fill(torch.rand(num_rows, generator=g) < 0.2, MISSING)),
            "item": Ids(torch.randint(15, (num_rows,), generator=g)),
            "tab": Ids(tab),
            "tags": _ragged(9, num_rows, g),
            "words": replace(words, weights=torch.rand(len(words.values), generator=g) + 0.5),
        },
        numbers={
            "price": torch.randn(num_rows, 1, generator=g),
            "statistics": torch.rand(num_rows, 2, generator=g),
        },
        domain=tab,
    )


def take_rows(features: Features, rows: list[int]) -> Features:
    """The same features for some of the rows."""
    return Features(
        num_rows=len(rows),
        ids={name: _take(ids, rows) for name, ids in features.ids.items()},
        numbers={name: values[rows] for name, values in features.numbers.items()},
        domain=features.domain[rows],
    )


def some_labels(spec: ModelSpec, num_rows: int, *, seed: int = 0) -> Tensor:
    """Labels in {0, 1}, one per logit."""
    num_logits = sum(task.num_class for task in spec.tasks)
    return torch.randint(2, (num_rows, num_logits), generator=torch.Generator().manual_seed(seed)).float()


def _ragged(num_ids: int, num_rows: int, generator: torch.Generator) -> Ids:
    counts = torch.randint(0, 4, (num_rows,), generator=generator)
    offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    return Ids(torch.randint(num_ids, (int(counts.sum()),), generator=generator), offsets)


def _take(ids: Ids, rows: list[int]) -> Ids:
    if ids.offsets is None:
        return Ids(ids.values[rows])
    places = [torch.arange(int(ids.offsets[b]), int(ids.offsets[b + 1])) for b in rows]
    counts = torch.tensor([0, *(len(place) for place in places)])
    chosen = torch.cat(places) if places else torch.arange(0)
    return Ids(ids.values[chosen], counts.cumsum(0), None if ids.weights is None else ids.weights[chosen])

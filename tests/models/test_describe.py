from __future__ import annotations

import pytest

from peprank.models import build, describe
from peprank.spec.model import ModelSpec
from tests.contract.models import (
    DCN_V1,
    DCN_V2,
    EVERY_MODEL,
    HMOE,
    M3OE,
    MMOE,
    PAPER,
    PLE,
    PLE_MD,
    SHARED_BOTTOM,
    SIMPLE_MULTI_TASK,
    STAR,
    TZREC,
)
from tests.models.taobao import TAOBAO


def test_the_shipped_example_has_the_peers_parameter_counts() -> None:
    description = describe(TAOBAO)
    assert description.embedding_parameters == 50_281_232
    assert description.dense_parameters == 2_674_694
    assert description.embedding_bytes == 4 * 50_281_232
    assert [(part.name, part.parameters, part.multiply_adds) for part in description.parts] == [
        ("EPNet gate", 135_680, (16 + 256) * 256 + 256 * 256),
        ("PPNet gates", 1_371_136, 2 * (464 * 512 + 512 * 512 + 464 * 256 + 256 * 256)),
        ("PPNet layers", 525_824, 2 * (256 * 512 + 512 * 256)),
        ("task towers", 642_054, 2 * (256 * 256 + 256 * 128 + 128 * 64 + 64)),  # of one of three domains
    ]


def test_groups_tables_and_gates_are_named_with_their_widths() -> None:
    description = describe(TAOBAO)
    assert [(group.name, group.dim) for group in description.groups] == [("all", 256), ("domain", 16), ("uia", 208)]
    brand = next(table for table in description.tables if table.name == "brand_emb")
    assert (brand.rows, brand.dim, brand.num_bytes, brand.features) == (461498, 16, 461498 * 64, ("brand",))
    epnet, *_, last = description.gates
    assert (epnet.in_dim, epnet.hidden_dims, epnet.out_dim, epnet.scales) == (272, (256,), 256, "all")
    assert (epnet.reads, epnet.observes) == ((("domain", 16),), (("all", 256),))
    assert (last.name, last.scales) == ("PPNet cvr layer 2", "output of layer 2 of cvr")
    assert (last.reads, last.observes, last.in_dim) == ((("uia", 208),), (("O_ep", 256),), 464)


def test_equations_of_each_wiring_are_its_own() -> None:
    assert describe(PAPER).equations == (
        "E = all",
        "O_ep = GateNU(domain ⊕ sg(E)) ⊗ E, one number per unit",
        "δ^(l) = GateNU_l(uia ⊕ sg(O_ep)) for all tasks, l = 1 .. L + 1",
        "H_t^(1) = δ_t^(1) ⊗ O_ep",
        "H_t^(l+1) = δ_t^(l+1) ⊗ ReLU(H_t^(l) W_t^(l) + b_t^(l))",
        "logit_t = Tower_t(H_t^(L+1))",
    )
    assert describe(TZREC).equations[2:5] == (
        "δ_t^(l) = GateNU_t,l(uia ⊕ sg(O_ep))",
        "H_t^(1) = O_ep",
        "H_t^(l+1) = ReLU(H_t^(l) W_t^(l) + b_t^(l)) ⊗ δ_t^(l)",
    )


@pytest.mark.parametrize(
    ("name", "of_epnet", "of_ppnet", "reads", "observes"),
    [
        ("general_input_attached", "domain ⊕ E", "uia ⊕ O_ep", ("uia", "O_ep"), ()),
        ("general_input_left_out", "domain", "uia", ("uia",), ()),
        ("detached_priors", "domain ⊕ sg(E)", "sg(uia) ⊕ sg(O_ep)", (), ("uia", "O_ep")),
    ],
)
def test_ablations_are_told(
    name: str, of_epnet: str, of_ppnet: str, reads: tuple[str, ...], observes: tuple[str, ...]
) -> None:
    description = describe(EVERY_MODEL[name])
    assert description.equations[1] == f"O_ep = GateNU({of_epnet}) ⊗ E, one number per unit"
    assert description.equations[2] == f"δ^(l) = GateNU_l({of_ppnet}) for all tasks, l = 1 .. L + 1"
    epnet, ppnet, *_ = description.gates
    widths = {group.name: group.dim for group in description.groups}
    widths["O_ep"] = widths["all"]
    assert ppnet.reads == tuple((part, widths[part]) for part in reads)
    assert ppnet.observes == tuple((part, widths[part]) for part in observes)
    assert epnet.in_dim == widths["domain"] + widths["all"] * ("⊕" in of_epnet)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("crossed", "x_(l+1) = x_0 ⊗ (W_l x_l + b_l) + x_l, l = 0 .. 1"),
        ("crossed_low_rank_tzrec", "x_(l+1) = x_0 ⊗ (U_l V_l x_l + b_l) + x_l, l = 0 .. 0"),
    ],
)
def test_crosses_are_told(name: str, told: str) -> None:
    description = describe(EVERY_MODEL[name])
    x, layers = description.groups[0].dim, 2 if name == "crossed" else 1
    assert description.model.startswith("PEPNet with crosses")
    assert description.equations[2:4] == ("x_0 = O_ep", told)
    assert description.equations[-1] == f"logit_t = Tower_t(H_t^(L+1) ⊕ x_{layers})"
    assert f"sg(x_{layers})" in description.equations[4]
    assert description.gates[-1].observes == ((f"x_{layers}", x),)
    part = next(part for part in description.parts if part.name == "cross network")
    assert part.multiply_adds == (2 * x * x if name == "crossed" else 2 * 3 * x)


def test_towers_on_the_embeddings_are_told_by_one_equation() -> None:
    description = describe(SIMPLE_MULTI_TASK)
    assert description.model == "Simple multi-task"
    assert description.equations == ("x = all + domain + uia", "logit_t = Tower_t(x)")
    assert description.gates == ()
    assert [part.name for part in description.parts] == ["dense embeddings", "task towers"]


def test_a_shared_bottom_is_told_by_its_layers() -> None:
    description = describe(SHARED_BOTTOM)
    assert description.equations == ("x = all + domain + uia", "h = Bottom(x)", "logit_t = Tower_t(h)")
    part = description.parts[1]
    assert (part.name, part.multiply_adds) == ("shared bottom", description.groups[0].dim * 12 + 12 * 8)


def test_mmoe_is_told_by_its_experts_and_gates() -> None:
    description = describe(MMOE)
    x = description.groups[0].dim
    assert description.equations == (
        "x = all + domain + uia",
        "v_k = Expert_k(x), k = 1 .. 3",
        "w_t = softmax(x W_t + b_t)",
        "logit_t = Tower_t(Σ_k w_t,k v_k)",
    )
    assert [(gate.name, gate.in_dim, gate.hidden_dims, gate.out_dim, gate.gamma) for gate in description.gates] == [
        (task, x, (), 3, None) for task in ("click", "like", "buy")
    ]
    assert [(part.name, part.multiply_adds) for part in description.parts[1:]] == [
        ("experts", 3 * (x * 12 + 12 * 8)),
        ("gates", 3 * 3 * x),
        ("task towers", 3 * (8 * 12 + 12 * 8 + 8)),
    ]
    assert "w_t = softmax(Gate_t(x) W_t + b_t)" in describe(EVERY_MODEL["mmoe_gate_mlp_domain_towers"]).equations


def test_ple_is_told_level_by_level() -> None:
    description = describe(PLE)
    x = description.groups[0].dim
    assert description.equations == (
        "a_t^(0) = s^(0) = all + domain + uia",
        "V_t^(l) = outputs of the own experts of t, of a_t^(l-1) and the shared ones, of s^(l-1); l = 1 .. 2",
        "a_t^(l) = softmax(a_t^(l-1) W_t^(l) + b_t^(l)) V_t^(l)",
        "s^(l) = softmax(s^(l-1) W_s^(l) + b_s^(l)) (V_1^(l) ∪ .. ∪ V_T^(l))",
        "logit_t = Tower_t(a_t^(2))",
    )
    low_click, *_, low_shared, high_click, _, high_buy = description.gates
    assert (low_click.name, low_click.reads, low_click.out_dim) == ("low click", (("all + domain + uia", x),), 2 + 1)
    assert (low_shared.name, low_shared.out_dim, low_shared.scales) == ("low shared", 3 * 2 + 1, "all experts")
    assert (high_click.reads, high_buy.reads) == ((("a_click^(1)", 8),), (("a_buy^(1)", 8),))
    assert [(part.name, part.multiply_adds) for part in description.parts[1:-1]] == [
        ("low task experts", 3 * 2 * (x * 12 + 12 * 8)),
        ("low shared experts", x * 6 + 6 * 8),
        ("low gates", 3 * 3 * x + 7 * x),
        ("high task experts", 3 * (8 * 12 + 12 * 8)),
        ("high shared experts", 2 * (8 * 6 + 6 * 8)),
        ("high gates", 3 * 3 * 8),
    ]


def test_cross_networks_are_told_by_their_layers() -> None:
    description = describe(DCN_V1)
    x = description.groups[0].dim
    assert description.equations == (
        "x_0 = all + domain + uia",
        "x_(l+1) = (x_l · w_l) x_0 + b_l + x_l, l = 0 .. 1",
        "h = Final(x_2 ⊕ Deep(x_0))",
        "logit_t = Tower_t(h)",
    )
    assert [(part.name, part.parameters, part.multiply_adds) for part in description.parts[1:4]] == [
        ("cross network", 2 * 2 * x, 2 * x),
        ("deep", x * 12 + 12 + 12 * 8 + 8, x * 12 + 12 * 8),
        ("final", (x + 8) * 12 + 12 + 12 * 8 + 8, (x + 8) * 12 + 12 * 8),
    ]
    description = describe(DCN_V2)
    assert description.equations == (
        "x = all + domain + uia",
        "x_0 = Backbone(x)",
        "x_(l+1) = x_0 ⊗ (U_l V_l x_l + b_l) + x_l, l = 0 .. 1",
        "h = Final(x_2 ⊕ Deep(x))",
        "logit_t = Tower_t(h)",
    )
    assert [(part.name, part.multiply_adds) for part in description.parts[1:3]] == [
        ("backbone", 10 * x),
        ("cross network", 2 * 2 * 10 * 3),
    ]
    stacked = describe(EVERY_MODEL["dcn_v2_stacked_domain_towers"])
    assert stacked.equations[1:4] == ("x_0 = x", "x_(l+1) = x_0 ⊗ (W_l x_l + b_l) + x_l, l = 0 .. 0", "h = Final(x_1)")


def test_star_is_told_by_the_weights_of_a_row() -> None:
    description = describe(STAR)
    x = description.groups[0].dim
    assert description.equations == (
        "x = all + domain + uia; d = the row's domain, one of 3",
        "h^(0) = x",
        "h^(l) = ReLU((W^(l) ⊗ W_d^(l)) h^(l-1) + b^(l) + b_d^(l)), l = 1 .. 2",
        "a = ReLU(W_a (x ⊕ 1_d) + b_a)",
        "logit_t = Tower_t(h^(L) ⊕ a)",
    )
    assert [(part.name, part.parameters, part.multiply_adds) for part in description.parts[1:]] == [
        ("star layers", (1 + 3) * (x * 12 + 12 + 12 * 8 + 8), x * 12 + 12 * 8),
        ("auxiliary network", (x + 3) * 5 + 5, (x + 3) * 5),
        ("task towers", 3 * (13 * 12 + 12 + 12 * 8 + 8 + 8 + 1), 3 * (13 * 12 + 12 * 8 + 8)),
    ]
    normalized = describe(EVERY_MODEL["star_normalized"])
    assert normalized.equations[1] == "h^(0) = (γ ⊗ γ_d) ⊗ (x - μ_d) / sqrt(σ_d² + ε) + β + β_d"
    assert normalized.equations[3:] == ("logit_t = Tower_t(h^(L))",)
    assert [(part.name, part.parameters, part.multiply_adds) for part in normalized.parts[2:3]] == [
        ("partitioned normalization", (1 + 3) * 2 * x, 0)
    ]


def test_deepfm_is_told_by_its_three_parts() -> None:
    description = describe(EVERY_MODEL["deepfm"])
    assert description.equations == (
        "o = sum of wide",
        "p = Σ_(i<j) v_i ⊗ v_j, v = fm",
        "h = Final(o ⊕ p ⊕ Deep(all + domain + uia))",
        "logit_t = Tower_t(h)",
    )
    added_up = describe(EVERY_MODEL["deepfm_added_up_domain_towers"])
    assert added_up.equations[2:] == ("logit_t = o + Σ p + Tower_t(Deep(all + domain + uia))",)
    assert [part.name for part in added_up.parts] == ["dense embeddings", "deep", "task towers"]


def test_every_entry_of_the_vectors_passes_the_maps_of_a_cin() -> None:
    description = describe(EVERY_MODEL["xdeepfm"])
    assert description.equations == (
        "x^0 = the vectors of wide",
        "x^k_h = Σ_i,j W^k_(h,i,j) (x^(k-1)_i ⊗ x^0_j) + b^k_h, k = 1 .. 2",
        "h = Final(sums of all x^k_h ⊕ Deep(all + domain + uia))",
        "logit_t = Tower_t(h)",
    )
    part = description.parts[1]  # 3 fields of 3 columns, 5 and 4 vectors per layer
    assert (part.name, part.parameters) == ("CIN", 5 * (3 * 3 + 1) + 4 * (5 * 3 + 1))
    assert part.multiply_adds == 3 * (5 * 3 * 3 + 4 * 5 * 3)


def parts(spec: ModelSpec) -> list[tuple[str, int]]:
    return [(part.name, part.multiply_adds) for part in describe(spec).parts[1:-1]]


def test_ple_md_counts_the_experts_and_gates_of_one_domain() -> None:
    description = describe(PLE_MD)
    x = description.groups[0].dim
    assert description.equations[2:4] == (
        "a_t^(l) = softmax(a_t^(l-1) W_dt^(l) + b_dt^(l)) (V_t^(l) ∪ V_d^(l) ∪ V_s^(l))",
        "c^(l) = softmax(c^(l-1) W_d^(l) + b_d^(l)) (V_d^(l) ∪ V_s^(l))",
    )
    assert [(gate.name, gate.reads, gate.out_dim) for gate in description.gates if "click" not in gate.name] == [
        ("low like", (("all + domain + uia", x),), 1 + 2 + 2),
        ("low buy", (("all + domain + uia", x),), 1 + 2 + 2),
        ("low domain", (("all + domain + uia", x),), 2 + 2),
        ("low shared", (("all + domain + uia", x),), 3 * 1 + 2 + 2),
        ("high like", (("a_like^(1)", 8),), 1 + 1 + 2),
        ("high buy", (("a_buy^(1)", 8),), 1 + 1 + 2),
    ]
    low, high = x * 12 + 12 * 8, 8 * 12 + 12 * 8  # an expert
    assert parts(PLE_MD) == [
        ("low task experts", 3 * low),
        ("low domain experts", 2 * low),  # of one of three domains
        ("low shared experts", 2 * low),
        ("low gates of domains", 3 * 5 * x + 4 * x),
        ("low shared gate", 7 * x),
        ("high task experts", 3 * high),
        ("high domain experts", high),
        ("high shared experts", 2 * high),
        ("high gates of domains", 3 * 4 * 8),
    ]


def test_hmoe_counts_the_views_of_all_domains() -> None:
    description = describe(HMOE)
    x = description.groups[0].dim
    assert "h_t = w_dt,d r_dt + Σ_j≠d w_dt,j sg(r_jt), w_dt = Relevance_dt(x)" in description.equations
    assert parts(HMOE) == [
        ("experts", 2 * (x * 12 + 12 * 8)),
        ("domain views", 3 * 3 * (2 * x + 8 * 6)),
        ("relevance gates", 3 * 3 * x),  # of one of three domains
    ]
    assert [(gate.name, gate.out_dim) for gate in description.gates][2:4] == [("buy", 2), ("click relevance", 3)]


def test_m3oe_counts_all_experts_and_the_domain_layer_once() -> None:
    description = describe(M3OE)
    x, expert = description.groups[0].dim, 10 * 12 + 12 * 8
    assert "D = β_d Expert_d(h) + (1 - β_d) (mean of the other domains' experts of h)" in description.equations
    assert parts(M3OE) == [
        ("domain layer", x * 7),
        ("common layers", 7 * 10 + x * 10),
        ("shared experts", 2 * expert),
        ("domain experts", 3 * expert),
        ("task experts", 3 * expert),
        ("gates", 3 * 2 * 10),  # of one of three domains
        ("fusion weights", 0),
    ]
    assert {gate.reads for gate in description.gates} == {(("h", 10),)}


@pytest.mark.parametrize("spec", EVERY_MODEL.values(), ids=EVERY_MODEL)
def test_counts_are_those_of_the_network(spec: ModelSpec) -> None:
    ranker, description = build(spec, seed=0), describe(spec)
    assert description.dense_parameters == sum(value.numel() for _, value in ranker.dense_parameters())
    tables = {name: value for name, value in ranker.weights().items() if "_emb" in name}
    assert description.embedding_parameters == sum(value.numel() for value in tables.values())
    assert description.embedding_bytes == sum(value.nbytes for value in tables.values())

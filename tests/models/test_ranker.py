from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from peprank.errors import ArtifactError, TrainingError
from peprank.models import build, score
from peprank.spec.embedding import Distribution, InitSpec
from peprank.spec.model import LinearInit
from tests.contract.models import DOMAIN_TOWERS, EVERY_MODEL, PAPER, TZREC, some_features, take_rows


def test_weights_are_named_by_table_and_layer() -> None:
    weights = build(PAPER, seed=0).weights()
    assert {name: list(value.shape) for name, value in weights.items() if name.startswith("embeddings.")} == {
        "embeddings.user_emb.weight": [20, 4],
        "embeddings.item_emb.weight": [15, 4],
        "embeddings.tab_emb.weight": [3, 4],
        "embeddings.tags_emb.weight": [9, 4],
        "embeddings.words_emb.weight": [11, 2],
        "embeddings.dense.type_dense.hidden.weight": [3, 2],
        "embeddings.dense.type_dense.mix.weight": [3, 3],
        "embeddings.dense.type_dense.meta.weight": [4, 3],
        "embeddings.dense.price_dense.weight": [3, 1],
    }
    assert [name for name in weights if not name.startswith("embeddings.")][:6] == [
        "trunk.epnet.gate.hidden.weight",
        "trunk.epnet.gate.hidden.bias",
        "trunk.epnet.gate.logit.weight",
        "trunk.epnet.gate.logit.bias",
        "trunk.ppnet.gates.hidden.weight",
        "trunk.ppnet.gates.hidden.bias",
    ]


def test_weights_that_do_not_fit_are_refused_by_name_and_nothing_is_loaded() -> None:
    ranker = build(TZREC, seed=0)
    weights = {name: torch.zeros_like(value) for name, value in ranker.weights().items()}
    weights["extra"] = weights.pop("embeddings.user_emb.weight")
    weights["towers.tasks.0.0.logit.bias"] = torch.zeros(2)
    with pytest.raises(ArtifactError) as error:
        ranker.load_weights(weights)
    assert str(error.value) == (
        "weights do not fit the model: 'embeddings.user_emb.weight' is missing; 'extra' is not in this model; "
        "'towers.tasks.0.0.logit.bias' has shape [2], the model needs [1]"
    )
    assert all(value.any() for name, value in ranker.weights().items() if name.startswith("embeddings."))


def test_every_parameter_is_sparse_dense_or_frozen() -> None:
    ranker = build(EVERY_MODEL["half_and_frozen_tables"], seed=0)
    sparse, dense = ranker.sparse_parameters(), ranker.dense_parameters()
    assert [name for name, _ in sparse] == ["dim4_half", "dim4", "dim2"]
    rest = {id(value) for value in ranker.parameters()} - {id(value) for _, value in (*sparse, *dense)}
    assert rest == {id(ranker.embeddings.arena("dim4_frozen").weight)}


def test_score_puts_the_mode_back() -> None:
    ranker = build(EVERY_MODEL["batch_norm"], seed=0)
    assert not score(ranker, some_features(1)).requires_grad
    assert ranker.training
    score(ranker.eval(), some_features(1))
    assert not ranker.training


def test_the_paper_starts_from_xavier_and_the_peer_from_torchs_linear() -> None:
    paper, tzrec = build(PAPER, seed=0), build(TZREC, seed=0)
    biases = {name: value for name, value in paper.dense_parameters() if name.endswith("bias")}
    assert not any(value.any() for value in biases.values())
    assert all(value.any() for name, value in tzrec.dense_parameters() if name in biases)


def test_a_plan_may_say_what_linear_maps_start_from() -> None:
    xavier, torchs = (
        build(replace(PAPER, linear_init=init), seed=0).weights() for init in (LinearInit.XAVIER, LinearInit.TORCH)
    )
    by_default = build(PAPER, seed=0).weights()
    assert all(torch.equal(value, by_default[name]) for name, value in xavier.items())
    assert any(value.any() for name, value in torchs.items() if name.endswith("bias"))


def test_a_plan_may_say_how_a_table_starts() -> None:
    normal = InitSpec(distribution=Distribution.NORMAL, arguments=(("mean", 5.0), ("std", 0.1)))
    constant = InitSpec(distribution=Distribution.CONSTANT, arguments=(("val", 0.25),))
    tables = (replace(PAPER.tables[0], init=normal), replace(PAPER.tables[1], init=constant), *PAPER.tables[2:])
    weights = build(replace(PAPER, tables=tables), seed=0).weights()
    assert 4.9 < weights["embeddings.user_emb.weight"].mean() < 5.1
    assert (weights["embeddings.item_emb.weight"] == 0.25).all()


@pytest.mark.parametrize("distribution", Distribution)
def test_every_distribution_fills_a_table(distribution: Distribution) -> None:
    arguments = (("val", 2.0),) if distribution is Distribution.CONSTANT else ()
    table = replace(PAPER.tables[0], init=InitSpec(distribution=distribution, arguments=arguments))
    spec = replace(PAPER, tables=(table, *PAPER.tables[1:]))
    first, second = (build(spec, seed=3).weights()["embeddings.user_emb.weight"] for _ in range(2))
    assert torch.equal(first, second)
    assert first.isfinite().all()


def test_an_untrained_domain_tower_is_not_run() -> None:
    ranker = build(DOMAIN_TOWERS, seed=0)
    for towers in ranker.towers.tasks:
        nn.init.constant_(towers.get_parameter("2.logit.bias"), float("nan"))
    rows_of_domains_0_and_1 = take_rows(some_features(9), [0, 1, 3, 4])
    assert score(ranker, rows_of_domains_0_and_1).isfinite().all()


@pytest.mark.parametrize(
    ("rows", "dim"), [(10**11, 2**14), (2**39, 2**30)], ids=["more than there is", "more than an address reaches"]
)
def test_a_model_larger_than_the_memory_names_its_largest_tables(rows: int, dim: int) -> None:
    large = replace(DOMAIN_TOWERS.tables[0], rows=rows, dim=dim)
    spec = replace(DOMAIN_TOWERS, tables=(large, *DOMAIN_TOWERS.tables[1:]))
    with pytest.raises(TrainingError, match=rf"larger than the memory .*'{large.name}' {rows:,} x {dim}") as caught:
        build(spec, seed=0)
    assert "lower their rows or embedding_dim" in str(caught.value)

"""What HMoE and M3oE do beyond their equations: who learns from whom, and one task or domain alone."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from peprank.models import MultiTaskRanker, build, describe, score
from peprank.models.m3oe import M3oE
from peprank.spec.model import DomainSpec
from tests.contract.models import HMOE, M3OE, some_features, take_rows

ROWS_OF_DOMAIN_1 = [1, 4, 7]


def gradients_of_domain_1(ranker: MultiTaskRanker) -> dict[str, Tensor | None]:
    """Of the sum of the logits of rows of domain 1."""
    torch.autograd.backward(ranker(take_rows(some_features(9), ROWS_OF_DOMAIN_1)).sum())
    return {name: value.grad for name, value in ranker.trunk.named_parameters()}  # type: ignore[attr-defined]


def learnt(gradients: dict[str, Tensor | None], prefix: str) -> set[str]:
    """Names below `prefix`, up to their number, of parts that got a gradient."""
    named = {name: grad for name, grad in gradients.items() if name.startswith(prefix)}
    assert named
    reached = [name for name, grad in named.items() if grad is not None and bool(grad.any())]
    return {name.removeprefix(prefix).split(".")[0] for name in reached}


def test_hmoe_teaches_the_view_of_the_rows_domain_alone() -> None:
    gradients = gradients_of_domain_1(build(HMOE, seed=1))
    assert learnt(gradients, "views.") == {"1"}
    assert learnt(gradients, "relevance.0.parts.") == {"1"}
    assert learnt(gradients, "experts.networks.") == {"0", "1"}


def test_hmoe_scores_a_row_by_what_all_domains_make_of_it() -> None:
    ranker, features = build(HMOE, seed=1), take_rows(some_features(9), ROWS_OF_DOMAIN_1)
    before = score(ranker, features)
    weights = {name: value.clone() for name, value in ranker.weights().items()}
    others = [name for name in weights if name.startswith("trunk.views.2.layers.")]
    ranker.load_weights(weights | {name: weights[name] + 0.5 for name in others})
    assert bool((score(ranker, features) != before).all())


def test_m3oe_teaches_all_experts_but_only_the_gates_and_the_layer_of_the_rows_domain() -> None:
    gradients = gradients_of_domain_1(build(M3OE, seed=1))
    assert learnt(gradients, "domain_experts.networks.") == {"0", "1", "2"}
    assert learnt(gradients, "pair_gates.0.parts.") == {"1"}
    assert learnt(gradients, "domain_layer.domains.") == {"1"}


def test_m3oes_fusion_starts_even() -> None:
    trunk = build(M3OE, seed=1).trunk
    assert isinstance(trunk, M3oE)
    assert trunk.beta_d is not None
    assert [weight().item() for weight in (trunk.alpha_d, trunk.alpha_t, trunk.beta_d)] == [0.5, 0.5, 0.5]


def test_m3oe_with_one_task_and_one_domain_has_nothing_to_weigh_against() -> None:
    spec = replace(M3OE, tasks=M3OE.tasks[:1], domain=DomainSpec(feature="tab", num_domains=1))
    features = some_features(5)
    ranker = build(spec, seed=1)
    assert score(ranker, replace(features, domain=torch.zeros(5, dtype=torch.int64))).shape == (5, 1)
    assert {name for name in ranker.weights() if "beta" in name} == set()
    assert "D = Expert_d(h)" in describe(spec).equations

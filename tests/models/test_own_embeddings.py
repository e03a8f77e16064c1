"""A model with embeddings per domain reads what one model per domain would read."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from peprank.models import MultiTaskRanker, build, describe
from peprank.spec.model import ModelSpec
from tests.contract.models import EVERY_MODEL, NUM_DOMAINS, SPECIFIC_ALL, some_features

OWN = pytest.mark.parametrize("spec", [SPECIFIC_ALL, EVERY_MODEL["embeddings_per_domain"]])


def of_domain(ranker: MultiTaskRanker, spec: ModelSpec, domain: int) -> MultiTaskRanker:
    """A model of shared embeddings that has those of one domain, and other layers."""
    other = build(replace(spec, domain=None), seed=2)
    weights = ranker.weights()
    own = {name: value for name, value in other.weights().items() if not name.startswith("embeddings.")}
    for name in other.weights().keys() - own.keys():
        copied = name.replace("_dense.", f"_dense.parts.{domain}.")
        own[name] = weights[copied] if copied != name else weights[name].chunk(NUM_DOMAINS)[domain]
    other.load_weights(own)
    return other


def gradients(ranker: MultiTaskRanker, groups: dict[str, Tensor], rows: Tensor) -> dict[str, Tensor]:
    """Of the sum of squares of some rows, by table and dense embedding."""
    torch.autograd.backward(torch.cat([group[rows] for group in groups.values()], dim=1).square().sum())
    found = {name: value.grad for name, value in ranker.embeddings.dense.named_parameters() if value.grad is not None}
    for arena, weight in ranker.sparse_parameters():
        assert weight.grad is not None
        found |= ranker.embeddings.split(arena, weight.grad.to_dense())
    return found


@OWN
def test_a_row_reads_the_embeddings_of_its_domain(spec: ModelSpec) -> None:
    ranker, features = build(spec, seed=1), some_features(30)
    together = ranker.embeddings(features)
    for domain in range(NUM_DOMAINS):
        alone, rows = of_domain(ranker, spec, domain).embeddings(features), features.domain == domain
        for name, group in together.items():
            torch.testing.assert_close(group[rows], alone[name][rows])


@OWN
def test_only_the_embeddings_of_its_domain_learn_from_a_row(spec: ModelSpec) -> None:
    features = some_features(30)
    for domain in range(NUM_DOMAINS):
        ranker, rows = build(spec, seed=1), features.domain == domain
        other = of_domain(ranker, spec, domain)
        own = gradients(ranker, ranker.embeddings(features), rows)
        for name, expected in gradients(other, other.embeddings(features), rows).items():
            for copy in range(NUM_DOMAINS):
                copied = name.replace("_dense.", f"_dense.parts.{copy}.")
                found = own[copied] if copied != name else own[name].chunk(NUM_DOMAINS)[copy]
                torch.testing.assert_close(found, expected if copy == domain else torch.zeros_like(expected))


def test_it_is_told_with_all_copies() -> None:
    shared, own = describe(replace(SPECIFIC_ALL, domain=None)), describe(SPECIFIC_ALL)
    assert own.embedding_parameters == NUM_DOMAINS * shared.embedding_parameters
    assert own.embedding_bytes == NUM_DOMAINS * shared.embedding_bytes
    assert [table.is_per_domain for table in own.tables] == [True] * len(own.tables)
    dense, dense_of_own = shared.parts[0], own.parts[0]
    assert (dense.name, dense_of_own.parameters) == ("dense embeddings", NUM_DOMAINS * dense.parameters)
    assert own.multiply_adds == shared.multiply_adds

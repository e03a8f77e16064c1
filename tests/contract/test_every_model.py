"""What every model must do, whatever its equations."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from peprank.batch import Ids
from peprank.models import MultiTaskRanker, build, score
from peprank.spec.model import ModelSpec
from tests.contract.models import EVERY_MODEL, some_features, some_labels, take_rows
from tests.contract.order import domains_in_order, tasks_in_order

every_model = pytest.mark.parametrize("spec", EVERY_MODEL.values(), ids=EVERY_MODEL)


def total_loss(ranker: MultiTaskRanker, num_rows: int, spec: ModelSpec) -> Tensor:
    return F.binary_cross_entropy_with_logits(ranker(some_features(num_rows)), some_labels(spec, num_rows))


def table_gradients(ranker: MultiTaskRanker) -> dict[str, Tensor]:
    gradients: dict[str, Tensor] = {}
    for arena, weight in ranker.sparse_parameters():
        assert weight.grad is not None
        assert weight.grad.is_sparse
        gradients |= ranker.embeddings.split(arena, weight.grad.to_dense())
    return gradients


def shake(ranker: MultiTaskRanker) -> None:
    """Move all weights and statistics a little: what belongs to a domain may start equal for all domains."""
    g = torch.Generator().manual_seed(3)
    noise = {name: torch.rand(value.shape, generator=g) for name, value in ranker.weights().items()}
    ranker.load_weights({name: value + 0.2 * noise[name] for name, value in ranker.weights().items()})


@every_model
def test_a_row_scores_the_same_alone_and_in_company(spec: ModelSpec) -> None:
    ranker, features = build(spec, seed=1), some_features(9)
    together = score(ranker, features)
    alone = torch.cat([score(ranker, take_rows(features, [b])) for b in range(9)])
    torch.testing.assert_close(alone, together, rtol=1e-6, atol=1e-6)


@every_model
def test_rows_in_another_order_keep_their_scores(spec: ModelSpec) -> None:
    ranker, features = build(spec, seed=1), some_features(9)
    order = [5, 0, 8, 1, 7, 2, 6, 4, 3]
    torch.testing.assert_close(score(ranker, take_rows(features, order)), score(ranker, features)[order])


@every_model
def test_an_empty_batch_has_no_logits(spec: ModelSpec) -> None:
    ranker = build(spec, seed=1)
    assert score(ranker, some_features(0)).shape == (0, sum(task.num_class for task in spec.tasks))


@every_model
def test_gradient_reaches_every_parameter_and_table(spec: ModelSpec) -> None:
    ranker = build(spec, seed=1)
    torch.autograd.backward(total_loss(ranker, 64, spec))
    reached = {name: value.grad is not None and bool(value.grad.any()) for name, value in ranker.dense_parameters()}
    reached |= {table: bool(gradient.any()) for table, gradient in table_gradients(ranker).items()}
    assert [name for name, is_reached in reached.items() if not is_reached] == []
    assert len(table_gradients(ranker)) == sum(table.trainable for table in spec.tables)


@every_model
def test_another_order_of_the_tasks_is_another_order_of_their_logits(spec: ModelSpec) -> None:
    order = [2, 0, 1]  # task k of the one is task order[k] of the other
    ranker, other, features = build(spec, seed=1), build(spec, seed=2), some_features(9)
    other.load_weights(tasks_in_order(ranker, order))
    expected = torch.cat([score(ranker, features)[:, spec.logit_slices[source]] for source in order], dim=1)
    torch.testing.assert_close(score(other, features), expected)


@every_model
def test_numbering_the_domains_otherwise_changes_no_score(spec: ModelSpec) -> None:
    order, names = [2, 0, 1], torch.tensor([1, 2, 0])  # domain k of the one is domain order[k] of the other
    ranker, other, features = build(spec, seed=1), build(spec, seed=2), some_features(9)
    shake(ranker)
    other.load_weights(domains_in_order(ranker, order, "embeddings.tab_emb.weight"))
    domain = names[features.domain]
    renamed = replace(features, ids=features.ids | {"tab": Ids(domain)}, domain=domain)
    torch.testing.assert_close(score(other, renamed), score(ranker, features))


@every_model
def test_weights_go_round(spec: ModelSpec) -> None:
    ranker, other = build(spec, seed=1), build(spec, seed=2)
    features = some_features(9)
    assert not torch.equal(score(ranker, features), score(other, features))
    other.load_weights({name: value.clone() for name, value in ranker.weights().items()})
    assert torch.equal(score(ranker, features), score(other, features))


@every_model
def test_tables_may_lie_elsewhere(spec: ModelSpec) -> None:
    ranker, hollow = build(spec, seed=1), build(spec, seed=2, with_tables=False)
    hollow.adopt(ranker.state_dict())
    assert torch.equal(score(hollow, some_features(9)), score(ranker, some_features(9)))
    for arena, weight in ranker.sparse_parameters():
        assert dict(hollow.sparse_parameters())[arena].data_ptr() == weight.data_ptr()


@every_model
def test_the_seed_fixes_all_weights_and_leaves_the_global_one_alone(spec: ModelSpec) -> None:
    state = torch.get_rng_state()
    first, second = build(spec, seed=7).weights(), build(spec, seed=7).weights()
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(first[name], second[name]) for name in first)


@every_model
def test_it_learns_64_rows_by_heart(spec: ModelSpec) -> None:
    ranker = build(spec, seed=1)
    dense = torch.optim.Adam([value for _, value in ranker.dense_parameters()], lr=0.03)
    tables = [value for _, value in ranker.sparse_parameters() if value.dtype == torch.float32]
    sparse = torch.optim.SparseAdam(tables, lr=0.03)
    first = total_loss(ranker, 64, spec).item()
    for _ in range(100):
        ranker.zero_grad()
        torch.autograd.backward(total_loss(ranker, 64, spec))
        dense.step()
        sparse.step()  # type: ignore[no-untyped-call]
    assert total_loss(ranker, 64, spec).item() < first / 3


@every_model
def test_bfloat16_arithmetic_returns_float32_logits_near_the_exact_ones(spec: ModelSpec) -> None:
    ranker, features = build(spec, seed=1), some_features(9)
    with torch.autocast("cpu", torch.bfloat16):
        logits = score(ranker, features)
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits, score(ranker, features), rtol=0.1, atol=0.05)


@every_model
def test_the_zero_row_gets_no_gradient(spec: ModelSpec) -> None:
    ranker = build(spec, seed=1)
    torch.autograd.backward(total_loss(ranker, 64, spec))
    for _, weight in ranker.sparse_parameters():
        assert weight.grad is not None
        assert not weight.grad.to_dense()[0].any()
        assert not weight[0].any()

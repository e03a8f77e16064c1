"""The folded network and the model are the same function."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from peprank.batch import Features
from peprank.errors import DataError
from peprank.infer import Engine
from peprank.infer.engine import FoldedRanker, is_foldable
from peprank.infer.maps import Arithmetic
from peprank.models import MultiTaskRanker, build, score
from peprank.spec.model import ModelSpec
from tests.contract.models import DOMAIN_TOWERS, EVERY_MODEL, EVERY_PEPNET, EVERY_RIVAL, some_features, take_rows

USER_SIDE = ("user", "tab", "tags", "statistics")  # one with one id, one with any number, and numbers
ONCE = {"nothing": (), "the user": USER_SIDE, "all": ("user", "item", "tab", "tags", "words", "price", "statistics")}


def trained(spec: ModelSpec) -> MultiTaskRanker:
    """A model with no weight and no statistic at its first value."""
    ranker = build(spec, seed=1)
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(2)
        for name, value in ranker.state_dict().items():
            if value.is_floating_point() and "arenas" not in name:
                value.add_(0.2 * torch.rand_like(value))  # above: a variance stays positive
    return ranker.eval()


def one_request(num_rows: int, *, seed: int = 0) -> Features:
    """Rows that agree in USER_SIDE and in the domain."""
    features, user = some_features(num_rows, seed=seed), take_rows(some_features(9, seed=seed), [4] * num_rows)
    ids = {name: (user if name in USER_SIDE else features).ids[name] for name in features.ids}
    numbers = {name: (user if name in USER_SIDE else features).numbers[name] for name in features.numbers}
    return Features(num_rows=num_rows, ids=ids, numbers=numbers, domain=user.domain)


def gap(a: Tensor, b: Tensor) -> float:
    """Largest difference, over the largest number where that is more than 1."""
    assert a.shape == b.shape
    return 0.0 if not a.numel() else ((a - b).abs().max() / b.abs().max().clamp(min=1)).item()


@pytest.mark.parametrize("name", EVERY_MODEL)
def test_the_engine_scores_as_the_model_does(name: str) -> None:
    ranker = trained(EVERY_MODEL[name])
    engines = [Engine(ranker, once=once) for once in (ONCE.values() if name in EVERY_PEPNET else [()])]
    for num_rows in (0, 1, 7, 500):
        for features in (some_features(num_rows), one_request(num_rows)):
            expected = score(ranker, features)
            for engine in engines:
                assert gap(torch.from_numpy(engine.logits(features)), expected) <= 1e-6


@pytest.mark.parametrize("name", EVERY_PEPNET)
def test_folding_loses_nothing(name: str) -> None:
    ranker = trained(EVERY_PEPNET[name]).double()
    assert is_foldable(ranker)
    for features in (in_double(some_features(30)), in_double(one_request(30))):
        for once in ONCE.values():
            with torch.inference_mode():
                logits = FoldedRanker(ranker, Arithmetic(torch.float64), once)(features)
            assert gap(logits, score(ranker, features)) <= 1e-12


def test_only_a_pepnet_is_folded() -> None:
    assert not any(is_foldable(build(spec, seed=1)) for spec in EVERY_RIVAL.values())


def test_the_engine_keeps_the_weights_that_it_was_made_of() -> None:
    ranker, features = trained(DOMAIN_TOWERS), some_features(5)
    assert isinstance(ranker.trunk, nn.Module)
    engine = Engine(ranker)
    before = engine.logits(features)
    with torch.no_grad():
        for value in (*ranker.trunk.parameters(), *ranker.towers.parameters()):
            value.zero_()
    assert np.array_equal(engine.logits(features), before)


def test_rows_of_an_unknown_domain_are_refused_where_towers_are_per_domain() -> None:
    features = replace(some_features(3), domain=torch.tensor([0, 0, 7]))
    engine = Engine(trained(DOMAIN_TOWERS))
    with pytest.raises(DataError, match="domain = 7 in 1 of 3 rows"):
        engine.logits(features)
    with pytest.raises(DataError, match="domain = 7 in 3 of 3 rows"):
        engine.logits(replace(features, domain=torch.full((3,), 7)))


def test_an_id_outside_its_table_is_refused() -> None:
    features = one_request(3)
    features.ids["user"].values.fill_(20)
    with pytest.raises(DataError, match="id 20 is outside table 'user_emb'"):
        Engine(trained(DOMAIN_TOWERS), once=USER_SIDE).logits(features)


def in_double(features: Features) -> Features:
    return replace(features, numbers={name: values.double() for name, values in features.numbers.items()})

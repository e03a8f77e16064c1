"""Requests that are scored together: joining encoded rows changes nothing about any of them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from peprank.batch import MISSING, Features, Ids, concatenate
from peprank.bundle import ConfigSource
from peprank.data import columns_of, conform_table
from peprank.encode.encoder import Encoder
from peprank.models import build, score
from tests import tiny
from tests.contract.models import EVERY_MODEL, some_features, take_rows

ROWS = 24


def parts_of(features: Features, ends: list[int]) -> list[Features]:
    """The rows, cut at these places."""
    bounds = [0, *sorted(ends), features.num_rows]
    return [take_rows(features, list(range(start, end))) for start, end in pairwise(bounds)]


def assert_same(one: Features, other: Features) -> None:
    torch.testing.assert_close(one.domain, other.domain)
    assert (one.num_rows, one.unknown, one.ids.keys()) == (other.num_rows, other.unknown, other.ids.keys())
    for name, ids in one.ids.items():
        for field in ("values", "offsets", "weights"):
            mine, its = getattr(ids, field), getattr(other.ids[name], field)
            assert (mine is its is None) or torch.equal(mine, its), f"{name}.{field}"
    assert one.numbers.keys() == other.numbers.keys()
    assert all(torch.equal(values, other.numbers[name]) for name, values in one.numbers.items())


@given(st.lists(st.integers(0, ROWS), max_size=8))
def test_parts_are_joined_to_what_they_were_cut_from(ends: list[int]) -> None:
    features = some_features(ROWS)
    assert_same(concatenate(parts_of(features, ends)), features)


def test_ids_with_and_without_offsets_or_weights_are_joined() -> None:
    def of(ids: Ids, num_rows: int, unknown: int) -> Features:
        return Features(num_rows, {"tags": ids}, {}, torch.zeros(num_rows, dtype=torch.int64), {"tags": unknown})

    single = Ids(torch.tensor([7, MISSING, 8]))
    bags = Ids(torch.tensor([1, 2, 3]), torch.tensor([0, 2, 2, 3]), torch.tensor([0.5, 1.5, 2.5]))
    joined = concatenate([of(single, 3, 1), of(bags, 3, 2)])
    assert joined.ids["tags"].values.tolist() == [7, 8, 1, 2, 3]
    assert joined.ids["tags"].offsets is not None
    assert joined.ids["tags"].offsets.tolist() == [0, 1, 1, 2, 4, 4, 5]
    assert joined.ids["tags"].weights is not None
    assert joined.ids["tags"].weights.tolist() == [1.0, 1.0, 0.5, 1.5, 2.5]
    assert joined.unknown == {"tags": 3}


@pytest.mark.parametrize("name", EVERY_MODEL)
def test_every_model_scores_joined_rows_as_it_scores_them_alone(name: str) -> None:
    ranker, parts = build(EVERY_MODEL[name], seed=1), parts_of(some_features(ROWS), [1, 1, 9, 20])
    alone = torch.cat([score(ranker, part) for part in parts])
    torch.testing.assert_close(score(ranker, concatenate(parts)), alone, rtol=1e-6, atol=1e-6)


def test_a_thousand_random_groups_of_requests_score_as_each_does_alone() -> None:
    spec = ConfigSource(text=tiny.CONFIG, assets={}).lower().spec
    encoder, ranker, rng = Encoder(spec, serving=True), build(spec.model, seed=3), np.random.default_rng(5)
    requests = [encoder.features(batch) for batch in _requests(rng, num=60)]
    is_ragged = {features.ids["tags"].offsets is not None for features in requests}
    assert is_ragged == {True, False}  # strings are cut only where one holds a separator
    alone = [score(ranker, features) for features in requests]
    worst = 0.0
    for _ in range(1000):
        group = rng.permutation(len(requests))[: rng.integers(1, 12)]
        together = score(ranker, concatenate([requests[k] for k in group]))
        apart = torch.cat([alone[k] for k in group])
        worst = max(worst, float((together.sigmoid() - apart.sigmoid()).abs().max()))
    assert worst <= 1e-6


def _requests(rng: np.random.Generator, num: int) -> list[pa.RecordBatch]:
    """Requests of 1 to 8 rows, whose tags are strings with separators."""
    table = tiny.rows(8 * num, seed=4)
    tags = pa.array(["\x1d".join(cell) for cell in table.column("tags").to_pylist()])
    table = table.set_column(table.schema.get_field_index("tags"), "tags", tags)
    spec = ConfigSource(text=tiny.CONFIG, assets={}).lower().spec
    rows = conform_table(table, columns_of(spec, with_targets=False), "rows")
    return [rows.slice(8 * k, int(rng.integers(1, 9))) for k in range(num)]

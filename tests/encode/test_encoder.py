from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from peprank.batch import MISSING, Features, Ids
from peprank.encode.encoder import NO_KEY, Encoder
from peprank.errors import DataError, SpecError
from peprank.spec.feature import Expression, FeatureSpec, Hashed, Identity, IdFeature, RawFeature, Vocabulary
from peprank.spec.mlp import MLPSpec
from peprank.spec.model import JRC, DomainSpec, TaskSpec
from peprank.spec.multi_domain import StarSpec
from tests.encode.specs import encoder, id_feature, pipeline, raw_feature, rows

WORDS = Vocabulary(words=("a", "b", "3"), ids=(2, 3, 4), rows=5, unknown=1)
INTS, FLOATS, STRINGS = pa.int64(), pa.float64(), pa.string()

# One column of each type that rows may have, by the features that read it.
EVERY_FEATURE: tuple[FeatureSpec, ...] = (
    IdFeature(name="identity", column="int", rule=Identity(rows=5)),
    IdFeature(name="hashed", column="int", rule=Hashed(rows=1000), default=("1",)),
    IdFeature(name="several_defaults", column="int", rule=Identity(rows=5, unknown=0), default=("1", "2")),
    IdFeature(name="word", column="string", rule=WORDS, separator=";"),
    IdFeature(name="whole_word", column="string", rule=Hashed(rows=1000), separator=";", max_values=1),
    IdFeature(name="parsed", column="string", rule=Identity(rows=5), separator=";", default=("4", "0")),
    IdFeature(name="weighted", column="weighted", rule=Hashed(rows=1000), separator=";", weighted=True, max_values=2),
    IdFeature(name="list", column="ints", rule=Identity(rows=5), default=("2",), max_values=2),
    IdFeature(name="words", column="strings", rule=WORDS, default=("b", "q")),
    IdFeature(name="nested", column="nested", rule=Hashed(rows=1000)),
    RawFeature(name="number", column="float", normalizer=Expression(formula="log(x)"), default=(1.0,)),
    RawFeature(name="bucket", column="float", boundaries=(0.0, 1.0)),
    RawFeature(name="buckets", column="floats", boundaries=(0.0, 1.0), value_dim=0, default=()),
    RawFeature(name="pair", column="pair", value_dim=2, default=(3.0, 4.0)),
    RawFeature(name="pair_buckets", column="pair", value_dim=2, boundaries=(0.0,), default=()),
    RawFeature(name="bucketized", column="int", boundaries=(0.0, 1.0), is_bucketized=True),
)
TYPES = {
    "int": INTS,
    "string": STRINGS,
    "weighted": STRINGS,
    "ints": pa.list_(INTS),
    "strings": pa.list_(STRINGS),
    "nested": pa.list_(pa.list_(INTS)),
    "float": FLOATS,
    "floats": pa.list_(FLOATS),
    "pair": pa.list_(FLOATS),
}

ints = st.integers(-2, 6) | st.none()
floats = st.floats(-2, 2) | st.sampled_from((float("nan"), float("inf"), None))
words = st.sampled_from(("a", "b", "3", "q", "", None))


def maybe_lists(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any] | None]:
    return st.lists(values, max_size=3) | st.none()


def separated(values: tuple[str, ...]) -> st.SearchStrategy[str | None]:
    return st.lists(st.sampled_from(values), max_size=3).map(";".join) | st.none()


row = st.fixed_dictionaries(
    {
        "int": ints,
        "string": separated(("a", "b", "3", "q", "")),
        "weighted": separated(("a:2", "b", "c:", "", ":1")),
        "ints": maybe_lists(ints),
        "strings": maybe_lists(words),
        "nested": maybe_lists(maybe_lists(ints)),
        "float": floats,
        "floats": maybe_lists(floats),
        "pair": st.lists(floats, min_size=2, max_size=2) | st.sampled_from(([], None)),
    }
)
row_lists = st.lists(row, max_size=5)
ENCODER = encoder(*EVERY_FEATURE, domain=DomainSpec(feature="identity", num_domains=100))


def batch_of(items: list[dict[str, Any]]) -> pa.RecordBatch:
    return rows(**{name: pa.array([item[name] for item in items], kind) for name, kind in TYPES.items()})


def ragged(ids: Ids) -> tuple[Tensor, Tensor]:
    """Values [N] without MISSING and offsets [B + 1], whichever form the ids are in."""
    if ids.offsets is not None:
        return ids.values, ids.offsets
    present = ids.values != MISSING
    return ids.values[present], torch.cat([torch.zeros(1, dtype=torch.int64), present.cumsum(0)])


def view(features: Features) -> list[dict[str, Any]]:
    """Each row by itself: its ids with their weights, its numbers, its domain."""
    items: list[dict[str, Any]] = [{"domain": domain} for domain in features.domain.tolist()]
    for name, ids in features.ids.items():
        values, offsets = ragged(ids)
        weights = None if ids.weights is None else ids.weights.tolist()
        if ids.weights is not None and ids.offsets is None:
            weights = ids.weights[ids.values != MISSING].tolist()
        for index, item in enumerate(items):
            part = slice(int(offsets[index]), int(offsets[index + 1]))
            item[name] = values[part].tolist(), weights and weights[part]
    for name, numbers in features.numbers.items():
        for item, value in zip(items, numbers.tolist(), strict=True):
            item[name] = value
    return items


def encode_all(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return view(ENCODER.features(batch_of(items)))


@settings(max_examples=30)
@given(row_lists)
def test_rows_are_encoded_alone_as_in_a_batch(items: list[dict[str, Any]]) -> None:
    together = ENCODER.features(batch_of(items))
    alone = [ENCODER.features(batch_of([item])) for item in items]
    assert view(together) == [view(features)[0] for features in alone]
    assert all(len(item) == len(EVERY_FEATURE) + 1 for item in view(together))
    for name in (feature.name for feature in EVERY_FEATURE):
        assert together.unknown.get(name, 0) == sum(features.unknown.get(name, 0) for features in alone)
    assert 0 not in together.unknown.values()


@settings(max_examples=30)
@given(row_lists, st.randoms())
def test_the_order_of_rows_changes_nothing_else(items: list[dict[str, Any]], chance: random.Random) -> None:
    order = list(range(len(items)))
    chance.shuffle(order)
    encoded = encode_all(items)
    assert encode_all([items[index] for index in order]) == [encoded[index] for index in order]


@settings(max_examples=30)
@given(row_lists, st.integers(0, 5), st.integers(0, 5))
def test_a_slice_of_arrow_rows_is_encoded_like_its_rows(items: list[dict[str, Any]], start: int, length: int) -> None:
    part = batch_of(items).slice(min(start, len(items)), length)
    assert view(ENCODER.features(part)) == encode_all(items)[start : start + length]


@settings(max_examples=30)
@given(row_lists)
def test_ids_lie_inside_their_table(items: list[dict[str, Any]]) -> None:
    features = ENCODER.features(batch_of(items))
    assert len(features.ids) + len(features.numbers) == len(EVERY_FEATURE)
    for feature in EVERY_FEATURE:
        if feature.name in features.ids:
            values, _ = ragged(features.ids[feature.name])
            assert all(0 <= index < feature.rows for index in values.tolist())


@settings(max_examples=10)
@given(st.lists(row, min_size=1, max_size=5))
def test_threads_share_one_encoder(items: list[dict[str, Any]]) -> None:
    expected = encode_all(items)
    with ThreadPoolExecutor(4) as pool:
        for encoded in pool.map(encode_all, [items] * 8):
            assert encoded == expected


def test_a_feature_that_no_group_names_is_not_looked_at() -> None:
    features = encoder(id_feature(name="f"), id_feature(name="g", column="absent"), inputs=("f",)).features(rows(c=[1]))
    assert list(features.ids) == ["f"]


def test_ids_with_one_value_per_row_share_one_block() -> None:
    named = [id_feature(name=f"f{index}", column=f"c{index}") for index in range(3)]
    features = encoder(*named).features(rows(c0=[1, 2], c1=["3", "4"], c2=[5, None]))
    tensors = [features.ids[feature.name].values for feature in named]
    assert [tensor.tolist() for tensor in tensors] == [[1, 2], [3, 4], [5, MISSING]]
    assert len({tensor.untyped_storage().data_ptr() for tensor in tensors}) == 1


def test_tensors_may_be_written_without_touching_the_rows() -> None:
    batch = rows(c=[[1], [2]], x=pa.array([1.0, 2.0], pa.float32()))
    features = encoder(id_feature(), raw_feature(name="x", column="x")).features(batch)
    features.ids["f"].values.fill_(9)
    features.numbers["x"].fill_(9)
    assert batch.to_pydict() == {"c": [[1], [2]], "x": [1.0, 2.0]}


# Domains


def domains(feature: FeatureSpec, column: Any) -> list[int]:
    spec = DomainSpec(feature=feature.name, num_domains=feature.rows)
    domain: list[int] = encoder(feature, domain=spec).features(rows(c=column)).domain.tolist()
    return domain


def test_the_domain_is_the_id_of_its_feature() -> None:
    assert domains(id_feature(Identity(rows=3)), [0, 2, 3, None]) == [0, 2, MISSING, MISSING]
    assert domains(id_feature(Identity(rows=3, unknown=0), default=("1",)), [0, 2, 3, None]) == [0, 2, 0, 1]
    assert domains(id_feature(WORDS), ["a", "q", None]) == [2, 1, MISSING]
    assert domains(raw_feature(boundaries=(1.0, 2.0)), [0.5, 1.0, None]) == [0, 1, 0]


def test_a_domain_may_stand_alone_in_a_list() -> None:
    assert domains(id_feature(), [[1], [], None, [2]]) == [1, MISSING, MISSING, 2]


def test_two_domains_in_one_row_are_refused() -> None:
    with pytest.raises(DataError) as error:
        domains(id_feature(), [[1], [1, 2]])
    assert str(error.value) == "domain feature 'f': 1 rows have more than one value; give each row one"


def test_without_a_domain_in_the_plan_all_rows_are_of_domain_0() -> None:
    assert encoder(id_feature()).features(rows(c=[1, 2])).domain.tolist() == [0, 0]


def test_the_domain_needs_no_place_in_a_group() -> None:
    spec = DomainSpec(feature="d", num_domains=100)
    plan = encoder(id_feature(name="f"), id_feature(name="d"), inputs=("f",), domain=spec)
    assert plan.features(rows(c=[7])).domain.tolist() == [7]


@pytest.mark.promise("R-17", "the default of a plan")
def test_the_default_domain_is_looked_up_like_a_rows_value() -> None:
    listed = DomainSpec(feature="f", num_domains=WORDS.rows, default="b")
    assert encoder(id_feature(WORDS), domain=listed).default_domain == 3
    assert encoder(id_feature(), domain=DomainSpec(feature="f", num_domains=100, default="42")).default_domain == 42
    bucket = raw_feature(boundaries=(1.0, 2.0))
    assert encoder(bucket, domain=DomainSpec(feature="f", num_domains=3, default="1.5")).default_domain == 1
    assert encoder(id_feature(), domain=DomainSpec(feature="f", num_domains=100)).default_domain is None
    assert encoder(id_feature()).default_domain is None


@pytest.mark.promise("R-17", "refusals of rows")
def test_an_unknown_domain_is_refused_where_the_domain_picks_parts_of_the_model() -> None:
    shared = DomainSpec(feature="f", num_domains=3)
    plan = pipeline(id_feature(Identity(rows=3)), domain=shared)
    star = StarSpec(group="all", layers=MLPSpec(hidden_dims=(4,)))
    unknown = rows(c=[0, 3])
    assert Encoder(plan).features(unknown).domain.tolist() == [0, MISSING]
    for model in (replace(plan.model, trunk=star), replace(plan.model, domain=replace(shared, num_towers=3))):
        picking = replace(plan, model=model)
        with pytest.raises(DataError, match="1 of 2 rows are of an unknown domain, such as 3, but the domain picks"):
            Encoder(picking).features(unknown)
        known = replace(picking, model=replace(picking.model, domain=replace(shared, default="2")))
        assert Encoder(known, serving=True).features(unknown).domain.tolist() == [0, 2]


@pytest.mark.parametrize("default", ["100", "home", ""])
@pytest.mark.promise("R-17", "defaults that are no domain")
def test_a_default_domain_that_its_feature_does_not_know_is_refused(default: str) -> None:
    with pytest.raises(SpecError) as error:
        encoder(id_feature(), domain=DomainSpec(feature="f", num_domains=100, default=default))
    assert str(error.value) == f"model_config.default_domain = {default!r}: is no value that 'f' knows"


# Keys


def keys(column: Any, **fields: Any) -> list[int]:
    values: list[int] = encoder(id_feature(**fields), gauc_feature="f").keys(rows(c=column))["f"].tolist()
    return values


def test_ints_are_their_own_keys_whatever_the_table_holds() -> None:
    assert keys([5, -1, 2**62, None]) == [5, -1, 2**62, NO_KEY]


@given(st.lists(st.text(max_size=3) | st.none(), max_size=6))
def test_string_keys_are_equal_exactly_for_equal_strings(column: list[str | None]) -> None:
    found = keys(pa.array(column, pa.string()))
    values = [value or None for value in column]
    assert [[a == b for b in found] for a in found] == [[a == b for b in values] for a in values]


def test_a_key_is_the_whole_cell() -> None:
    one, other, again = keys(["a;b", "a", "a;b"], separator=";")
    assert one == again != other


def test_a_key_may_stand_alone_in_a_list() -> None:
    assert keys([[7], [], None, [8]]) == [7, NO_KEY, NO_KEY, 8]
    with pytest.raises(DataError) as error:
        keys([[7, 8]])
    assert str(error.value) == "key column 'c': 1 rows have more than one value; give each row one"


def test_sessions_of_a_loss_are_keys_in_the_targets() -> None:
    task = TaskSpec(name="ctr", label="clk", num_class=2, losses=(JRC(session="f"),))
    targets = encoder(id_feature(), tasks=(task,)).targets(rows(c=[3, 3], clk=[0, 1]))
    assert {name: key.tolist() for name, key in targets.keys.items()} == {"f": [3, 3]}

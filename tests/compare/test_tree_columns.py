from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch

from peprank import config
from peprank.batch import Features, Ids
from peprank.compare.tree_columns import TreeColumns
from peprank.data import columns_of, conform_table
from peprank.encode import Encoder
from peprank.errors import SpecError
from peprank.spec.feature import Identity, IdFeature, RawFeature
from peprank.spec.pipeline import PipelineSpec
from tests import tiny

NAN = float("nan")


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> PipelineSpec:
    return config.lower(config.read(tiny.write(tmp_path_factory.mktemp("tiny")))).spec


def encoded(spec: PipelineSpec, table: pa.Table) -> Features:
    return Encoder(spec).features(conform_table(table, columns_of(spec, with_targets=False), "here"))


def test_columns_of_rows_by_hand(spec: PipelineSpec) -> None:
    table = pa.table(
        {
            "user": pa.array([7, None, 99], pa.int64()),  # 99 lies outside the table: missing
            "item": pa.array(["item-1", "", "item-3"]),
            "tags": pa.array([["a", "c", "a"], [], None], pa.list_(pa.string())),
            "tab": pa.array(["search", "home", "search"]),
            "price": pa.array([0.5, 4.0, None], pa.float32()),
            "age": pa.array([45.0, None, 90.0]),
        }
    )
    features = encoded(spec, table)
    columns = TreeColumns.of(spec, [features])
    assert columns.categories == ("user", "item", "tab")
    assert (columns.buckets, columns.numbers, columns.left_out) == (("price",), ("age",), ())
    assert columns.counts == (("tags", 5),)  # a default and an unknown id stand before the three words
    matrix = columns.matrix(features)
    assert matrix.dtype == np.float32
    item = features.ids["item"].values.numpy()
    tab = features.ids["tab"].values.numpy()
    expected = [  # user, item, tab, bucket of the price (below 1: 0, below 5: 2), age / 90, then how often each tag
        [7, item[0], tab[0], 0, 0.5, 0, 0, 2, 0, 1],
        [NAN, NAN, tab[1], 2, 0.0, 0, 0, 0, 0, 0],
        [NAN, item[2], tab[2], 0, 1.0, 0, 0, 0, 0, 0],  # prices default to 0, as they do for the networks
    ]
    np.testing.assert_array_equal(matrix, np.array(expected, np.float32))


def test_rows_in_batches_have_the_columns_of_rows_together(spec: PipelineSpec) -> None:
    table = tiny.rows(97, seed=5)
    columns = TreeColumns.of(spec, [encoded(spec, table)])
    parts = [columns.matrix(encoded(spec, table.slice(start, 10))) for start in range(0, 97, 10)]
    np.testing.assert_array_equal(np.concatenate(parts), columns.matrix(encoded(spec, table)))


def test_a_large_table_is_left_out_unless_its_ids_are_buckets(spec: PipelineSpec) -> None:
    def grown(feature: IdFeature | RawFeature) -> IdFeature | RawFeature:
        if isinstance(feature, RawFeature):
            return replace(feature, boundaries=tuple(map(float, range(300)))) if feature.name == "price" else feature
        return replace(feature, rule=replace(feature.rule, rows=256)) if feature.name in ("user", "tags") else feature

    spec = replace(spec, features=tuple(map(grown, spec.features)))
    features = encoded(spec, tiny.rows(50))
    columns = TreeColumns.of(spec, [features])
    assert columns.left_out == ("user", "tags")
    assert (columns.categories, columns.buckets, columns.counts) == (("item", "tab"), ("price",), ())


def test_lists_of_one_id_at_most_are_categories(spec: PipelineSpec) -> None:
    table = tiny.rows(4)
    tags = pa.array([["a"], [], ["b"], None], pa.list_(pa.string()))
    features = encoded(spec, table.set_column(table.column_names.index("tags"), "tags", tags))
    columns = TreeColumns.of(spec, [features])
    assert columns.counts == ()
    place = columns.categories.index("tags")
    np.testing.assert_array_equal(columns.matrix(features)[:, place], np.array([2, NAN, 3, NAN], np.float32))


def test_one_row_of_several_ids_in_any_batch_makes_counts(spec: PipelineSpec) -> None:
    one = encoded(spec, tiny.rows(3))
    offsets = torch.tensor([0, 1, 2, 3])
    single = replace(one, ids=one.ids | {"tags": Ids(torch.tensor([2, 3, 4]), offsets)})
    several = replace(one, ids=one.ids | {"tags": Ids(torch.tensor([2, 3, 4]), torch.tensor([0, 2, 2, 3]))})
    assert TreeColumns.of(spec, [single, single]).counts == ()
    columns = TreeColumns.of(spec, [single, several])
    assert columns.counts == (("tags", 5),)
    np.testing.assert_array_equal(columns.matrix(several)[:, -5:], [[0, 0, 1, 1, 0], [0] * 5, [0, 0, 0, 0, 1]])


def test_weighted_ids_count_their_weights(spec: PipelineSpec) -> None:
    one = encoded(spec, tiny.rows(2))
    tags = Ids(torch.tensor([2, 2, 4]), torch.tensor([0, 2, 3]), torch.tensor([0.5, 2.0, -1.0]))
    features = replace(one, ids=one.ids | {"tags": tags})
    columns = TreeColumns.of(spec, [features])
    np.testing.assert_array_equal(columns.matrix(features)[:, -5:], [[0, 0, 2.5, 0, 0], [0, 0, 0, 0, -1]])


def test_several_ids_where_training_had_one_leave_the_last(spec: PipelineSpec) -> None:
    one = encoded(spec, tiny.rows(2))
    single = replace(one, ids=one.ids | {"tags": Ids(torch.tensor([2, -1]))})
    columns = TreeColumns.of(spec, [single])
    several = replace(one, ids=one.ids | {"tags": Ids(torch.tensor([2, 3]), torch.tensor([0, 2, 2]))})
    place = columns.categories.index("tags")
    np.testing.assert_array_equal(columns.matrix(single)[:, place], np.array([2, NAN], np.float32))
    np.testing.assert_array_equal(columns.matrix(several)[:, place], np.array([3, NAN], np.float32))


def test_a_plan_of_large_ids_only_is_refused(spec: PipelineSpec) -> None:
    user = IdFeature(name="user", column="user", rule=Identity(rows=1000))
    features = Features(1, {"user": Ids(torch.tensor([1]))}, {}, torch.tensor([0]))
    message = r"^feature_names = \('user',\): are all ids of more than 255 values, which trees leave out; add a"
    with pytest.raises(SpecError, match=message):
        TreeColumns.of(replace(spec, features=(user,)), [features])

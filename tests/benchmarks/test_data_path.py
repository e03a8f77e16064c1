"""The data path's benchmark reads every row, and text ids are the integers' own spelling."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq

from benchmarks import data_path, workload
from peprank.data import Order, columns_of, open_rows
from peprank.encode import Encoder
from peprank.encode.hashing import murmur64

WORK = workload.taobao(quick=True)


def test_all_ways_to_read_give_every_row() -> None:
    spec = WORK.plan()
    assert data_path.pyarrow_rows(spec) == data_path.encoded_rows(spec) == WORK.train_rows
    assert data_path.encoded_rows(spec, Order(seed=1, epoch=0, buffer_rows=1000)) == WORK.train_rows


def test_text_ids_are_hashed_into_tables_of_the_same_size() -> None:
    spec = WORK.plan()
    assert data_path.hashed_columns(spec) == ("user", "item", "brand", "tab")  # the largest tables first
    texts = data_path.reading_texts(spec, WORK)
    reader = open_rows(texts.train_inputs, texts.data, columns_of(texts, with_targets=True), batch_rows=100)
    features = Encoder(texts).features(next(reader.batches()))
    users = pq.read_table(WORK.train)["user"].slice(0, 100).combine_chunks()
    wanted = murmur64(users.cast("string")) % np.uint64(texts.feature("user").rows)
    np.testing.assert_array_equal(features.ids["user"].values.numpy(), wanted.astype(np.int64))
    assert texts.feature("user").rows == spec.feature("user").rows


def test_the_quick_form_has_a_row_for_each_kind_of_id_and_way_to_read() -> None:
    (section,) = data_path.run(quick=True)
    assert [row[1] for row in section.rows] == ["pyarrow alone", "in file order", "shuffled"] * 2
    assert len({row[0] for row in section.rows}) == 2
    assert [aim.target for aim in section.aims] == [2e6, 2e6, 4e5, 4e5]

"""What is true of the judged rows, and rows in files by domain."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peprank import config
from peprank.compare.rows import REST, _parts, split, truth_of
from peprank.data import columns_of, conform_table
from peprank.spec.pipeline import PipelineSpec
from tests import tiny


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> PipelineSpec:
    folder = tmp_path_factory.mktemp("rows")
    spec = config.load(tiny.write(folder, train_rows=300, val_rows=200)).spec
    rows = tiny.rows(200, seed=2)
    user = pa.array([None if k % 7 == 0 else value for k, value in enumerate(rows["user"].to_pylist())])
    pq.write_table(rows.set_column(rows.schema.get_field_index("user"), "user", user), folder / "val.parquet")
    return spec


def test_truth_is_what_stands_in_the_rows(spec: PipelineSpec) -> None:
    truth, rows = truth_of(spec), pq.read_table(spec.eval_inputs[0])
    assert truth.labels[:, 0].tolist() == rows["click"].to_pylist()
    assert truth.labels[:, 1].tolist() == rows["buy"].to_pylist()
    assert truth.domains.tolist() == rows["tab"].to_pylist()
    users = rows["user"].to_pylist()
    for first in range(200):
        for second in range(first):
            is_same = users[first] is not None and users[first] == users[second]
            assert (truth.users[first] == truth.users[second]) == is_same


def test_each_row_is_in_the_files_of_its_domain_once_and_in_order(spec: PipelineSpec, tmp_path: Path) -> None:
    truth = truth_of(spec)
    parts = split(spec, truth, tmp_path, pool_below=10)
    assert set(parts) == {"home", "search"}
    for inputs, files in ((spec.train_inputs, "train_inputs"), (spec.eval_inputs, "eval_inputs")):
        whole = conform_table(pq.read_table(inputs[0]), columns_of(spec, with_targets=True), "rows")
        for name, part in parts.items():
            (file,) = getattr(part, files)
            assert pq.read_table(file).to_pylist() == whole.filter(pa.compute.equal(whole["tab"], name)).to_pylist()
    assert sum(part.train_rows for part in parts.values()) == 300
    assert sorted(np.concatenate([part.positions for part in parts.values()])) == list(range(200))


def test_small_domains_share_a_part(spec: PipelineSpec, tmp_path: Path) -> None:
    (part,) = split(spec, truth_of(spec), tmp_path, pool_below=1000).items()
    assert (part[0], part[1].train_rows, len(part[1].positions)) == (REST, 300, 200)


@given(st.dictionaries(st.text(min_size=1, max_size=3), st.integers(0, 50), min_size=1), st.integers(1, 40))
def test_no_part_is_too_small_unless_all_rows_are(counts: dict[str, int], pool_below: int) -> None:
    sizes = Counter[str]()
    part_of = _parts(counts, pool_below)
    for name, count in counts.items():
        assert part_of[name] in (name, REST)
        sizes[part_of[name]] += count
    assert min(sizes.values()) >= min(pool_below, sum(counts.values()))

"""Ids of every kind: one bucket, or one error, whether they come from a file, from a table or in a request."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from peprank.batch import Features, concatenate
from peprank.data import columns_of, open_rows
from peprank.data.rows import conform_table
from peprank.encode import Encoder
from peprank.errors import DataError, RequestError
from peprank.serve.request import InferRequest, InputTensor
from peprank.serve.rows import RequestRows
from peprank.spec.feature import FeatureSpec, Hashed, Identity, IdFeature, Vocabulary
from tests.encode.specs import pipeline
from tests.promises import Reached, Times

MOST = 10_000  # rows of a request
WORDS = Vocabulary(words=("a", "7", "-1", "\u00fc"), ids=(1, 2, 3, 4), rows=5, unknown=0)
FEATURES: tuple[FeatureSpec, ...] = (
    IdFeature(name="hashed", column="id", rule=Hashed(rows=1_000_003), max_values=1),
    IdFeature(name="listed", column="id", rule=WORDS, max_values=1),
    IdFeature(name="bounded", column="id", rule=Identity(rows=100, unknown=99), max_values=1),
    IdFeature(name="strict", column="id", rule=Identity(rows=100), max_values=1),
)
SPEC = pipeline(*FEATURES)
TRAINING, SERVING = Encoder(SPEC), Encoder(SPEC, serving=True)
REQUESTS = RequestRows(SPEC, SERVING)
EDGES = (-1, 0, 1, 99, 100, 2**31, 2**53 + 1, 2**63 - 1, -(2**63))
ODD = (b"", b" ", b"\x00", b"\xff\xfe", b"\xc3\xbc", b"x" * 10_000, b"7", b"-1", b"007", b"0x10", b"9" * 40, b"\x1d")


def whole_numbers(rng: np.random.Generator, num: int) -> pa.Array:
    return pa.array(np.concatenate([EDGES, rng.integers(-(2**63), 2**63, num, np.int64)]))


def texts(rng: np.random.Generator, num: int) -> pa.Array:
    """Bytes of any kind as text, most of them no UTF-8, and numbers as text."""
    drawn = [rng.bytes(length) for length in rng.integers(0, 24, num // 2)]
    numbers = [str(number).encode() for number in rng.integers(-50, 200, num // 2)]
    return pa.array([*ODD, *drawn, *numbers], pa.binary()).view(pa.string())


def from_file(ids: pa.Array, path: Path) -> Features:
    """As training and `predict` read them."""
    pq.write_table(pa.table({"id": ids}), path)
    (rows,) = open_rows(
        [str(path)], SPEC.data, columns_of(SPEC, with_targets=False), batch_rows=max(len(ids), 1)
    ).batches()
    return TRAINING.features(rows)


def from_table(ids: pa.Array) -> Features:
    """As a scorer reads them in Python."""
    return SERVING.features(conform_table(pa.table({"id": ids}), columns_of(SPEC, with_targets=False), "here"))


def from_request(ids: pa.Array) -> Features:
    """As the server reads them, in requests of the most rows that it takes."""
    return concatenate([_requested(ids.slice(start, MOST)) for start in range(0, len(ids), MOST)])


def _requested(ids: pa.Array) -> Features:
    datatype = "INT64" if pa.types.is_int64(ids.type) else "UINT64" if pa.types.is_uint64(ids.type) else "BYTES"
    values = ids.view(pa.binary()) if datatype == "BYTES" else ids
    tensor = InputTensor(name="id", datatype=datatype, shape=(len(ids),), values=values)
    return REQUESTS.features(InferRequest(inputs={"id": tensor})).features


@pytest.mark.promise("R-16", "random ids in training, prediction and serving")
@pytest.mark.parametrize("kind", [whole_numbers, texts])
def test_an_id_has_one_bucket_wherever_it_is_met(kind: object, tmp_path: Path, times: Times, reached: Reached) -> None:
    num = times(2_000, 500_000)
    assert callable(kind)
    ids = kind(np.random.default_rng(16), num)
    trained, scored, served = from_file(ids, tmp_path / "a.parquet"), from_table(ids), from_request(ids)
    for feature in FEATURES:
        buckets = trained.ids[feature.name].values
        assert (buckets < feature.rows).all()
        assert (buckets == scored.ids[feature.name].values).all()
        assert (buckets == served.ids[feature.name].values).all()
    assert trained.unknown == scored.unknown == served.unknown
    reached(f"{len(ids):,} {'whole numbers' if kind is whole_numbers else 'texts'}: one bucket each")


@pytest.mark.promise("R-16", "ids that no bucket can hold")
def test_an_id_that_does_not_fit_is_the_same_error_everywhere(tmp_path: Path) -> None:
    ids = pa.array([1, 2**64 - 1], pa.uint64())
    says = "column 'id' is uint64 and does not fit int64: Integer value 18446744073709551615 not in range"
    with pytest.raises(DataError, match=says):
        from_file(ids, tmp_path / "a.parquet")
    with pytest.raises(DataError, match=says):
        from_table(ids)
    with pytest.raises((DataError, RequestError), match=says):
        from_request(ids)

"""From Parquet to encoded batches, without a model: how many rows a second the data path gives to the training step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import workload
from benchmarks.section import Aim, Section, spread
from benchmarks.timing import in_turn, rates
from benchmarks.workload import CACHE, Workload
from peprank.data import Order, columns_of, open_rows
from peprank.encode import Encoder
from peprank.spec.feature import FeatureSpec, Hashed, Identity, IdFeature
from peprank.spec.pipeline import PipelineSpec
from peprank.training.batches import encoded

TEXT_COLUMNS = 10
_INTEGERS, _TEXTS = "ids that are integers already", f"{TEXT_COLUMNS} id columns of text to hash"
_ROUNDS = 5


def run(quick: bool) -> list[Section]:
    """Measure reading and encoding, of integer and of text ids, in the order of the file and shuffled."""
    work = workload.taobao(quick=quick)
    integers = work.plan()
    texts = reading_texts(integers, work)
    calls: dict[tuple[str, str], Callable[[], int]] = {}
    for ids, spec in ((_INTEGERS, integers), (_TEXTS, texts)):
        shuffled = Order(seed=1, epoch=0, buffer_rows=spec.data.batch_rows * spec.data.shuffle_batches)
        calls[ids, "pyarrow alone"] = partial(pyarrow_rows, spec)
        calls[ids, "in file order"] = partial(encoded_rows, spec)
        calls[ids, "shuffled"] = partial(encoded_rows, spec, shuffled)
    found = {key: call() for key, call in calls.items()}
    assert set(found.values()) == {work.train_rows}, f"rows: {found}: must be {work.train_rows:,} each"
    named = {" / ".join(key): call for key, call in calls.items()}
    seconds = in_turn(named, 1 if quick else _ROUNDS)
    speed = {key: rates(work.train_rows, seconds[" / ".join(key)]) for key in calls}
    return [_section(work, integers, speed)]


def encoded_rows(spec: PipelineSpec, order: Order | None = None) -> int:
    """Read and encode all training rows as training does, and return how many there were."""
    reader = open_rows(spec.train_inputs, spec.data, columns_of(spec, with_targets=True))
    with closing(encoded(reader.batches(order=order), Encoder(spec))) as batches:
        return sum(batch.num_rows for batch in batches)


def pyarrow_rows(spec: PipelineSpec) -> int:
    """Decode the same columns with pyarrow on all cores and drop them; return how many rows there were."""
    names = [column.name for column in columns_of(spec, with_targets=True)]
    (path,) = spec.train_inputs
    return sum(rows.num_rows for rows in pq.ParquetFile(path).iter_batches(spec.data.batch_rows, columns=names))


def hashed_columns(spec: PipelineSpec) -> tuple[str, ...]:
    """The id columns with the most values, at most ten."""
    plain = [f for f in spec.features if isinstance(f, IdFeature) and isinstance(f.rule, Identity)]
    largest = sorted(plain, key=lambda feature: -feature.rows)[:TEXT_COLUMNS]
    return tuple(feature.column for feature in largest)


def reading_texts(spec: PipelineSpec, work: Workload) -> PipelineSpec:
    """The plan over the same rows with text in the `hashed_columns`, hashed into tables of the same size."""
    columns = hashed_columns(spec)
    features = tuple(_hashed(feature) if feature.column in columns else feature for feature in spec.features)
    return replace(spec, train_inputs=(str(_text_rows(work, columns)),), features=features)


def _hashed(feature: FeatureSpec) -> FeatureSpec:
    assert isinstance(feature, IdFeature)
    return replace(feature, rule=Hashed(rows=feature.rows))


def _text_rows(work: Workload, columns: Sequence[str]) -> Path:
    """The training rows with `columns` as text, in row groups of the same size."""

    def write(out: Path) -> None:
        table = pq.read_table(work.train)
        for name in columns:
            table = table.set_column(table.column_names.index(name), name, table[name].cast(pa.string()))
        group_rows = pq.read_metadata(work.train).row_group(0).num_rows
        pq.write_table(table, out, row_group_size=group_rows, compression="snappy")

    return workload.kept(CACHE / "texts" / f"{work.train_rows}-rows.parquet", write)


def _section(work: Workload, spec: PipelineSpec, speed: dict[tuple[str, str], list[float]]) -> Section:
    return Section(
        title="Data path",
        text=f"{work.name}: {work.train_rows:,} rows of {len(columns_of(spec, with_targets=True))} columns, read from "
        f"one Parquet file, conformed and encoded into batches of {spec.data.batch_rows:,}, without a model. "
        "*pyarrow alone* decodes the same columns on all cores and drops them.",
        columns=("ids", "how", "rows/s"),
        rows=[[ids, how, spread(found)] for (ids, how), found in speed.items()],
        aims=[
            Aim(f"data path, {ids}, {how}", target, speed[ids, how], "rows/s")
            for ids, target in ((_INTEGERS, 2e6), (_TEXTS, 4e5))
            for how in ("in file order", "shuffled")
        ],
    )

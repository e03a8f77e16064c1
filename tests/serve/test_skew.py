"""A row has one score, whichever way it takes and whatever rows go beside it: R-22 and R-23."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from peprank import bundle as bundles
from peprank.bundle import ConfigSource
from peprank.data import columns_of, conform_table, open_rows
from peprank.datasets import make
from peprank.datasets.kuairand import DayRange, convert
from peprank.evaluation import evaluate
from peprank.evaluation import run as evaluation
from peprank.infer import Precision
from peprank.models import build
from peprank.onnx import OnnxScorer, export
from peprank.predict import Scorer
from peprank.predict.files import predict_files
from peprank.serve import model as models
from peprank.serve.app import create_app
from peprank.serve.example import example_request
from peprank.serve.items import item_columns
from peprank.serve.metrics import Metrics
from peprank.serve.model import ServedModel
from peprank.serve.queue import ModelQueue, QueueSettings
from peprank.serve.repository import Repository
from peprank.serve.settings import Settings
from tests.promises import Reached, Times
from tests.serve.models import read_rows
from tests.serve.test_app import as_binary
from tests.shared import SHARED

Probs = NDArray[np.float32]  # [N, T]
CONFIG = (files("peprank.datasets") / "kuairand.config").read_text("utf-8")
TOLERANCE = 1e-6
LARGEST = 600  # rows of a request


@dataclass(frozen=True)
class Known:
    """A model of random weights, and rows of all tabs."""

    folder: Path
    data: str  # whose rows they are
    scorer: Scorer
    table: pa.Table  # with labels

    @property
    def path(self) -> Path:
        return self.folder / "rows.parquet"

    @cached_property
    def rows(self) -> pa.RecordBatch:
        """What the model reads, conformed."""
        return conform_table(self.table, self.scorer.columns, "rows")

    @cached_property
    def wanted(self) -> Probs:
        """The network that was trained, over all rows at once."""
        return self.probs(self.scorer.logits(self.scorer.encoder.features(self.rows)))

    def probs(self, logits: NDArray[np.float32]) -> Probs:
        return np.stack([v for k, v in self.scorer.output_arrays(logits).items() if k in self.names], axis=1)

    @property
    def names(self) -> list[str]:
        return [name for name in self.scorer.output_names if name.startswith("probs")]


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory, times: Times) -> Known:
    folder = tmp_path_factory.mktemp("skew")
    num_rows = times(2_000, 100_000)
    data = write_rows(folder, num_rows)
    source = ConfigSource(text=CONFIG, assets={})
    spec = source.lower().spec
    table = some_of(pq.read_table(folder / "val.parquet"), num_rows)
    golden = conform_table(table.slice(0, 64), columns_of(spec, with_targets=False), "rows")
    weights = build(spec.model, seed=5).weights()
    bundles.save(folder / "bundle", source, weights, pa.Table.from_batches([golden]), step=1)
    known = Known(folder, data, Scorer(bundles.load(folder / "bundle")), table)
    pq.write_table(table, known.path)
    assert min(np.ptp(known.wanted, axis=0)) > 0.1  # it says something about a row
    return known


def write_rows(folder: Path, num: int) -> str:
    """At least so many rows as val.parquet: KuaiRand's where the archive is, else made-up ones."""
    archive = SHARED / "data" / "KuaiRand-Pure"
    if not archive.is_dir():
        make(folder, rows=6 * num, domains=15)
        return "made-up rows"
    convert(archive, folder, train=DayRange.parse("20220425"), val=DayRange.parse("20220426:20220506"))
    return "rows of KuaiRand"


def some_of(table: pa.Table, num: int) -> pa.Table:
    """So many rows, of all tabs, users side by side."""
    rng = np.random.default_rng(1)
    first = np.unique(table["tab"].to_numpy(), return_index=True)[1]
    others = rng.permutation(np.setdiff1d(np.arange(table.num_rows), first))
    return table.take(np.concatenate([first, others[: num - len(first)]])).sort_by("user_id")


# Ways


def by_evaluate(known: Known, monkeypatch: pytest.MonkeyPatch) -> Probs:
    """What `peprank evaluate` judges."""
    scorer, seen, score = known.scorer, list[NDArray[np.float32]](), evaluation.scored

    def scored(*args: Any, **kwargs: Any) -> NDArray[np.float32]:
        seen.append(score(*args, **kwargs))
        return seen[-1]

    monkeypatch.setattr(evaluation, "scored", scored)
    columns = columns_of(scorer.spec, with_targets=True)
    batches = open_rows([str(known.path)], scorer.spec.data, columns, batch_rows=8192).batches()
    evaluate(scorer.ranker, scorer.encoder, batches, scorer.spec)
    return known.probs(np.concatenate(seen))


def by_predict(known: Known) -> Probs:
    """What `peprank predict` writes."""
    out = known.folder / "scores.parquet"
    predict_files(known.scorer, [str(known.path)], out)
    scores = pq.read_table(out)
    return np.stack([scores[name].to_numpy() for name in known.names], axis=1)


def by_onnx(known: Known) -> Probs:
    """ONNX Runtime, in groups of any size."""
    export(known.scorer, bundles.read_rows(known.folder / "bundle"), known.folder / "graph")
    onnx = OnnxScorer.load(known.folder / "graph", threads=1)
    found = [onnx.score(known.scorer.encoder.features(group)) for group in groups(known.rows)]
    return np.concatenate([np.stack([part[name] for name in known.names], axis=1) for part in found])


def by_server(known: Known, write: Callable[[ServedModel, pa.RecordBatch], Body], batch_rows: int) -> Probs:
    """The server's answers to requests of any size, eight at a time."""
    return asyncio.run(answers(known, write, groups(known.rows), batch_rows))


Body = tuple[bytes, dict[str, str]]  # and headers


def as_json(model: ServedModel, rows: pa.RecordBatch) -> Body:
    """All inputs of each row."""
    return orjson.dumps(example_request(model, rows)), {}


def as_bytes(model: ServedModel, rows: pa.RecordBatch) -> Body:
    """Inputs that a user's rows agree in once per user, in binary."""
    users, counts = np.unique(rows.column("user_id").to_numpy(), return_counts=True)
    firsts, user_of_row = np.cumsum(counts) - counts, np.repeat(np.arange(len(users)), counts)
    rows = with_gaps(rows)
    each, once = (example_request(model, taken) for taken in (rows, rows.take(pa.array(firsts))))
    tensors = {tensor["name"]: tensor for tensor in each["inputs"]}
    for name in set(rows.schema.names) - item_columns(model.scorer.spec):
        column = rows.column(name)
        if column.take(pa.array(firsts)).take(pa.array(user_of_row)).equals(column):
            tensors = {key: tensor for key, tensor in tensors.items() if key.split(".")[0] != name}
            tensors |= {tensor["name"]: tensor for tensor in once["inputs"] if tensor["name"].split(".")[0] == name}
    candidates = {"name": "candidates", "shape": [len(users)], "datatype": "INT64", "data": counts.tolist()}
    return as_binary({"inputs": [*tensors.values(), candidates]})


def with_gaps(rows: pa.RecordBatch) -> pa.RecordBatch:
    """A cell that is missing as a list without values: bytes know no null."""
    columns = [column if not column.null_count else listed(column) for column in rows.columns]
    return pa.RecordBatch.from_arrays(columns, names=rows.schema.names)


def listed(column: pa.Array) -> pa.Array:
    if pa.types.is_list(column.type):
        return pc.fill_null(column, pa.scalar([], column.type))
    ends = np.concatenate(([0], np.cumsum(column.is_valid().to_numpy(zero_copy_only=False))))
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), column.drop_null())


async def answers(
    known: Known, write: Callable[[ServedModel, pa.RecordBatch], Body], parts: Iterable[pa.RecordBatch], batch_rows: int
) -> Probs:
    with house(known, batch_rows) as (client, model):
        places = asyncio.Semaphore(8)

        async def ask(rows: pa.RecordBatch) -> Probs:
            async with places:
                body, headers = write(model, rows)
                answer = await client.post("/v2/models/bundle/infer", content=body, headers=headers)
            assert answer.status_code == 200, answer.text
            outputs = {output["name"]: output["data"] for output in answer.json()["outputs"]}
            return np.stack([np.array(outputs[name], np.float32) for name in known.names], axis=1)

        return np.concatenate(await asyncio.gather(*map(ask, parts)))


@contextmanager
def house(known: Known, batch_rows: int) -> Iterator[tuple[httpx.AsyncClient, ServedModel]]:
    """The whole server but its socket."""

    def load(path: Path, name: str, version: str) -> ServedModel:
        return models.load(path, name, version, read_rows, precision=Precision.FLOAT32)

    path, metrics = known.folder / "bundle", Metrics()
    repository = Repository(path, load)
    repository.start()
    queue = ModelQueue(QueueSettings(batch_rows=batch_rows, max_delay_s=0.002 if batch_rows else 0.0), metrics)
    app = create_app(repository, queue, metrics, Settings(path=path, deadline_ms=3_600_000))
    with repository.get("bundle") as model:
        yield httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here", timeout=None), model


def groups(rows: pa.RecordBatch, seed: int = 0) -> list[pa.RecordBatch]:
    """All rows, cut anywhere: the first alone, then groups small and large."""
    rng, ends = np.random.default_rng(seed), [0, 1]
    while ends[-1] < rows.num_rows:
        ends.append(ends[-1] + int(np.exp(rng.uniform(0, np.log(LARGEST)))))
    return [rows.slice(start, end - start) for start, end in pairwise(ends)]


# Promises


@pytest.mark.promise("R-22", "rows, each by five ways")
def test_a_row_has_one_score(known: Known, monkeypatch: pytest.MonkeyPatch, reached: Reached) -> None:
    num_tabs = len(known.rows.column("tab").unique())
    assert num_tabs == len(pq.read_table(known.folder / "val.parquet", columns=["tab"])["tab"].unique())
    evaluated, predicted = by_evaluate(known, monkeypatch), by_predict(known)
    assert np.array_equal(evaluated, predicted)  # the same batches: the same bits
    found = {
        "predict": predicted,
        "JSON": by_server(known, as_json, 0),
        "binary, batched": by_server(known, as_bytes, 1000),
        "ONNX": by_onnx(known),
    }
    apart = {way: float(np.abs(probs - known.wanted).max()) for way, probs in found.items()}
    told = ", ".join(f"{way} {distance:.1e}" for way, distance in apart.items())
    reached(f"{known.rows.num_rows:,} {known.data}, {num_tabs} tabs; farthest from the network's probability: {told}")
    assert all(distance <= TOLERANCE for distance in apart.values()), apart


@pytest.mark.promise("R-23", "random regroupings")
def test_a_rows_score_does_not_depend_on_its_mates(known: Known, times: Times, reached: Reached) -> None:
    count, rng, apart = times(20, 1_000), np.random.default_rng(2), 0.0
    with house(known, 0) as (_, model):
        for _ in range(count):
            places = rng.permutation(known.rows.num_rows)[: int(rng.integers(1, 300))]
            features = model.scorer.encoder.features(known.rows.take(pa.array(places)))
            apart = max(apart, farthest(known, places, [known.scorer.logits(features), model.logits(features)]))
    reached(f"{count:,} regroupings, at most {apart:.1e} apart")
    assert apart <= TOLERANCE


def farthest(known: Known, places: NDArray[np.int64], logits: Sequence[NDArray[np.float32]]) -> float:
    return max(float(np.abs(known.probs(each) - known.wanted[places]).max()) for each in logits)

"""The same rows through torch and through ONNX Runtime, in any grouping: the short form of R-22."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from peprank import bundle as bundles
from peprank.bundle import ConfigSource
from peprank.data import columns_of, conform_table
from peprank.datasets import make
from peprank.models import build
from peprank.onnx import OnnxScorer, export
from peprank.predict import Scorer

ROWS = 4000
CONFIG = (files("peprank.datasets") / "kuairand.config").read_text("utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made-up rows of 15 domains, and an untrained model."""
    folder = tmp_path_factory.mktemp("skew")
    make(folder, rows=5 * ROWS, domains=15)
    source = ConfigSource(text=CONFIG, assets={})
    columns = columns_of(source.lower().spec, with_targets=False)
    golden = conform_table(pq.read_table(folder / "val.parquet").slice(0, 64), columns, "val.parquet")
    weights = build(source.lower().spec.model, seed=5).weights()
    bundles.save(folder / "bundle", source, weights, pa.Table.from_batches([golden]), step=1)
    return folder


def test_thousands_of_rows_agree_however_they_are_grouped(folder: Path) -> None:
    scorer = Scorer(bundles.load(folder / "bundle"))
    export(scorer, bundles.read_rows(folder / "bundle"), folder / "graph")
    onnx = OnnxScorer.load(folder / "graph", threads=1)
    rows = conform_table(pq.read_table(folder / "val.parquet"), scorer.columns, "val.parquet")
    assert rows.num_rows == ROWS
    assert len(rows.column("tab").unique()) == 15
    outputs = scorer.output_arrays(scorer.logits(scorer.encoder.features(rows)))
    wanted = {name: values for name, values in outputs.items() if name.startswith("probs")}
    assert min(np.ptp(values) for values in wanted.values()) > 0.1  # they say something about a row
    starts = np.concatenate(([0, 1], np.sort(np.random.default_rng(0).choice(np.arange(2, ROWS), 40, replace=False))))
    found = [
        onnx.score(scorer.encoder.features(rows.slice(start, end - start)))
        for start, end in zip(starts, [*starts[1:], ROWS], strict=True)
    ]
    for name, values in wanted.items():
        assert np.abs(np.concatenate([part[name] for part in found]) - values).max() <= 1e-6, name

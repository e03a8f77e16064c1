"""Golden rows: a few raw rows kept with their scores, replayed to prove that a model still scores as it did."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from peprank.data import columns_of, open_rows
from peprank.encode import Encoder
from peprank.errors import ArtifactError, DataError
from peprank.models import MultiTaskRanker, score
from peprank.spec.pipeline import PipelineSpec

GOLDEN_ROWS = 64
_ROWS, _LOGITS = "golden_rows.parquet", "golden_logits.parquet"
_TOLERANCE = 1e-5  # of a logit, absolute and relative: other processors round sums in another order


def draw_golden_rows(spec: PipelineSpec) -> pa.Table:
    """The first rows of the evaluation input, or of the training input where there are none; inputs only, no labels.

    Raises:
        DataError: neither has rows, or they cannot be read.
    """
    columns = columns_of(spec, with_targets=False)
    for inputs in filter(None, (spec.eval_inputs, spec.train_inputs)):
        reader = open_rows(inputs, spec.data, columns, batch_rows=GOLDEN_ROWS)
        for rows in reader.batches():
            return pa.Table.from_batches([rows.replace_schema_metadata()])  # without where they were read
    raise DataError(f"{', '.join(spec.train_inputs)}: has no rows to train on")


def write_rows(directory: Path, rows: pa.Table) -> None:
    """Keep golden rows in `directory`."""
    pq.write_table(rows, directory / _ROWS)


def read_rows(directory: Path) -> pa.Table:
    """Golden rows of `directory`.

    Raises:
        ArtifactError: it has none, or they cannot be read.
    """
    return _read(directory / _ROWS)


def _read(path: Path) -> pa.Table:
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise ArtifactError(f"{path}: cannot be read ({error})") from error
    if not table.num_rows:
        raise ArtifactError(f"{path}: has no rows, so nothing proves this model; export the bundle again")
    return table


def golden_logits(rows: pa.Table, encoder: Encoder, ranker: MultiTaskRanker) -> np.ndarray:
    """float32 [golden rows, K]."""
    batch = rows.combine_chunks().to_batches()[0]
    return score(ranker, encoder.features(batch)).numpy()


def write_logits(directory: Path, logits: np.ndarray) -> None:
    """Keep the scores of the golden rows."""
    pq.write_table(pa.table({f"logit_{k}": column for k, column in enumerate(logits.T)}), directory / _LOGITS)


def replay(directory: Path, encoder: Encoder, ranker: MultiTaskRanker) -> None:
    """Score the golden rows again.

    Raises:
        ArtifactError: a score is not what it was when the bundle was made.
    """
    kept = np.stack([column.to_numpy() for column in _read(directory / _LOGITS).columns], axis=1)
    now = golden_logits(read_rows(directory), encoder, ranker)
    if kept.shape == now.shape and np.allclose(now, kept, rtol=_TOLERANCE, atol=_TOLERANCE):
        return
    apart = f"{np.abs(now - kept).max():.3g}" if kept.shape == now.shape else f"shape {now.shape} for {kept.shape}"
    raise ArtifactError(
        f"{directory}: the golden rows no longer score as they did (largest difference of a logit: {apart}); "
        "the weights, the encoder or a library changed, export the bundle again"
    )

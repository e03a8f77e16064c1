"""Run a model over labelled rows and judge it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from itertools import islice

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from peprank.batch import Features
from peprank.data.ahead import ahead
from peprank.drift import DriftWatch
from peprank.encode import Encoder
from peprank.evaluation.evaluation import Evaluation
from peprank.evaluation.results import Results
from peprank.models import MultiTaskRanker, score
from peprank.spec.pipeline import PipelineSpec


def evaluate(
    ranker: MultiTaskRanker,
    encoder: Encoder,
    batches: Iterable[pa.RecordBatch],
    spec: PipelineSpec,
    *,
    by: str | None = None,
    bf16: bool = False,
    watch: DriftWatch | None = None,
    on_rows: Callable[[int], None] | None = None,
) -> Results:
    """Score labelled rows and judge the model by task, by domain and overall; arguments and errors of `collect`."""
    return collect(ranker, encoder, batches, spec, by=by, bf16=bf16, watch=watch, on_rows=on_rows).result()


def collect(
    ranker: MultiTaskRanker,
    encoder: Encoder,
    batches: Iterable[pa.RecordBatch],
    spec: PipelineSpec,
    *,
    by: str | None = None,
    bf16: bool = False,
    watch: DriftWatch | None = None,
    on_rows: Callable[[int], None] | None = None,
) -> Evaluation:
    """Score labelled rows and keep what the model said of them, ready to be judged.

    Rows are read and encoded in a thread while the batch before is scored. `eval_config.num_steps` ends it early.

    Args:
        encoder: one that is made for serving, since the rows are judged as they would be served.
        batches: conformed rows with their targets, and with the column `by` if one is named.
        by: a column that splits the rows, beside the domain.
        bf16: compute the dense part in bfloat16; labels, losses and metrics stay as they are.
        watch: takes in the rows and their logits too.
        on_rows: told after each batch how many rows it had.

    Raises:
        DataError: a row cannot be read, a label is not one of its task's, or a logit is not finite.
    """
    evaluation = Evaluation(spec, by=by)
    encoded = ((rows, encoder.features(rows), encoder.targets(rows), encoder.spaces(rows)) for rows in batches)
    with closing(ahead(islice(encoded, spec.evaluation.num_steps))) as work:
        for rows, features, targets, spaces in work:
            logits = scored(ranker, features, bf16=bf16)
            if watch is not None:
                watch.add(features, logits)
            keys = {name: key.numpy() for name, key in targets.keys.items()}
            evaluation.add(rows, logits, targets.labels.numpy(), keys, spaces)
            if on_rows is not None:
                on_rows(rows.num_rows)
    return evaluation


def scored(ranker: MultiTaskRanker, features: Features, *, bf16: bool) -> npt.NDArray[np.float32]:
    """Logits float32 [B, K] of encoded rows, computed where the model is."""
    device = next(ranker.parameters()).device
    with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        logits: npt.NDArray[np.float32] = score(ranker, features.to(device)).float().cpu().numpy()
    return logits

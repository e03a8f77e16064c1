"""Run a model over rows and look at its gates."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing

import numpy as np
import pyarrow as pa
import torch

from peprank.batch import Features
from peprank.data.ahead import ahead
from peprank.encode import Encoder, keys_of
from peprank.errors import DataError, SpecError
from peprank.evaluation.gate_statistics import GateStatistics
from peprank.evaluation.gates import Gate, Gates
from peprank.evaluation.segments import SegmentCodes, naming_of
from peprank.models import MultiTaskRanker, look_at_gates
from peprank.spec.model import ModelSpec
from peprank.spec.pipeline import PipelineSpec

_GLANCE_ROWS = 1024  # enough for means to two digits, and little beside a training step


def gates_on(
    ranker: MultiTaskRanker,
    encoder: Encoder,
    batches: Iterable[pa.RecordBatch],
    spec: PipelineSpec,
    *,
    user_feature: str | None = None,
    bf16: bool = False,
    on_rows: Callable[[int], None] | None = None,
) -> Gates:
    """Tell what each gate of a model gives rows: by field or expert, by domain, and how it differs between users.

    Rows are read and encoded in a thread while the batch before is looked at.

    Args:
        encoder: one that is made for serving, since the gates are seen as they would be served.
        batches: conformed rows, which need no labels, with the column of `user_feature` if one is named.
        user_feature: a feature whose values are the users; None: users are not told apart.
        bf16: compute the dense part in bfloat16.
        on_rows: told after each batch how many rows it had.

    Raises:
        SpecError: the model has no gates.
        DataError: there are no rows, or one cannot be read.
    """
    statistics = GateStatistics(spec.model)
    domain = spec.feature(spec.model.domain.feature) if spec.model.domain else None
    segments = SegmentCodes(domain.column, naming_of(domain)) if domain else None
    column = None if user_feature is None else spec.feature(user_feature).column
    tasks, device = [task.name for task in spec.model.tasks], next(ranker.parameters()).device
    model = ranker.trunk.description(tasks).model
    with closing(ahead((rows, encoder.features(rows)) for rows in batches)) as work:
        for rows, features in work:
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                gates = look_at_gates(ranker, features.to(device), tasks)
            if not gates:
                raise SpecError("model", model, "has no gates to look at; PEPNet and mixtures of experts have")
            codes = np.zeros(rows.num_rows, np.int64) if segments is None else segments.codes(rows).astype(np.int64)
            users = None if column is None else keys_of(rows.column(column), column)
            statistics.add(gates, codes, users)
            if on_rows is not None:
                on_rows(rows.num_rows)
    if not statistics.num_rows:
        raise DataError("there are no rows, so there is nothing to say of the gates")
    names = () if segments is None else segments.names
    return Gates(
        model=model,
        rows=statistics.num_rows,
        user_feature=user_feature,
        domain_column=domain.column if domain else None,
        domains=tuple(statistics.domains(names)),
        gates=statistics.gates(names),
    )


def glance_at_gates(ranker: MultiTaskRanker, features: Features, model: ModelSpec) -> tuple[Gate, ...]:
    """Each gate on the first rows of a batch, not told apart by domain or user; none where the model has no gates."""
    gates = look_at_gates(ranker, features, [task.name for task in model.tasks], most_rows=_GLANCE_ROWS)
    statistics = GateStatistics(model)
    statistics.add(gates, np.zeros(min(features.num_rows, _GLANCE_ROWS), np.int64))
    return statistics.gates()

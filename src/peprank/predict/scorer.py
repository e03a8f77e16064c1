"""The one way from raw rows to scores, for Python, `predict` and servers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from peprank.batch import Features
from peprank.bundle import Bundle
from peprank.data import columns_of, conform_table
from peprank.models import score
from peprank.spec.model import TaskSpec

_BATCH_ROWS = 8192  # a row's score does not depend on it


class Scorer:
    """Score raw rows with a loaded model.

    Args:
        bundle: the model.
        bf16: compute the dense part in bfloat16; about twice as fast on processors that have it, off by about 1e-3.
    """

    def __init__(self, bundle: Bundle, *, bf16: bool = False) -> None:
        self.spec = bundle.spec
        self.encoder = bundle.encoder
        self.ranker = bundle.ranker
        self.step = bundle.step
        self.profile = bundle.profile
        self.bf16 = bf16
        self.columns = columns_of(bundle.spec, with_targets=False)

    def predict(self, table: Any) -> pa.Table:
        """Score the rows of a pyarrow, pandas or polars table.

        Args:
            table: holds at least the plan's input columns; anything with the Arrow stream protocol will do.

        Returns:
            One row per row, in order: float32 `probs_<tower>` and `logits_<tower>`, `y_<tower>` for regression towers;
            softmax towers give one list per row.

        Raises:
            DataError: a column is missing or of a wrong type, or a row's domain is unknown.
        """
        rows = conform_table(pa.table(table), self.columns, "the given table")
        starts = range(0, max(1, rows.num_rows), _BATCH_ROWS)  # no rows: one empty batch still has the columns
        return pa.Table.from_batches([self.score_rows(rows.slice(start, _BATCH_ROWS)) for start in starts])

    def features(self, table: Any) -> Features:
        """Encoded rows of a table, as `logits` takes them.

        Raises:
            DataError: as `predict` does.
        """
        return self.encoder.features(conform_table(pa.table(table), self.columns, "the given table"))

    @property
    def output_names(self) -> tuple[str, ...]:
        """Columns that `predict` gives."""
        none = np.empty((0, self.spec.model.logit_slices[-1].stop), np.float32)
        return tuple(self.outputs(none).schema.names)

    def score_rows(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """Score rows that passed `conform`; columns as `predict` gives them."""
        return self.outputs(self.logits(self.encoder.features(rows)))

    def logits(self, features: Features) -> np.ndarray:
        """Logits of encoded rows.

        Shapes: B rows -> float32 [B, K], columns as `ModelSpec.logit_slices`
        """
        device = next(self.ranker.parameters()).device
        with torch.autocast(device.type, torch.bfloat16, enabled=self.bf16):
            logits: Tensor = score(self.ranker, features.to(device))
        return logits.float().cpu().numpy()

    def outputs(self, logits: np.ndarray) -> pa.RecordBatch:
        """Output columns of logits [B, K]; names as `predict` gives them."""
        return pa.RecordBatch.from_pydict({name: _column(v) for name, v in self.output_arrays(logits).items()})

    def output_arrays(self, logits: np.ndarray) -> dict[str, np.ndarray]:
        """Outputs of logits [B, K] by name, float32 [B], or [B, C] of softmax towers."""
        outputs: dict[str, np.ndarray] = {}
        for task, columns in zip(self.spec.model.tasks, self.spec.model.logit_slices, strict=True):
            outputs |= _task_outputs(task, logits[:, columns])
        return outputs


def _task_outputs(task: TaskSpec, logits: np.ndarray) -> dict[str, np.ndarray]:
    """Outputs of one task from its logits [B, num_class]."""
    if task.is_regression:
        return {f"y_{task.name}": logits[:, 0]}
    if task.num_class == 1:
        probs = torch.from_numpy(logits[:, 0].copy()).sigmoid().numpy()
        return {f"probs_{task.name}": probs, f"logits_{task.name}": logits[:, 0]}
    probs = torch.from_numpy(logits.copy()).softmax(-1).numpy()
    both = {f"probs_{task.name}": probs, f"logits_{task.name}": logits}
    return both | ({f"probs1_{task.name}": probs[:, 1]} if task.num_class == 2 else {})


def _column(values: np.ndarray) -> pa.Array:
    """[B] as a column of numbers, [B, C] as one of lists."""
    if values.ndim == 1:
        return pa.array(values)
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1]).cast(pa.list_(pa.float32()))

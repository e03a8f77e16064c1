"""Shuffle a field among the rows, judge the model anew, and see what that costs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from zlib import crc32

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from peprank.batch import Features, Targets
from peprank.encode import Encoder
from peprank.errors import DataError
from peprank.evaluation.evaluation import Evaluation
from peprank.evaluation.gates import Gates
from peprank.evaluation.importance import MEASURES, Drop, FieldImportance, Importance, moved_by_gates
from peprank.evaluation.look import gates_on
from peprank.evaluation.results import Results
from peprank.evaluation.run import scored
from peprank.evaluation.seesaw import Seesaw, seesaw
from peprank.evaluation.shuffle import shuffled
from peprank.models import MultiTaskRanker, look_at_gates
from peprank.spec.pipeline import PipelineSpec


def permutation_importance(
    ranker: MultiTaskRanker,
    encoder: Encoder,
    batches: Iterable[pa.RecordBatch],
    spec: PipelineSpec,
    *,
    fields: Sequence[str],
    repeats: int = 3,
    seed: int = 0,
    bf16: bool = False,
    on_rows: Callable[[int, int], None] | None = None,
) -> Importance:
    """Tell how much worse a model gets when the values of a field are shuffled among the rows, field by field.

    A shuffled field keeps its values and loses what they say of their row. Its encoded ids or numbers move, so it
    changes in every group that reads it. All rows are held in memory.

    Source: Breiman, "Random Forests", Machine Learning 2001, section 10.

    Args:
        encoder: one that is made for serving.
        batches: conformed rows with their targets.
        fields: features to shuffle, one after the other.
        repeats: shuffles of each field.
        seed: with a field's name and the repeat it fixes the shuffle, whichever other fields are asked for.
        bf16: compute the dense part in bfloat16.
        on_rows: told after each batch how many rows were judged, and how many there will be in all.

    Raises:
        DataError: there are no rows, or as `evaluate`.
    """
    held = [_Held.of(rows, encoder) for rows in batches]
    num_rows = sum(batch.rows.num_rows for batch in held)
    if not num_rows:
        raise DataError("there are no rows, so there is nothing to shuffle")
    total = num_rows * (1 + repeats * len(fields))
    tell = (lambda done: on_rows(done, total)) if on_rows else None
    judge = _Judge(ranker, held, spec, bf16, tell)
    baseline = judge([batch.features for batch in held])
    gates = _gates(ranker, encoder, held, spec)
    cells: list[FieldImportance] = []
    for field in fields:
        orders = (_order(num_rows, seed, field, repeat) for repeat in range(repeats))
        runs = [seesaw(judge(_shuffled(held, field, order, spec)), baseline) for order in orders]
        cells += _cells(field, baseline, runs, gates)
    return Importance(repeats=repeats, seed=seed, baseline=baseline, cells=tuple(cells))


@dataclass(frozen=True, slots=True)
class _Held:
    """A batch, encoded once."""

    rows: pa.RecordBatch
    features: Features
    targets: Targets
    spaces: Mapping[str, npt.NDArray[np.bool_]]

    @classmethod
    def of(cls, rows: pa.RecordBatch, encoder: Encoder) -> _Held:
        return cls(rows, encoder.features(rows), encoder.targets(rows), encoder.spaces(rows))


@dataclass(frozen=True, slots=True)
class _Judge:
    """Judges the held rows with other features."""

    ranker: MultiTaskRanker
    held: Sequence[_Held]
    spec: PipelineSpec
    bf16: bool
    tell: Callable[[int], None] | None

    def __call__(self, batches: Iterable[Features]) -> Results:
        evaluation = Evaluation(self.spec)
        for batch, features in zip(self.held, batches, strict=True):
            keys = {name: key.numpy() for name, key in batch.targets.keys.items()}
            logits = scored(self.ranker, features, bf16=self.bf16)
            evaluation.add(batch.rows, logits, batch.targets.labels.numpy(), keys, batch.spaces)
            if self.tell is not None:
                self.tell(features.num_rows)
        return evaluation.result()


def _order(num_rows: int, seed: int, field: str, repeat: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng([seed, crc32(field.encode()), repeat]).permutation(num_rows))


def _shuffled(held: Sequence[_Held], field: str, order: torch.Tensor, spec: PipelineSpec) -> Iterator[Features]:
    is_domain = spec.model.domain is not None and spec.model.domain.feature == field
    return shuffled([batch.features for batch in held], field, order, is_domain=is_domain)


def _gates(ranker: MultiTaskRanker, encoder: Encoder, held: Sequence[_Held], spec: PipelineSpec) -> Gates | None:
    """What the gates do on the held rows; None where the model has none."""
    if not look_at_gates(ranker, held[0].features, [task.name for task in spec.model.tasks], most_rows=1):
        return None
    return gates_on(ranker, encoder, (batch.rows for batch in held), spec)


def _cells(field: str, baseline: Results, runs: Sequence[Seesaw], gates: Gates | None) -> Iterator[FieldImportance]:
    """What the shuffles of a field have cost, task by task."""
    costs: dict[tuple[str, str, str], list[float]] = {}
    for change in chain.from_iterable(run.changes for run in runs):
        if not change.in_space:
            costs.setdefault((change.task, change.segment, change.measure), []).append(-change.gain)
    for cell in baseline.cells:
        if not cell.in_space:
            domain = cell.segment if cell.column is not None else None
            found = {name: costs.get((cell.task, cell.segment, name), []) for name in MEASURES}
            yield FieldImportance(
                field=field,
                task=cell.task,
                domain=domain,
                rows=cell.rows,
                drops={name: _over_repeats(each) for name, each in found.items() if each},
                moved=None if gates is None else moved_by_gates(gates, field, cell.task, domain),
            )


def _over_repeats(costs: Sequence[float]) -> Drop:
    return Drop(mean=float(np.mean(costs)), std=float(np.std(costs)))

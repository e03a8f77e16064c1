"""The rows of a comparison: what is true of those it judges by, and the rows of each domain in files of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from peprank.data import columns_of, open_rows
from peprank.encode import Encoder
from peprank.encode.encoder import NO_KEY
from peprank.errors import DataError
from peprank.evaluation import Evaluation
from peprank.evaluation.segments import MISSING_NAME, naming_of
from peprank.spec.pipeline import PipelineSpec

REST: Final = "small domains"  # those with few rows, together
TRAIN_FILE, EVAL_FILE = "train.parquet", "eval.parquet"
_BATCH_ROWS: Final = 65_536

Rows: TypeAlias = npt.NDArray[np.int64]
Logits: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """All of the N rows to judge by that is no input of a model."""

    spec: PipelineSpec
    rows: pa.RecordBatch  # the column of the domain feature
    labels: npt.NDArray[np.float32]  # [N, T]
    keys: dict[str, npt.NDArray[np.int64]]  # feature -> [N], what GAUC groups by among them
    spaces: dict[str, npt.NDArray[np.bool_]]  # task -> [N]
    domains: npt.NDArray[np.object_]  # [N], names; "" without domains

    @property
    def users(self) -> Rows:
        """Which rows belong together, codes from 0 on [N]: the groups of GAUC; a row without one is alone."""
        alone = np.arange(len(self.labels))
        name = self.spec.evaluation.gauc_feature
        if name is None:
            return alone
        key = self.keys[name]
        pairs = np.stack([key, np.where(key == NO_KEY, alone, -1)])
        return np.unique(pairs, axis=1, return_inverse=True)[1].ravel()

    def evaluation(self, logits: Logits) -> Evaluation:
        """Logits [N, K] beside what is true, ready to be judged."""
        evaluation = Evaluation(self.spec)
        evaluation.add(self.rows, logits, self.labels, self.keys, self.spaces)
        return evaluation


def truth_of(spec: PipelineSpec) -> Truth:
    """Read the eval inputs.

    Raises:
        DataError: there are no rows, or they do not fit the plan.
    """
    if not spec.eval_inputs:
        raise DataError("eval_input_path is empty: a comparison needs rows to judge by; name some, or --eval-input")
    encoder, names_of = Encoder(spec), _names(spec)
    parts = [
        Truth(
            spec=spec,
            rows=rows.select(_domain_columns(spec)),
            labels=(targets := encoder.targets(rows)).labels.numpy(),
            keys={name: key.numpy() for name, key in targets.keys.items()},
            spaces=encoder.spaces(rows),
            domains=names_of(rows),
        )
        for rows in _batches(spec, spec.eval_inputs)
    ]
    if not parts:
        raise DataError(f"{', '.join(spec.eval_inputs)}: has no rows to judge by")
    return Truth(
        spec=spec,
        rows=pa.concat_batches([part.rows for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        keys={name: np.concatenate([part.keys[name] for part in parts]) for name in parts[0].keys},
        spaces={name: np.concatenate([part.spaces[name] for part in parts]) for name in parts[0].spaces},
        domains=np.concatenate([part.domains for part in parts]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainPart:
    """Rows that a net is trained on and judged by: those of one domain, of all small ones together, or all rows."""

    train_rows: int
    positions: Rows  # of its eval rows among all
    folder: str = ""  # its name on disk; "" for all rows
    train_inputs: tuple[str, ...] = ()  # its files; () for all rows: the plan's
    eval_inputs: tuple[str, ...] = ()


def split(spec: PipelineSpec, truth: Truth, out: Path, *, pool_below: int) -> dict[str | None, DomainPart]:
    """Write the rows of each domain to `out/domain=<name>/`, train.parquet and eval.parquet, largest domain first.

    Args:
        pool_below: domains with fewer training rows share one part, `REST`.

    Raises:
        DataError: the rows do not fit the plan.
    """
    names_of = _names(spec)
    counts = Counter[str](dict.fromkeys(truth.domains, 0))
    for rows in _batches(spec, spec.train_inputs):
        counts.update(names_of(rows))
    part_of = _parts(counts, pool_below)
    for inputs, file in ((spec.train_inputs, TRAIN_FILE), (spec.eval_inputs, EVAL_FILE)):
        _write(_batches(spec, inputs), lambda rows: [part_of[name] for name in names_of(rows)], out, file)
    of_row = np.array([part_of[name] for name in truth.domains], object)
    sizes = Counter[str]()
    for name, count in counts.items():
        sizes[part_of[name]] += count
    return {
        part: DomainPart(
            train_rows=size,
            positions=np.flatnonzero(of_row == part),
            folder=_folder(part),
            train_inputs=(str(out / _folder(part) / TRAIN_FILE),),
            eval_inputs=(str(out / _folder(part) / EVAL_FILE),),
        )
        for part, size in sizes.most_common()
    }


def _parts(counts: Mapping[str, int], pool_below: int) -> dict[str, str]:
    """Domain -> part. Where the small ones are too few together, the next larger one joins them."""
    part_of, pooled = {name: name for name in counts}, 0
    for name in sorted(counts, key=lambda each: (counts[each], each)):
        if counts[name] >= pool_below and (pooled >= pool_below or REST not in part_of.values()):
            break
        part_of[name] = REST
        pooled += counts[name]
    return part_of


def _write(
    batches: Iterable[pa.RecordBatch], parts_of: Callable[[pa.RecordBatch], list[str]], out: Path, file: str
) -> None:
    """Put each row into the file of its part, in order."""
    with ExitStack() as stack:
        writers: dict[str, pq.ParquetWriter] = {}
        for rows in batches:
            parts = np.array(parts_of(rows), object)
            for part in np.unique(parts):
                if part not in writers:
                    path = out / _folder(part) / file
                    path.parent.mkdir(parents=True, exist_ok=True)
                    writers[part] = stack.enter_context(pq.ParquetWriter(path, rows.schema))
                writers[part].write_batch(rows.filter(pa.array(parts == part)))


def _folder(part: str) -> str:
    return f"domain={quote(part, safe=' ')}"  # no value can lead out of the folder


def _batches(spec: PipelineSpec, inputs: Sequence[str]) -> Iterator[pa.RecordBatch]:
    columns = columns_of(spec, with_targets=True)
    return open_rows(inputs, spec.data, columns, batch_rows=_BATCH_ROWS).batches()


def _domain_columns(spec: PipelineSpec) -> list[str]:
    return [spec.feature(spec.model.domain.feature).column] if spec.model.domain else []


def _names(spec: PipelineSpec) -> Callable[[pa.RecordBatch], npt.NDArray[np.object_]]:
    """What gives the domain of each row by name."""
    if spec.model.domain is None:
        return lambda rows: np.full(rows.num_rows, "", object)
    feature = spec.feature(spec.model.domain.feature)
    naming = naming_of(feature)

    def names(rows: pa.RecordBatch) -> npt.NDArray[np.object_]:
        named: npt.NDArray[np.object_] = (
            naming(rows.column(feature.column)).fill_null("").to_numpy(zero_copy_only=False)
        )
        return np.where(named == "", MISSING_NAME, named)

    return names

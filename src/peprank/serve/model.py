"""One version of a model as the server holds it: loaded, verified, warm, and able to describe itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from peprank import bundle as bundles
from peprank.batch import Features
from peprank.encode import Encoder
from peprank.errors import ArtifactError
from peprank.infer import Engine, Precision
from peprank.predict import Scorer
from peprank.sealed import digest
from peprank.serve.arithmetic import make_engine
from peprank.serve.form import form_of
from peprank.serve.inputs import InputInfo
from peprank.serve.probe import Probe
from peprank.serve.request import InferRequest, InferResponse, OutputTensor
from peprank.serve.rows import RequestRows
from peprank.spec.pipeline import PipelineSpec

PLATFORM = "peprank"
_CONFIG_TYPES = {"BYTES": "TYPE_STRING"}  # all others are TYPE_ and the protocol's name


# Plan, encoder, and the columns and types of rows that the model scored before -> how to read requests for it
MakeRows: TypeAlias = Callable[[PipelineSpec, Encoder, pa.Schema], RequestRows]


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """An output as metadata names it."""

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, eq=False)  # no slots: tests watch it with weak references
class ServedModel:
    """A version that is ready to answer. Immutable, so any number of threads may use it."""

    name: str
    version: str
    scorer: Scorer
    engine: Engine
    rows: RequestRows
    golden_rows: pa.RecordBatch  # raw, as `peprank export` kept them: examples of requests
    sha256: str  # of the bundle's manifest, which holds the hash of each file

    @property
    def step(self) -> int:
        """Training steps behind the weights."""
        return self.scorer.step

    @cached_property
    def outputs(self) -> tuple[Output, ...]:
        """What an answer holds, in order."""
        none = np.empty((0, self.scorer.spec.model.logit_slices[-1].stop), np.float32)
        columns = self.scorer.output_arrays(none)
        return tuple(
            Output(name=name, datatype="FP32", shape=(-1, *values.shape[1:])) for name, values in columns.items()
        )

    @cached_property
    def probe(self) -> Probe:
        """What looks at its gates."""
        features = self.scorer.encoder.features(self.golden_rows.slice(0, 1))
        return Probe(self.name, self.version, self.scorer, features)

    @cached_property
    def form(self) -> dict[str, Any]:
        """What a form for its requests needs."""
        about = {"name": self.name, "version": self.version, "step": self.step}
        return about | form_of(self.scorer.spec, self.rows.inputs(), self.golden_rows)

    def metadata(self, versions: Iterable[str] | None = None) -> dict[str, Any]:
        """The protocol's model metadata.

        Args:
            versions: those that answer; None: this one.
        """
        return {
            "name": self.name,
            "versions": [self.version] if versions is None else list(versions),
            "platform": PLATFORM,
            "inputs": [_described(tensor) for tensor in self.rows.inputs()],
            "outputs": [_described(tensor) for tensor in self.outputs],
        }

    def config(self) -> dict[str, Any]:
        """Triton's model configuration; batches have no limit of their own, hence max_batch_size 0."""
        return {
            "name": self.name,
            "platform": PLATFORM,
            "backend": PLATFORM,
            "max_batch_size": 0,
            "input": [_configured(tensor) for tensor in self.rows.inputs()],
            "output": [_configured(tensor) for tensor in self.outputs],
        }

    def logits(self, features: Features) -> NDArray[np.float32]:
        """Logits of encoded rows.

        Shapes: B rows -> float32 [B, K], columns as `ModelSpec.logit_slices`

        Raises:
            DataError: an id lies outside its table, or a row's domain has no parts of the model.
        """
        return self.engine.logits(features)

    def answer(self, request: InferRequest, logits: NDArray[np.float32]) -> InferResponse:
        """All outputs of a request whose rows have these logits [N, K]."""
        columns = self.scorer.output_arrays(logits)
        outputs = tuple(OutputTensor(name=name, values=values) for name, values in columns.items())
        return InferResponse(model_name=self.name, model_version=self.version, id=request.id, outputs=outputs)


def load(
    path: Path, name: str, version: str, make_rows: MakeRows, *, precision: Precision | None = None
) -> ServedModel:
    """Load a bundle that reproduces its golden rows, and warm it up on them.

    Args:
        make_rows: gives what reads requests.
        precision: None: the fastest that the golden rows bear.

    Raises:
        PeprankError: it cannot be used; says why.
    """
    bundle = bundles.load(path)
    _check_finite({f"weight '{key}'": value for key, value in bundle.ranker.weights().items()}, path)
    scorer, golden_rows = Scorer(bundle), bundles.read_rows(path).combine_chunks().to_batches()[0]
    model = ServedModel(
        name=name,
        version=version,
        scorer=scorer,
        engine=make_engine(scorer, golden_rows, precision),
        rows=make_rows(bundle.spec, bundle.encoder, golden_rows.schema),
        golden_rows=golden_rows,
        sha256=digest(path),
    )
    _warm_up(model, path)
    return model


def _warm_up(model: ServedModel, path: Path) -> None:
    """Score one golden row, then all: the first calls of a library are slow, and no score may be NaN."""
    for rows in (model.golden_rows.slice(0, 1), model.golden_rows):
        outputs = model.scorer.output_arrays(model.logits(model.scorer.encoder.features(rows)))
        _check_finite({f"output '{key}' of a golden row": torch.from_numpy(v) for key, v in outputs.items()}, path)


def _check_finite(values: Mapping[str, Tensor], path: Path) -> None:
    """Refuse NaN and infinity, which golden rows show only in what they happen to read."""
    for place, value in values.items():
        if not value.is_floating_point() or not value.numel():
            continue
        low, high = value.aminmax()  # both are NaN where one value is; unlike a sum in float64 it makes no copy
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ArtifactError(f"{path}: {place} is not finite; export a checkpoint from before it went wrong")


def _described(tensor: InputInfo | Output) -> dict[str, Any]:
    return {"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.shape)}


def _configured(tensor: InputInfo | Output) -> dict[str, Any]:
    data_type = _CONFIG_TYPES.get(tensor.datatype, f"TYPE_{tensor.datatype}")
    return {"name": tensor.name, "data_type": data_type, "dims": list(tensor.shape)}

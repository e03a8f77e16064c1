"""Write a graph beside what a client must know of it, after it has scored the golden rows as the model does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import pyarrow as pa

from peprank.data import conform_table
from peprank.errors import ArtifactError, SpecError
from peprank.onnx import graph
from peprank.onnx.requirements import require
from peprank.onnx.scorer import ABOUT, KEY, MODEL, OnnxScorer, is_export
from peprank.onnx.signature import Signature, inputs_of, outputs_of
from peprank.onnx.triton import CONFIG, config_text
from peprank.predict import Scorer
from peprank.sealed import sealing

if TYPE_CHECKING:
    import onnx_ir

Target: TypeAlias = Literal["onnx", "triton"]
OPSET = 18  # ONNX Runtime reads it since 1.14; torch writes none below
_OPSETS = range(OPSET, 24)
MOST_INLINE_BYTES = 2**31 - 2**24  # protobuf's end, less what the graph itself takes
_WEIGHTS = f"{MODEL}.data"
_TOLERANCE = 1e-6


def export(
    scorer: Scorer,
    rows: pa.Table,
    out: Path,
    *,
    target: Target = "onnx",
    opset: int = OPSET,
    most_inline_bytes: int = MOST_INLINE_BYTES,
) -> Signature:
    """Write a model as an ONNX graph, whole or not at all.

    The graph reads encoded inputs, see `Signature`, and returns what `Scorer.predict` does.

    Args:
        scorer: the model.
        rows: golden rows, raw; the graph must score them as the model does.
        out: folder to write; an earlier export there is replaced. "triton": a model of a model repository, which has
            the folder's name.
        opset: version of ONNX's operators.
        most_inline_bytes: weights beyond are written beside the graph, which a protobuf of 2 GiB or more could not be.

    Raises:
        ArtifactError: the model cannot become a graph, the graph scores otherwise, `out` holds something else, or it
            cannot be written.
        SpecError: an opset that torch does not write.
        PeprankError: a package is missing.
    """
    require()
    if opset not in _OPSETS:
        raise SpecError("opset", opset, f"must lie in [{_OPSETS[0]}, {_OPSETS[-1]}]")
    if out.suffix == ".onnx":
        raise ArtifactError(f"{out}: would be a folder, with {MODEL} in it; give it a name without .onnx")
    if out.exists() and not is_export(out):
        raise ArtifactError(f"{out}: exists and is no ONNX export; choose another folder or remove it")
    golden = conform_table(rows, scorer.columns, "the golden rows")
    inputs = inputs_of(scorer.spec, golden.schema)
    about = Signature(inputs=inputs, outputs=outputs_of(scorer.spec.model.tasks), opset=opset, step=scorer.step)
    config = config_text(out.absolute().name, about) if target == "triton" else None
    model = graph.trace(scorer.ranker, scorer.spec.model, inputs, opset=opset)
    try:
        with sealing(out) as directory:
            folder = directory
            if config is not None:
                (directory / CONFIG).write_text(config, "utf-8")
                folder = directory / "1"
                folder.mkdir()
            write(folder, model, about, most_inline_bytes=most_inline_bytes)
            _prove(OnnxScorer(folder / MODEL), scorer, golden)
    except OSError as error:
        raise ArtifactError(f"{out}: cannot be written ({error}); make room or choose another place") from error
    return about


def write(folder: Path, model: onnx_ir.Model, about: Signature, *, most_inline_bytes: int = MOST_INLINE_BYTES) -> None:
    """Put a graph and its signature into `folder`; the graph names files beside it only."""
    import onnx_ir  # of the extra `onnx`

    model.metadata_props[KEY] = about.to_json()
    weights = sum(value.const_value.nbytes for value in model.graph.initializers.values() if value.const_value)
    onnx_ir.save(model, folder / MODEL, external_data=_WEIGHTS if weights > most_inline_bytes else None)
    (folder / ABOUT).write_text(about.to_json(), "utf-8")


def _prove(onnx: OnnxScorer, scorer: Scorer, rows: pa.RecordBatch) -> None:
    """Score the golden rows with the graph, together and the first one alone.

    Raises:
        ArtifactError: an output is not the model's: a probability is off by more than 1e-6, or another output by more
            than that times 1 + its size.
    """
    for batch in (rows, rows.slice(0, 1)):
        features = scorer.encoder.features(batch)
        found = onnx.score(features)
        for name, wanted in scorer.output_arrays(scorer.logits(features)).items():
            scale = 1.0 if name.startswith("probs") else 1.0 + np.abs(wanted)
            apart = float((np.abs(found[name] - wanted) / scale).max(initial=0.0))
            if not apart <= _TOLERANCE:  # nan is no agreement
                raise ArtifactError(
                    f"the graph does not score the golden rows as the model does: '{name}' is off by {apart:.3g}, more "
                    f"than {_TOLERANCE:g}; it was not written"
                )

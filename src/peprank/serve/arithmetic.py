"""In which arithmetic a served model computes: the fastest that its golden rows bear."""

from __future__ import annotations

import logging

import numpy as np
import pyarrow as pa
import torch

from peprank.errors import ArtifactError
from peprank.infer import Engine, Precision
from peprank.models import has_bf16
from peprank.predict import Scorer
from peprank.spec.feature import Side

# By how much outputs of the engine may differ from the model's, absolute and relative: where nothing is rounded; what
# goes without saying; what an operator may choose.
_EXACT, _NEAR, _FAR = 1e-5, 1e-3, 2e-2
_log = logging.getLogger(__name__)


def make_engine(scorer: Scorer, golden_rows: pa.RecordBatch, precision: Precision | None) -> Engine:
    """The engine for a model, proven on its golden rows.

    Args:
        precision: None: BF16 where the processor has it and the golden rows bear it, float32 elsewhere.

    Raises:
        ArtifactError: in float32 it does not score as the model itself does, in another precision not nearly so.
        SpecError: model or processor have no such precision.
    """
    if precision is not None:
        return _chosen(scorer, golden_rows, precision)
    if has_bf16(torch.device("cpu")):
        engine = _engine(scorer, Precision.BF16)
        if not (apart := _apart(engine, scorer, golden_rows, _NEAR)):
            return engine
        _log.warning("computing in float32, as bfloat16 moves the golden rows too far: %s", apart)
    return make_engine(scorer, golden_rows, Precision.FLOAT32)


def _chosen(scorer: Scorer, golden_rows: pa.RecordBatch, precision: Precision) -> Engine:
    engine = _engine(scorer, precision)
    if precision is Precision.FLOAT32:
        if apart := _apart(engine, scorer, golden_rows, _EXACT):
            raise ArtifactError(f"the engine does not score the golden rows as the model does: {apart}; report this")
    elif apart := _apart(engine, scorer, golden_rows, _FAR):
        raise ArtifactError(f"{precision.value} moves golden rows too far: {apart}; serve with --precision float32")
    elif apart := _apart(engine, scorer, golden_rows, _NEAR):
        _log.warning("%s moves golden rows: %s; judge what that costs", precision.value, apart)
    return engine


def _engine(scorer: Scorer, precision: Precision) -> Engine:
    once = {feature.name for feature in scorer.spec.input_features if feature.side is not Side.ITEM}
    return Engine(scorer.ranker, precision, once=once)


def _apart(engine: Engine, scorer: Scorer, rows: pa.RecordBatch, tolerance: float) -> str:
    """The first prediction in which engine and model differ by more than they may; empty if there is none."""
    features = scorer.encoder.features(rows)
    exact, other = (scorer.output_arrays(logits) for logits in (scorer.logits(features), engine.logits(features)))
    for name in (name for name in exact if not name.startswith("logits_")):
        if not np.allclose(other[name], exact[name], rtol=tolerance, atol=tolerance):
            return f"'{name}' by {np.abs(other[name] - exact[name]).max():.3g}"
    return ""

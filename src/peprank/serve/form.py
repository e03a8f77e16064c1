"""What a form for a model's requests needs: its inputs by side, and golden rows to begin with."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from peprank.serve.inputs import InputInfo
from peprank.spec.feature import UNKNOWN_WORD, IdFeature, Side, Vocabulary
from peprank.spec.pipeline import PipelineSpec

_MOST_CHOICES = 200  # words that a form offers for one input


def form_of(spec: PipelineSpec, inputs: Iterable[InputInfo], golden_rows: pa.RecordBatch) -> dict[str, Any]:
    """Inputs and golden rows, in JSON.

    Args:
        inputs: what a request gives.
        golden_rows: raw; where they lack an input, such as the key of items, it is missing in all of them.

    Returns:
        `inputs`: name, datatype and shape as in the metadata, side, and the words of a vocabulary. `rows`: golden rows
        by input; values are text, as a form holds them (whole numbers are too long for a browser's), lists of it, or
        null.
    """
    infos = tuple(inputs)
    cells = {info.name: _cells(golden_rows, info.name) for info in infos}
    rows = [{name: column[k] for name, column in cells.items()} for k in range(golden_rows.num_rows)]
    return {"inputs": [_input(info, spec) for info in infos], "rows": rows}


def _input(info: InputInfo, spec: PipelineSpec) -> dict[str, Any]:
    features = [feature for feature in spec.input_features if feature.column == info.name]
    sides = {feature.side for feature in features}
    rules = [feature.rule for feature in features if isinstance(feature, IdFeature)]
    words = [word for rule in rules if isinstance(rule, Vocabulary) for word in rule.words]
    return {
        "name": info.name,
        "datatype": info.datatype,
        "shape": list(info.shape),
        "side": (Side.ITEM if Side.ITEM in sides or not sides else next(iter(sides))).value,  # no feature: key of items
        "choices": [word for word in dict.fromkeys(words) if word not in ("", UNKNOWN_WORD)][:_MOST_CHOICES],
    }


def _cells(rows: pa.RecordBatch, name: str) -> list[Any]:
    if name not in rows.schema.names:
        return [None] * rows.num_rows
    return _texts(rows.column(name))


def _texts(cells: pa.Array) -> list[Any]:
    """Each cell as text, a list of it, or None."""
    if pa.types.is_list(cells.type):
        texts = iter(_texts(cells.flatten()))
        return [list(islice(texts, length)) for length in pc.fill_null(pc.list_value_length(cells), 0).to_pylist()]
    if pa.types.is_floating(cells.type):
        numbers = cells.to_numpy(zero_copy_only=False)  # NaN where a cell is missing
        return [None if np.isnan(number) else str(number) for number in numbers]
    if pa.types.is_string(cells.type):  # which may hold what is no UTF-8
        texts = cells.view(pa.binary()).to_pylist()
        return [None if text is None else text.decode("utf-8", "replace") for text in texts]
    return [None if cell is None else str(cell) for cell in cells.to_pylist()]

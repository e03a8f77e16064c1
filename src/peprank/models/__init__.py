"""Networks from plans: `build(spec)` gives a `MultiTaskRanker`, `describe(spec)` says what it will be."""

from peprank.models.build import build
from peprank.models.describe import describe
from peprank.models.description import (
    Description,
    GateDescription,
    GroupDescription,
    PartDescription,
    TableDescription,
    TrunkDescription,
)
from peprank.models.gates import Gated, GateValues, look_at_gates
from peprank.models.peer import from_torcheasyrec
from peprank.models.precision import has_bf16, settled
from peprank.models.ranker import MultiTaskRanker, Trunk, score, table_name

__all__ = [
    "Description",
    "GateDescription",
    "GateValues",
    "Gated",
    "GroupDescription",
    "MultiTaskRanker",
    "PartDescription",
    "TableDescription",
    "Trunk",
    "TrunkDescription",
    "build",
    "describe",
    "from_torcheasyrec",
    "has_bf16",
    "look_at_gates",
    "score",
    "settled",
    "table_name",
]

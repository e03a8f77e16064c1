"""Who wins where: models trained on the same rows with the same seeds, and judged beyond noise."""

from peprank.compare.comparison import RESULTS, Settings, compare
from peprank.compare.contenders import SINGLE, Contender, from_base, from_files
from peprank.compare.pool import Watcher
from peprank.compare.results import MEAN, Comparison, Place, Spread, Standing, State, Test
from peprank.compare.tables import render
from peprank.compare.verdict import verdict

__all__ = [
    "MEAN",
    "RESULTS",
    "SINGLE",
    "Comparison",
    "Contender",
    "Place",
    "Settings",
    "Spread",
    "Standing",
    "State",
    "Test",
    "Watcher",
    "compare",
    "from_base",
    "from_files",
    "render",
    "verdict",
]

"""Who wins where: models trained on the same rows with the same seeds, and judged beyond noise."""

from peprank.compare.comparison import PAGE, RESULTS, compare
from peprank.compare.contenders import SINGLE, Contender, Entry, from_base, from_files
from peprank.compare.plan import Settings, joint_model
from peprank.compare.pool import Watcher
from peprank.compare.results import MEAN, Comparison, Curve, PairedTest, Place, Spread, Standing, State
from peprank.compare.tables import render
from peprank.compare.tuning import Grid, tuned
from peprank.compare.verdict import verdict

__all__ = [
    "MEAN",
    "PAGE",
    "RESULTS",
    "SINGLE",
    "Comparison",
    "Contender",
    "Curve",
    "Entry",
    "Grid",
    "PairedTest",
    "Place",
    "Settings",
    "Spread",
    "Standing",
    "State",
    "Watcher",
    "compare",
    "from_base",
    "from_files",
    "joint_model",
    "render",
    "tuned",
    "verdict",
]

"""How good a model is: per task, per domain and overall, each number beside the rows and groups it stands on."""

from peprank.evaluation.curves import Curves
from peprank.evaluation.evaluation import Evaluation
from peprank.evaluation.gate_statistics import GateStatistics
from peprank.evaluation.gates import Gate, GateCell, Gates, Spread
from peprank.evaluation.look import gates_on
from peprank.evaluation.results import Cell, Measure, Results, TaskKind
from peprank.evaluation.run import collect, evaluate
from peprank.evaluation.seesaw import Change, Seesaw, seesaw
from peprank.evaluation.tables import render

__all__ = [
    "Cell",
    "Change",
    "Curves",
    "Evaluation",
    "Gate",
    "GateCell",
    "GateStatistics",
    "Gates",
    "Measure",
    "Results",
    "Seesaw",
    "Spread",
    "TaskKind",
    "collect",
    "evaluate",
    "gates_on",
    "render",
    "seesaw",
]

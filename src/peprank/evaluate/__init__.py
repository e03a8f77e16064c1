"""How good a model is: per task, per domain and overall, each number beside the rows and groups it stands on."""

from peprank.evaluate.evaluation import Evaluation
from peprank.evaluate.results import Cell, Measure, Results, TaskKind
from peprank.evaluate.run import evaluate
from peprank.evaluate.seesaw import Change, Seesaw, seesaw
from peprank.evaluate.tables import render

__all__ = [
    "Cell",
    "Change",
    "Evaluation",
    "Measure",
    "Results",
    "Seesaw",
    "TaskKind",
    "evaluate",
    "render",
    "seesaw",
]

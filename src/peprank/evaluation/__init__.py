"""How good a model is: per task, per domain and overall, each number beside the rows and groups it stands on."""

from peprank.evaluation.curves import Curves
from peprank.evaluation.evaluation import Evaluation
from peprank.evaluation.gate_maps import HeatMap, heat_maps
from peprank.evaluation.gate_pictures import draw_heat_maps, require_matplotlib
from peprank.evaluation.gate_statistics import GateStatistics
from peprank.evaluation.gate_tables import render_gates
from peprank.evaluation.gates import Gate, GateCell, Gates, Spread
from peprank.evaluation.look import gates_on, glance_at_gates
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
    "HeatMap",
    "Measure",
    "Results",
    "Seesaw",
    "Spread",
    "TaskKind",
    "collect",
    "draw_heat_maps",
    "evaluate",
    "gates_on",
    "glance_at_gates",
    "heat_maps",
    "render",
    "render_gates",
    "require_matplotlib",
    "seesaw",
]

"""How good a model is: per task, per domain and overall, each number beside the rows and groups it stands on."""

from peprank.evaluation.curves import Curves
from peprank.evaluation.evaluation import Evaluation
from peprank.evaluation.gate_maps import HeatMap, heat_maps
from peprank.evaluation.gate_pictures import draw_heat_maps, require_matplotlib
from peprank.evaluation.gate_statistics import GateStatistics
from peprank.evaluation.gate_tables import render_gates
from peprank.evaluation.gates import Gate, GateCell, Gates, Spread
from peprank.evaluation.importance import MEASURES, Drop, FieldImportance, Importance
from peprank.evaluation.importance_tables import render_importance
from peprank.evaluation.look import gates_on, glance_at_gates
from peprank.evaluation.permutation import permutation_importance
from peprank.evaluation.results import Cell, Measure, Results, TaskKind
from peprank.evaluation.run import collect, evaluate
from peprank.evaluation.sample import sample_users
from peprank.evaluation.seesaw import Change, Seesaw, seesaw
from peprank.evaluation.tables import render

__all__ = [
    "MEASURES",
    "Cell",
    "Change",
    "Curves",
    "Drop",
    "Evaluation",
    "FieldImportance",
    "Gate",
    "GateCell",
    "GateStatistics",
    "Gates",
    "HeatMap",
    "Importance",
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
    "permutation_importance",
    "render",
    "render_gates",
    "render_importance",
    "require_matplotlib",
    "sample_users",
    "seesaw",
]

"""peprank: personalised ranking over many domains and tasks, with PEPNet at its heart.

>>> import peprank
>>> sorted(name for name in dir(peprank) if name in ("train", "load", "evaluate"))
['evaluate', 'load', 'train']
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from peprank.api import evaluate, export, gates, importance, load, train
    from peprank.errors import ArtifactError, ConfigError, DataError, PeprankError, SpecError, TrainingError
    from peprank.evaluation import Gates, Importance, Results
    from peprank.predict import Scorer
    from peprank.training import TrainResult

# Names are fetched on first use, so that `import peprank` and `peprank check` do not wait for torch.
_HOMES = {
    "train": "api",
    "load": "api",
    "export": "api",
    "evaluate": "api",
    "gates": "api",
    "importance": "api",
    "Scorer": "predict",
    "Results": "evaluation",
    "Gates": "evaluation",
    "Importance": "evaluation",
    "TrainResult": "training",
    "PeprankError": "errors",
    "ConfigError": "errors",
    "SpecError": "errors",
    "DataError": "errors",
    "TrainingError": "errors",
    "ArtifactError": "errors",
}

__all__ = [
    "ArtifactError",
    "ConfigError",
    "DataError",
    "Gates",
    "Importance",
    "PeprankError",
    "Results",
    "Scorer",
    "SpecError",
    "TrainResult",
    "TrainingError",
    "evaluate",
    "export",
    "gates",
    "importance",
    "load",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'peprank' has no attribute {name!r}")
    value = getattr(import_module(f"peprank.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__

"""What of a plan decides the numbers of a run, so that a checkpoint is gone on with by the same plan only."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

from peprank.spec.pipeline import PipelineSpec
from peprank.spec.train import Precision

_LONG = 64  # values; longer lists, such as vocabularies, are kept as a hash
_PRECISION = "train.precision"
_SHOWN = 5  # differences that an error lists

# A run may go on longer, save and judge otherwise, or read faster; its weights do not depend on that.
_FREE = {
    "model_dir",
    "eval_inputs",
    "evaluation",
    "export",
    "data.num_threads",
    "data.eval_batch_rows",
    "data.skip_bad_files",
    "train.num_steps",
    "train.num_epochs",
    "train.checkpoint_every_steps",
    "train.checkpoint_every_epochs",
    "train.keep_checkpoints",
    "train.log_every_steps",
    "train.fine_tune_checkpoint",
    "train.fine_tune_names",
    "train.use_tensorboard",
    "train.tensorboard_summaries",
    "train.is_profiling",
    "train.early_stopping",
}


def plan_record(spec: PipelineSpec, num_rows: int | None, precision: Precision) -> dict[str, str]:
    """Return path -> value of everything in the plan that decides weights, and how many rows the training data has.

    Args:
        precision: the one that the run computes in, which decides weights; AUTO alone would not say it.
    """
    record = {path: value for path, value in _leaves(spec, "") if not _is_free(path)}
    return record | {_PRECISION: precision.name, "rows of train_inputs": str(num_rows)}


def differences(kept: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Return what differs as `path: kept -> now; ...`, empty when nothing does."""
    paths = [path for path in dict.fromkeys((*kept, *now)) if kept.get(path) != now.get(path)]
    shown = [f"{path}: {kept.get(path, 'absent')} -> {now.get(path, 'absent')}" for path in paths[:_SHOWN]]
    more = [f"and {len(paths) - _SHOWN} more"] if len(paths) > _SHOWN else []
    return "; ".join(shown + more)


def way_on(kept: Mapping[str, str], now: Mapping[str, str], asked: Precision) -> str:
    """Return how to go on where nothing differs but what AUTO takes on this machine, empty elsewhere."""
    before = kept.get(_PRECISION)
    if asked is not Precision.AUTO or before is None or differences(kept, {**now, _PRECISION: before}):
        return ""
    text = Precision[before].value
    return f'AUTO took {before} before and takes {now[_PRECISION]} here: set mixed_precision to "{text}" to go on, '


def _is_free(path: str) -> bool:
    parts = path.split(".")
    if any(part.startswith(("metrics", "train_metrics")) for part in parts[2:]):
        return True
    return any(".".join(parts[: k + 1]) in _FREE for k in range(len(parts)))


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Walk dataclasses and tuples of dataclasses; name an element by its `name` where it has one."""
    if dataclasses.is_dataclass(value):
        yield f"{path}.kind" if path else "kind", type(value).__name__
        for item in dataclasses.fields(value):
            yield from _leaves(getattr(value, item.name), f"{path}.{item.name}" if path else item.name)
    elif isinstance(value, tuple) and any(dataclasses.is_dataclass(element) for element in value):
        for k, element in enumerate(value):
            yield from _leaves(element, f"{path}[{getattr(element, 'name', k)}]")
    else:
        yield path, _text(value)


def _text(value: Any) -> str:
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, tuple) and len(value) > _LONG:
        return f"{len(value)} values, SHA-256 {hashlib.sha256(json.dumps(value).encode()).hexdigest()}"
    return repr(value)

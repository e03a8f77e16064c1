"""Gradient-boosted trees on a plan's columns, one model per task: what a team would take instead of a network.

Needs LightGBM, which the extra `peprank[trees]` installs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType, ModuleType
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from peprank.compare.tree_columns import Matrix, TreeColumns
from peprank.data import columns_of, open_rows
from peprank.encode import Encoder
from peprank.errors import DataError, TrainingError
from peprank.spec.model import TaskSpec
from peprank.spec.pipeline import PipelineSpec

Logits: TypeAlias = npt.NDArray[np.float32]

PARAMETERS: Final[Mapping[str, float]] = MappingProxyType(
    {
        "num_iterations": 150,
        "learning_rate": 0.05,
        "num_leaves": 31,
        "min_data_in_leaf": 100,
        "lambda_l2": 5.0,
        # Each tree sees half of the columns and 80 % of the rows: less over-fitting, and what seeds differ by.
        "feature_fraction": 0.5,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
    }
)
_BATCH_ROWS = 16_384


def boosted_trees(
    spec: PipelineSpec,
    train_inputs: Sequence[str],
    eval_inputs: Sequence[str],
    *,
    seed: int,
    threads: int,
    parameters: Mapping[str, float | str] | None = None,
    on_task: Callable[[str], None] | None = None,
) -> Logits:
    """Train a model per task on the rows a network would see, and score rows; the raw margins are logits.

    `TreeColumns` says what becomes of each feature. Rows weigh what they weigh in a network's loss: sample weight x
    task space. A task is fitted to its own likelihood, binary, softmax, or squared error for regression, whatever
    losses the plan names. Nothing is stopped early. Equal seeds and threads give equal logits.

    Args:
        train_inputs: paths, folders, globs or URIs, as `open_rows` takes them.
        eval_inputs: the same; no label in them is read.
        threads: that LightGBM may use.
        parameters: what is to differ from `PARAMETERS`, by the names of LightGBM's documentation, not their aliases.
        on_task: told the name of each task whose model is done.

    Shapes: N rows to score, in file order -> float32 [N, K], columns as `ModelSpec.logit_slices`.

    Raises:
        TrainingError: LightGBM is not installed.
        DataError: the rows do not fit the plan, or there are none to train on.
        SpecError: the plan has no column that trees can use.
    """
    lightgbm = require_lightgbm()
    columns, train_parts, labels, weights = _train_rows(spec, train_inputs)
    eval_parts = _eval_rows(spec, columns, eval_inputs)
    settings = _settings(seed, threads, parameters or {})
    num_trees = settings.pop("num_iterations")
    categories = list(range(len(columns.categories)))
    logits = np.empty((sum(map(len, eval_parts)), spec.model.logit_slices[-1].stop), np.float32)
    for k, (task, its_columns) in enumerate(zip(spec.model.tasks, spec.model.logit_slices, strict=True)):
        # Binned anew for each task: a Dataset whose weights are set to 1 keeps those of the task before.
        label, weight = labels[:, k].copy(), weights[:, k].copy()
        rows = lightgbm.Dataset(train_parts, label, weight=weight, categorical_feature=categories)
        model = lightgbm.train({**settings, **_objective(task)}, rows, num_boost_round=num_trees)
        logits[:, its_columns] = _scores(model, eval_parts, task.num_class)
        if on_task:
            on_task(task.name)
    return logits


def require_lightgbm() -> ModuleType:
    """Return LightGBM.

    Raises:
        TrainingError: it cannot be imported.
    """
    try:
        import lightgbm
    except (ImportError, OSError) as error:  # OSError: its OpenMP library is missing
        remedy = "pip install 'peprank[trees]', or compare without trees"
        raise TrainingError(f"boosted trees need LightGBM, which cannot be imported ({error}): {remedy}") from error
    return lightgbm


def _train_rows(spec: PipelineSpec, inputs: Sequence[str]) -> tuple[TreeColumns, list[Matrix], Matrix, Matrix]:
    """The columns, the training rows in them, batch by batch, and labels and weights [N, T]."""
    encoder = Encoder(spec)
    reader = open_rows(inputs, spec.data, columns_of(spec, with_targets=True), batch_rows=_BATCH_ROWS)
    encoded = [(encoder.features(rows), encoder.targets(rows)) for rows in reader.batches() if rows.num_rows]
    if not encoded:
        raise DataError(f"{', '.join(inputs)}: has no rows to train on")
    columns = TreeColumns.of(spec, [features for features, _ in encoded])
    labels = np.concatenate([targets.labels.numpy() for _, targets in encoded])
    weights = np.concatenate([targets.weights.numpy() for _, targets in encoded])
    return columns, [columns.matrix(features) for features, _ in encoded], labels, weights


def _eval_rows(spec: PipelineSpec, columns: TreeColumns, inputs: Sequence[str]) -> list[Matrix]:
    """The rows to score, as they would be served, batch by batch."""
    encoder = Encoder(spec, serving=True)
    reader = open_rows(inputs, spec.data, columns_of(spec, with_targets=False), batch_rows=_BATCH_ROWS)
    return [columns.matrix(encoder.features(rows)) for rows in reader.batches() if rows.num_rows]


def _settings(seed: int, threads: int, parameters: Mapping[str, float | str]) -> dict[str, Any]:
    fixed = {"deterministic": True, "force_row_wise": True, "verbosity": -1}
    return {**PARAMETERS, "seed": seed, "num_threads": threads, **fixed, **parameters}


def _objective(task: TaskSpec) -> dict[str, Any]:
    if task.is_regression:
        return {"objective": "regression"}
    return {"objective": "binary"} if task.num_class == 1 else {"objective": "multiclass", "num_class": task.num_class}


def _scores(model: Any, parts: Sequence[Matrix], num_class: int) -> npt.NDArray[np.float64]:
    """Raw margins [N, num_class]."""
    scores = [model.predict(part, raw_score=True).reshape(-1, num_class) for part in parts]
    return np.concatenate([np.empty((0, num_class)), *scores])

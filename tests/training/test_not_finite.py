"""Whatever is not finite, wherever it comes in, ends a run with the weights from before."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from peprank.errors import TrainingError
from peprank.training import CheckpointStore, train
from peprank.training.learner import Learner
from tests.promises import Reached, Times
from tests.training.test_resume import LAST
from tests.training.world import make_files, make_plan

KINDS = ("feature", "label", "weight", "gradient", "gradient of a table")


def poison(kind: str, learner: Learner, batch: Any, value: float, draw: random.Random) -> None:
    """Put a value that is not finite into a batch, or into the gradient that it will have."""
    if kind == "feature":
        batch.features.numbers["price"][draw.randrange(batch.num_rows)] = float("nan")
    elif kind in ("label", "weight"):
        targets: Tensor = batch.targets.labels if kind == "label" else batch.targets.weights
        targets[draw.randrange(batch.num_rows), draw.randrange(2)] = value
    else:
        ranker = learner.ranker
        parameters = ranker.dense_parameters() if kind == "gradient" else ranker.sparse_parameters()
        _, parameter = draw.choice([*parameters])
        parameter.register_hook(lambda gradient: gradient * value)  # type: ignore[no-untyped-call]


@pytest.mark.promise("R-11", "values that are not finite")
def test_what_is_not_finite_stops_the_run_and_changes_no_weight(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: Times, reached: Reached
) -> None:
    make_files(tmp_path)
    plan, draw, num = make_plan(tmp_path, judged=False), random.Random(2), times(len(KINDS), 100)
    train(
        replace(plan, train=replace(plan.train, checkpoint_every_steps=1, keep_checkpoints=0)),
        model_dir=tmp_path / "alone",
    )
    alone = CheckpointStore(tmp_path / "alone")
    update = Learner.update
    for k in range(num):
        kind, at, value = KINDS[k % len(KINDS)], draw.randrange(1, LAST), draw.choice((float("nan"), float("inf")))

        def poisoned(
            learner: Learner,
            batches: Any,
            *,
            step: int,
            kind: str = kind,
            at: int = at,
            value: float = value,
            **rest: Any,
        ) -> dict[str, float]:
            if step == at:
                poison(kind, learner, batches[0], value, draw)
            return update(learner, batches, step=step, **rest)

        store = CheckpointStore(tmp_path / f"run-{k}")
        monkeypatch.setattr(Learner, "update", poisoned)
        with pytest.raises(TrainingError) as raised:
            train(plan, model_dir=store.model_dir)
        message = str(raised.value)
        assert message.startswith(f"step {at + 1}: "), (kind, message)
        assert "is not finite" in message
        assert f"rows {at % 10 * 64} to {at % 10 * 64 + 63} of epoch {at // 10}" in message
        assert store.steps()[-1] == at
        for name in ("weights.safetensors", "training.safetensors"):
            assert (store.path(at) / name).read_bytes() == (alone.path(at) / name).read_bytes(), (kind, name)
        report = json.loads((store.model_dir / f"not-finite-step-{at + 1}.json").read_text())
        assert report["num_rows"] == 64
        assert report["features"].keys() == {"user", "item", "domain", "tags", "price"}
    reached(
        f"{num} of {num} runs with a NaN or an infinity in a feature, label, weight or gradient stopped at that step, "
        "named the rows and kept the weights and optimiser of the step before, bit for bit"
    )

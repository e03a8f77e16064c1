"""Each row is trained on once an epoch, in one order, however often a run is stopped and however it reads."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from peprank.spec.feature import Identity, IdFeature
from peprank.spec.pipeline import PipelineSpec
from peprank.training import train
from peprank.training.learner import Learner
from tests.promises import Reached, Times
from tests.training.test_resume import LAST, StopAt, StoppedError
from tests.training.world import ROWS, make_plan, make_rows


def plan_of_numbered_rows(directory: Path) -> PipelineSpec:
    """The usual plan, where `user` is the number of the row."""
    rows = make_rows(1)
    rows = rows.set_column(rows.column_names.index("user"), "user", pa.array(np.arange(ROWS)))
    for k, (first, num) in enumerate(((0, 400), (400, 240))):
        pq.write_table(rows.slice(first, num), directory / f"train-{k}.parquet", row_group_size=150)
    plan = make_plan(directory, judged=False)
    user, *features = plan.features
    assert isinstance(user, IdFeature)
    table, *tables = plan.model.tables
    model = replace(plan.model, tables=(replace(table, rows=ROWS), *tables))
    return replace(plan, features=(replace(user, rule=Identity(rows=ROWS)), *features), model=model)


@pytest.mark.promise("R-08", "orders of rows")
@pytest.mark.promise("R-09", "runs that were stopped and resumed")
def test_each_row_comes_once_an_epoch_in_one_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: Times, reached: Reached
) -> None:
    rows_of_step: dict[int, list[int]] = {}

    def note(_learner: Learner, batches: Any, *, step: int, **_: Any) -> dict[str, float]:
        rows_of_step[step] = [row for batch in batches for row in batch.features.ids["user"].values.tolist()]
        return {"loss": 0.0}

    monkeypatch.setattr(Learner, "update", note)
    plan, draw, num = plan_of_numbered_rows(tmp_path), random.Random(3), times(6, 60)
    alone: list[list[int]] | None = None
    num_resumed = num_runs = 0
    while num_resumed < num:
        stops = sorted(draw.sample(range(1, LAST), 0 if alone is None else 3))
        rows_of_step.clear()
        for at in [*stops, None]:
            read = replace(plan, data=replace(plan.data, num_threads=draw.choice((0, 1, 2, 4))))
            listener = StopAt(at or LAST + 1)
            try:
                train(read, model_dir=tmp_path / f"run-{num_runs}", listener=listener)
            except StoppedError:
                num_resumed += 1
        seen = [rows_of_step[step] for step in range(LAST)]
        alone = alone or seen
        assert seen == alone
        num_runs += 1
    assert alone is not None
    for epoch in (alone[: LAST // 2], alone[LAST // 2 :]):
        assert sorted(row for rows in epoch for row in rows) == list(range(ROWS))
    assert alone[: LAST // 2] != alone[LAST // 2 :]
    reached(
        f"{num_runs} runs with {num_resumed} stops, each part read by 0, 1, 2 or 4 threads: one order of rows, "
        "every row once an epoch"
    )

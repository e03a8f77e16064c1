"""What every model must do from its config to its scores."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from peprank import api, config
from peprank.cli.main import main
from peprank.config.lower_model import TRUNKS
from tests import tiny
from tests.contract.configs import EVERY_CONFIG

every_config = pytest.mark.parametrize("text", EVERY_CONFIG.values(), ids=EVERY_CONFIG)


def test_no_model_is_forgotten() -> None:
    assert {name.partition("-")[0] for name in EVERY_CONFIG} == set(TRUNKS)


@every_config
def test_a_config_checks_explains_trains_exports_and_predicts(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tiny.write(tmp_path, config=text, train_rows=200, val_rows=50)
    plan = config.load(path)
    assert plan.warnings == ()
    assert main(["check", str(path), "--data"]) == 0
    assert main(["explain", str(path)]) == 0
    assert "the equations in force" in capsys.readouterr().out
    assert api.train(path).steps == 2
    exported = api.export(tmp_path / "model", tmp_path / "bundle")
    loaded = api.load(tmp_path / "bundle")  # replays its golden rows
    rows = pq.read_table(tmp_path / "val.parquet")
    assert loaded.predict(rows).equals(exported.predict(rows))
    scores = tmp_path / "scores.parquet"
    assert main(["predict", str(tmp_path / "bundle"), str(tmp_path / "val.parquet"), "--out", str(scores)]) == 0
    probs = {f"probs_{task.name}" for task in plan.spec.model.tasks}
    assert probs <= set(pq.read_table(scores).column_names)

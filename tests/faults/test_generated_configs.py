"""What `peprank check` accepts, `peprank train` starts to train."""

from __future__ import annotations

import os
import random
import shutil
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from peprank import api, config
from peprank.errors import ConfigError, DataError, TrainingError
from tests.faults.generated import draw
from tests.faults.test_configs import rows
from tests.promises import Reached, Times

SEED = 21
TWO_STEPS = ("~train_config.num_epochs", "train_config.num_steps=2")


@pytest.mark.promise("R-21", "drawn configs that check accepts, trained for two steps")
def test_what_check_accepts_trains_for_two_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: Times, reached: Reached
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "fsync", lambda _: None)  # no machine stops in this test
    pq.write_table(rows(80, seed=1), "train.parquet", row_group_size=30)
    pq.write_table(rows(40, seed=2), "val.parquet")
    count, found, judged = times(12, 1000), Counter[str](), Counter[bool]()
    faults = []

    def accepts(text: str) -> bool:
        is_accepted = _is_accepted(text)
        judged[is_accepted] += 1
        return is_accepted

    for seed in range(count):
        Path("drawn.config").write_text(draw(random.Random(f"{SEED} {seed}"), accepts), "utf-8")
        try:
            found[_outcome(Path("drawn.config"))] += 1
        except Exception as error:
            faults.append(f"draw {seed}: {type(error).__name__}: {error}")
    reached(
        f"{count:,} drawn configs that check accepts: {found['trained']:,} trained two steps, {len(faults)} failed, "
        f"{found['data']} did not fit their rows, {found['not finite']} stopped at a loss that was not finite; "
        f"{judged[False]:,} of {sum(judged.values()):,} single changes were refused by check"
    )
    assert not faults, "\n".join(faults)
    assert found["trained"] > count / 2


def _is_accepted(text: str) -> bool:
    try:
        config.lower(config.parse(text, "drawn.config", TWO_STEPS))
    except ConfigError:
        return False
    return True


def _outcome(path: Path) -> str:
    """What came of a config; raises what `check` should have told."""
    try:
        api.train(path, overrides=TWO_STEPS, resume="never")
    except DataError:
        return "data"
    except TrainingError as error:
        if "not finite" in str(error):
            return "not finite"
        raise
    finally:
        shutil.rmtree("model", ignore_errors=True)
    return "trained"

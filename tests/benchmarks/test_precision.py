"""The study of BF16: its arithmetic by hand, and its quick form whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import precision, workload
from peprank.spec.train import Precision


def test_pairs_are_compared_by_seed() -> None:
    # auc: differences -0.01 and 0.03, mean 0.01, deviation sqrt(0.0008), over sqrt(2): 0.02; float32 spreads 0.0707
    exact: list[dict[str, float | None]]
    exact = [{"auc": 0.6, "logloss": 1.0, "gauc_like": 0.5}, {"auc": 0.7, "logloss": 2.0, "gauc_like": None}]
    rounded = [{"auc": 0.59, "logloss": 1.0, "gauc_like": 0.5}, {"auc": 0.73, "logloss": 2.0, "gauc_like": 0.5}]
    assert precision.compared(exact, rounded) == [
        ("auc", "0.6500 ± 0.0707", "0.6600 ± 0.0990", "+0.0100 ± 0.0200", "yes")
    ]


def test_more_than_another_seed_does_is_no_noise() -> None:
    exact, rounded = [{"auc": 0.60}, {"auc": 0.61}], [{"auc": 0.58}, {"auc": 0.59}]
    assert [row[-1] for row in precision.compared(exact, rounded)] == ["no"]


def test_a_finished_run_is_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[Precision, int]] = []

    def train(_: Any, kind: Precision, seed: int) -> dict[str, float]:
        if len(made) == 3:
            raise KeyboardInterrupt
        made.append((kind, seed))
        return {"auc": 0.5 + seed / 100}

    monkeypatch.setattr(precision, "_train", train)
    work = workload.kuairand(quick=True)
    with pytest.raises(KeyboardInterrupt):
        precision.study("rows", work, (1, 2), tmp_path)
    made.pop()  # there is room for the run that is missing
    section = precision.study("rows", work, (1, 2), tmp_path)
    expected = [(kind, seed) for kind in (Precision.FLOAT32, Precision.BF16) for seed in (1, 2)]
    assert sorted(path.name.split("-", 3)[-1] for path in tmp_path.iterdir()) == sorted(
        f"{kind.name}-seed-{seed}.json" for kind, seed in expected
    )
    assert made == [*expected[:2], expected[3]]
    assert section.rows == [("auc", "0.5150 ± 0.0071", "0.5150 ± 0.0071", "+0.0000 ± 0.0000", "yes")]


def test_the_quick_form_judges_every_task() -> None:
    (section,) = precision.run(quick=True)
    assert {"auc", "auc_click", "gauc_click", "auc_like"} <= {row[0] for row in section.rows}
    assert all(row[-1] in ("yes", "no") for row in section.rows)

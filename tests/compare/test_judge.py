"""Numbers, means over tasks and tests against the metrics themselves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from peprank import config
from peprank.compare import MEAN, Place, State
from peprank.compare.judge import ENOUGH, cells_of, judge, numbers, paired_tests
from peprank.compare.rows import Truth
from peprank.metrics.auc import auc
from peprank.metrics.gauc import gauc
from peprank.metrics.paired import holm
from tests import tiny

N = 900


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    """Two tasks in three domains, the last of them too small to be tested."""
    spec = config.load(tiny.write(tmp_path_factory.mktemp("rows"))).spec
    rng = np.random.default_rng(0)
    domains = np.array(["home"] * 500 + ["search"] * 370 + ["else"] * 30, object)
    return Truth(
        spec=spec,
        rows=pa.RecordBatch.from_pydict({"tab": pa.array(domains)}),
        labels=(rng.random((N, 2)) < 0.4).astype(np.float32),
        keys={"user": rng.integers(0, 60, N)},
        spaces={},
        domains=domains,
    )


def scores(truth: Truth, signal: float, seed: int) -> np.ndarray:
    """Logits that know the labels by `signal`."""
    noise = np.random.default_rng(seed).normal(size=truth.labels.shape)
    return (noise + signal * truth.labels).astype(np.float32)


def test_cells_have_enough_of_both_classes(truth: Truth) -> None:
    assert [(cell.name, cell.domain) for cell in cells_of(truth)] == [
        (task, domain) for task in ("ctr", "cvr") for domain in (None, "home", "search")
    ]
    rare = truth.labels.copy()
    rare[np.flatnonzero(rare[:, 1])[ENOUGH - 1 :], 1] = 0
    assert {cell.name for cell in cells_of(replace(truth, labels=rare))} == {"ctr"}


def test_numbers_are_those_of_the_metrics(truth: Truth) -> None:
    logits = [scores(truth, 1.0, seed) for seed in (1, 2)]
    found = numbers([judge(truth, each, cells_of(truth), num_replicates=10) for each in logits])
    rows = truth.domains == "search"
    for k, task in enumerate(("ctr", "cvr")):
        labels, users = truth.labels[rows, k].astype(int), truth.users[rows]
        expected = [auc(each[rows, k], labels) for each in logits]
        assert found[Place(task, "search", "auc")].values == pytest.approx(expected)
        expected = [gauc(each[rows, k], labels, users).weighted for each in logits]
        assert found[Place(task, "search", "gauc")].values == pytest.approx(expected)
    both = sum(found[Place(task, None, "gauc")].mean or 0 for task in ("ctr", "cvr"))
    assert found[Place(MEAN, None, "gauc")].mean == pytest.approx(both / 2)
    assert Place("ctr", "else", "auc") in found  # reported, though too small to be tested
    assert Place(MEAN, "else", "auc") not in found


def test_a_better_model_is_better_and_an_equal_one_the_same(truth: Truth) -> None:
    cells = cells_of(truth)
    good, weak, other = (
        [judge(truth, scores(truth, signal, seed + offset), cells, num_replicates=200) for seed in range(3)]
        for signal, offset in ((1.0, 0), (0.3, 10), (0.3, 20))
    )
    up, down = paired_tests(good, weak, "weak", everywhere=True), paired_tests(weak, good, "good", everywhere=True)
    assert {test.state for place, test in up.items() if place.measure == "auc"} == {State.BETTER}
    assert {test.state for place, test in down.items() if place.measure == "auc"} == {State.WORSE}
    even = paired_tests(weak, other, "other", everywhere=True)
    assert {test.state for place, test in even.items() if place.task == MEAN} == {State.SAME}
    assert up[Place("ctr", None, "logloss")].gain == -up[Place("ctr", None, "logloss")].difference.value


def test_p_values_that_are_read_together_are_corrected_together(truth: Truth) -> None:
    cells = cells_of(truth)
    one, two = ([judge(truth, scores(truth, 0.3, seed), cells, num_replicates=100)] for seed in (1, 2))
    found = paired_tests(one, two, "two", everywhere=True)
    for family in (
        [Place(task, None, "auc") for task in ("ctr", "cvr")],
        [Place(MEAN, domain, "auc") for domain in ("home", "search")],
        [Place("ctr", domain, "auc") for domain in ("home", "search")],
    ):
        assert [found[place].p_holm for place in family] == holm([found[place].difference.p for place in family])
    alone = found[Place(MEAN, None, "auc")]
    assert alone.p_holm == alone.difference.p
    assert all(place.domain is None for place in paired_tests(one, two, "two", everywhere=False))

from __future__ import annotations

from dataclasses import replace
from math import exp, log

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from peprank.encode.encoder import NO_KEY
from peprank.errors import DataError
from peprank.evaluation import Cell, Evaluation, Measure, Results, TaskKind
from peprank.spec.model import L2, SoftmaxCrossEntropy, TaskSpec
from tests.evaluation.plan import BUY, CLICK, column_of, judged, plan
from tests.metrics.test_gauc import naive_gauc

RATING = TaskSpec(name="stars", label="stars", num_class=3, losses=(SoftmaxCrossEntropy(),))
WATCH = TaskSpec(name="watch", label="seconds", losses=(L2(),))


def overall(results: Results, task: str = "ctr") -> Cell:
    (cell,) = results.select(task=task)
    return cell


def values(cell: Cell) -> dict[str, float | None]:
    return {name: measure.value for name, measure in cell.measures.items()}


def test_every_measure_of_a_table_by_hand() -> None:
    three = log(3)  # a probability of 3/4
    results = judged(plan(), column_of([three, -three, three, -three]), column_of([1, 0, 0, 0]), users=[1, 1, 1, 2])
    cell = overall(results)
    assert (cell.kind, cell.rows, cell.positives) == (TaskKind.BINARY, 4, 1)
    assert (cell.groups, cell.group_rows) == (1, 3)  # user 2 has no click
    loss = -(log(0.75) * 3 + log(0.25)) / 4
    assert values(cell) == {
        "auc": pytest.approx(2.5 / 3),  # beats two of three negatives, ties with one
        "gauc": pytest.approx(0.75),
        "gauc_unweighted": pytest.approx(0.75),
        "logloss": pytest.approx(loss),
        "normalized_entropy": pytest.approx(loss / -(0.25 * log(0.25) + 0.75 * log(0.75))),
        "calibration": pytest.approx(2.0),  # mean prediction 1/2, mean label 1/4
        "mean_prob": pytest.approx(0.5),
    }


def test_each_domain_is_judged_by_itself_and_the_largest_comes_first() -> None:
    results = judged(
        plan(), column_of([1, 2, 3, 4, 5]), column_of([0, 1, 1, 0, 1]), tab=[7, 7, 3, 3, 3], users=[0, 0, 1, 1, 1]
    )
    cells = list(results.select(column="tab"))
    assert [(cell.segment, cell.rows, cell.positives) for cell in cells] == [("3", 3, 2), ("7", 2, 1)]
    assert [cell.measures["auc"].value for cell in cells] == [0.5, 1.0]
    assert results.domain_column == "tab"


def test_a_plan_without_a_domain_has_cells_of_all_rows_only() -> None:
    results = judged(plan(domain=None), column_of([1, 2]), column_of([0, 1]))
    assert [cell.column for cell in results.cells] == [None]
    assert results.domain_column is None


def test_a_column_to_split_by_stands_beside_the_domain() -> None:
    results = judged(plan(), column_of([1, 2, 3]), column_of([0, 1, 1]), by="age", age=["old", "old", None])
    assert results.columns == ("tab", "age")
    assert [(cell.segment, cell.rows) for cell in results.select(column="age")] == [("old", 2), ("missing", 1)]


def test_the_domain_column_asked_for_again_is_not_told_twice() -> None:
    results = judged(plan(), column_of([1, 2]), column_of([0, 1]), by="tab")
    assert len(list(results.select(column="tab"))) == 1


def test_a_task_with_a_space_is_judged_over_all_rows_and_inside_it() -> None:
    logits = [[0, 4], [0, 3], [0, 2], [0, 1]]
    labels = [[0, 0], [1, 1], [1, 0], [0, 0]]
    results = judged(plan(CLICK, BUY), logits, labels, spaces={"cvr": [False, True, True, False]}, tab=[5, 5, 5, 6])
    everywhere = overall(results, "cvr")
    (inside,) = results.select(task="cvr", in_space=True)
    assert (everywhere.rows, inside.rows) == (4, 2)
    assert everywhere.measures["auc"].value == pytest.approx(2 / 3)
    assert inside.measures["auc"].value == 1.0
    assert not list(results.select(task="ctr", in_space=True))
    segments = [(cell.segment, cell.rows) for cell in results.select(task="cvr", column="tab", in_space=True)]
    assert segments == [("5", 2), ("6", 0)]
    assert results.spaces == {"cvr": "click"}


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ([], "no rows"),
        ([0], "no positive among 1 row"),
        ([1], "no negative among 1 row"),
        ([0] * 1200, "no positive among 1,200 rows"),
    ],
)
@pytest.mark.promise("R-18", "AUC and GAUC of one class")
def test_what_one_class_leaves_undefined_says_why_and_is_never_one_half(labels: list[int], reason: str) -> None:
    cell = overall(judged(plan(), np.zeros((len(labels), 1)).tolist(), np.reshape(labels, (-1, 1)).tolist()))
    for name in ("auc", "gauc", "gauc_unweighted", "normalized_entropy"):
        assert cell.measures[name] == Measure(None, reason)
    assert (cell.rows, cell.positives, cell.groups, cell.group_rows) == (len(labels), sum(labels), 0, 0)
    if labels == [1]:
        assert cell.measures["calibration"] == Measure(0.5)
    else:
        assert cell.measures["calibration"] == Measure(None, reason)
    assert cell.measures["logloss"].reason == (None if labels else "no rows")
    assert cell.measures["logloss"].value == (pytest.approx(log(2)) if labels else None)


@pytest.mark.promise("R-18", "GAUC without such a group")
def test_gauc_without_a_group_of_both_classes_says_so() -> None:
    cell = overall(judged(plan(), column_of([1, 2]), column_of([0, 1]), users=[1, 2]))
    assert cell.measures["gauc"] == Measure(None, "no user_id with both classes")
    assert cell.measures["auc"] == Measure(1.0)


def test_gauc_without_a_feature_to_group_by_says_so() -> None:
    cell = overall(judged(plan(gauc_feature=None), column_of([1, 2]), column_of([0, 1])))
    assert cell.measures["gauc"] == Measure(None, "eval_config.gauc_feature is not set")
    assert (cell.groups, cell.group_rows) == (None, None)


def test_rows_of_no_known_user_are_no_group() -> None:
    users = [NO_KEY, NO_KEY, 4, 4]
    cell = overall(judged(plan(), column_of([1, 2, 3, 4]), column_of([1, 0, 0, 1]), users=users))
    assert (cell.groups, cell.group_rows, cell.measures["gauc"].value) == (1, 2, 1.0)


def test_results_do_not_depend_on_batches_or_row_order() -> None:
    draw = np.random.default_rng(0)
    n = 300
    x, y = np.round(draw.standard_normal((n, 2)), 1), draw.integers(0, 2, (n, 2))
    users, tab = draw.integers(0, 40, n), draw.integers(0, 3, n)

    def run(order: np.ndarray, batch_rows: int) -> Results:
        return judged(
            plan(CLICK, BUY),
            x[order].tolist(),
            y[order].tolist(),
            users=users[order].tolist(),
            spaces={"cvr": (y[order, 0] > 0).tolist()},
            tab=tab[order],
            batch_rows=batch_rows,
        )

    whole = run(np.arange(n), n)
    assert run(np.arange(n), 7) == whole
    shuffled = run(draw.permutation(n), 64)
    assert [(c.task, c.column, c.segment, c.rows) for c in shuffled.cells] == [
        (c.task, c.column, c.segment, c.rows) for c in whole.cells
    ]
    for ours, theirs in zip(shuffled.cells, whole.cells, strict=True):
        assert values(ours) == pytest.approx(values(theirs), abs=1e-12)
        assert ours.measures["auc"] == theirs.measures["auc"]


def test_cells_agree_with_scikit_learn_and_a_naive_loop() -> None:
    draw = np.random.default_rng(1)
    n = 500
    x = draw.normal(-1, 1, n).astype(np.float32)
    y = (draw.random(n) < 1 / (1 + np.exp(-x))).astype(int)
    users, tab = draw.integers(0, 60, n), draw.integers(0, 3, n)
    results = judged(plan(), column_of(x.tolist()), column_of(y.tolist()), users=users.tolist(), tab=tab)
    cells = [overall(results), *results.select(column="tab")]
    assert len(cells) == 4
    for cell in cells:
        rows = tab == int(cell.segment) if cell.column else np.ones(n, bool)
        assert cell.measures["auc"].value == pytest.approx(roc_auc_score(y[rows], x[rows]), abs=1e-9)
        prob = 1 / (1 + np.exp(-x[rows].astype(np.float64)))
        assert cell.measures["logloss"].value == pytest.approx(log_loss(y[rows], prob), abs=1e-9)
        grouped = naive_gauc(x[rows], y[rows], users[rows])
        assert cell.measures["gauc"].value == pytest.approx(grouped.weighted, abs=1e-12)
        assert (cell.groups, cell.group_rows) == (grouped.num_groups, grouped.rows)


def test_a_softmax_tower_is_judged_by_its_classes() -> None:
    logits = [[2.0, 0, 0], [0, 2.0, 0], [0, 2.0, 0], [0, 0, 2.0]]
    cell = overall(judged(plan(RATING), logits, column_of([0, 1, 0, 2])), "stars")
    assert (cell.kind, cell.rows, cell.positives) == (TaskKind.MULTICLASS, 4, None)
    right, wrong = exp(2) / (exp(2) + 2), 1 / (exp(2) + 2)
    assert values(cell) == {
        "multiclass_auc": pytest.approx((0.75 + 2.5 / 3 + 1.0) / 3),
        "accuracy": 0.75,
        "cross_entropy": pytest.approx(-(3 * log(right) + log(wrong)) / 4),
    }


@pytest.mark.promise("R-18", "softmax towers of one class")
def test_a_softmax_tower_with_rows_of_one_class_says_so() -> None:
    cell = overall(judged(plan(RATING), [[1.0, 0, 0], [2.0, 0, 0]], column_of([0, 0])), "stars")
    assert cell.measures["multiclass_auc"] == Measure(None, "all 2 rows are of one class")
    empty = overall(judged(plan(RATING), [], []), "stars")
    assert {measure.reason for measure in empty.measures.values()} == {"no rows"}


def test_a_softmax_tower_of_two_classes_is_judged_like_a_binary_one() -> None:
    two = replace(CLICK, num_class=2, losses=(SoftmaxCrossEntropy(),))
    x, y = [0.3, -1.0, 2.0, 0.1], [1, 0, 1, 0]
    both = judged(plan(two), [[1.0, 1.0 + value] for value in x], column_of(y))
    one = judged(plan(), column_of([float(np.float32(1 + v) - np.float32(1)) for v in x]), column_of(y))
    assert both.cells == one.cells
    assert both.asked["softmax_cross_entropy_ctr"].value == pytest.approx(one.named()["logloss_ctr"])


def test_an_l2_tower_is_judged_by_its_errors() -> None:
    cell = overall(judged(plan(WATCH), column_of([1.0, 5.0, 2.0]), column_of([2.0, 4.0, 4.0])), "watch")
    assert (cell.kind, cell.rows, cell.positives) == (TaskKind.REGRESSION, 3, None)
    assert values(cell) == {
        "mean_absolute_error": pytest.approx(4 / 3),
        "mean_squared_error": pytest.approx(2.0),
        "xauc": 1.0,
    }
    equal = overall(judged(plan(WATCH), column_of([1.0, 5.0]), column_of([2.0, 2.0])), "watch")
    assert equal.measures["xauc"] == Measure(None, "no two of 2 rows have different labels")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_logit_that_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(DataError) as refused:
        judged(plan(CLICK, BUY), [[0, 0], [0, value]], [[0, 0], [1, 1]], spaces={"cvr": [True, True]})
    assert str(refused.value) == (
        "tower 'cvr': the logits of 1 of 2 rows are not finite; the model has diverged, or an input holds numbers "
        "that are too large"
    )


def test_a_missing_column_to_split_by_is_named() -> None:
    with pytest.raises(DataError) as refused:
        judged(plan(), column_of([1]), column_of([1]), by="age")
    assert str(refused.value) == "column 'age' is missing; found ['row', 'tab']"


def test_an_evaluation_may_go_on_after_a_result() -> None:
    spec = plan()
    evaluation = Evaluation(spec)

    def add(x: float, y: float) -> None:
        rows = pa.RecordBatch.from_pydict({"tab": [1]})
        logits, labels = np.array([[x]], np.float32), np.array([[y]], np.float32)
        evaluation.add(rows, logits, labels, {"user_id": np.array([1])}, {})

    add(1.0, 0.0)
    assert evaluation.result().named()["auc_ctr"] is None
    add(2.0, 1.0)
    assert evaluation.result().named()["auc_ctr"] == 1.0
    assert evaluation.result().rows == 2

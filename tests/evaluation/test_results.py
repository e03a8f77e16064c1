from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peprank.evaluation import Cell, Measure, Results, TaskKind
from peprank.spec.model import (
    JRC,
    L2,
    BinaryCrossEntropy,
    BinaryFocal,
    MetricKind,
    MetricSpec,
    SoftmaxCrossEntropy,
    TaskSpec,
)
from tests.evaluation.plan import BUY, CLICK, column_of, judged, plan

finite = st.floats(-1e300, 1e300)
names = st.text(max_size=8)
measures = st.builds(Measure, finite) | st.builds(Measure, st.none(), st.text(min_size=1, max_size=20))
cells = st.builds(
    Cell,
    task=names,
    kind=st.sampled_from(TaskKind),
    column=st.none() | names,
    segment=names,
    in_space=st.booleans(),
    rows=st.integers(0),
    positives=st.none() | st.integers(0),
    groups=st.none() | st.integers(0),
    group_rows=st.none() | st.integers(0),
    measures=st.dictionaries(names, measures, max_size=3),
)
all_results = st.builds(
    Results,
    rows=st.integers(0),
    group_feature=st.none() | names,
    domain_column=st.none() | names,
    spaces=st.dictionaries(names, names, max_size=2),
    cells=st.lists(cells, max_size=4).map(tuple),
    asked=st.dictionaries(names, measures, max_size=3),
)


@given(all_results)
def test_json_gives_the_same_results_back_to_the_last_bit(results: Results) -> None:
    text = json.dumps(results.to_json(), allow_nan=False)
    assert Results.from_json(json.loads(text)) == results


def test_a_real_evaluation_survives_json() -> None:
    spec = plan(CLICK, BUY)
    results = judged(
        spec, [[0.1, 0.2], [0.3, -0.4]], [[1, 0], [0, 0]], spaces={"cvr": [True, False]}, tab=["x", "missing"]
    )
    assert Results.from_json(json.loads(json.dumps(results.to_json(), allow_nan=False))) == results


@pytest.mark.parametrize(("value", "reason"), [(None, None), (0.5, "no rows")])
def test_a_measure_has_either_a_value_or_a_reason(value: float | None, reason: str | None) -> None:
    with pytest.raises(ValueError, match=f"^a measure has a value or a reason; got {value!r} and {reason!r}$"):
        Measure(value, reason)


def test_named_numbers_of_all_rows_of_the_space_and_means_over_tasks() -> None:
    logits = [[0, 4], [1, 3], [2, 2], [0, 1]]
    labels = [[0, 0], [1, 1], [1, 0], [0, 0]]
    named = judged(plan(CLICK, BUY), logits, labels, spaces={"cvr": [False, True, True, False]}).named()
    assert named["auc_ctr"] == 1.0
    assert named["auc_cvr"] == pytest.approx(2 / 3)
    assert named["auc_cvr_in_space"] == 1.0
    assert named["auc"] == pytest.approx((1 + 2 / 3) / 2)
    assert named["gauc_ctr"] is None
    assert named["gauc"] is None
    losses = [named["logloss_ctr"], named["logloss_cvr"]]
    assert named["logloss"] == pytest.approx(sum(loss for loss in losses if loss is not None) / 2)
    assert {"calibration_ctr", "calibration_cvr_in_space", "binary_cross_entropy_ctr"} <= set(named)


def test_the_mean_over_tasks_leaves_out_the_undefined() -> None:
    named = judged(plan(CLICK, replace(BUY, space=None)), [[0, 4], [1, 3]], [[0, 0], [1, 0]]).named()
    assert (named["auc_cvr"], named["auc"]) == (None, 1.0)


def asked(task: TaskSpec, *metrics: MetricSpec) -> Results:
    x, y, users = [2.0, -1.0, 0.5, 0.5, -2.0], [1, 0, 0, 1, 0], [1, 1, 2, 2, 2]
    return judged(plan(replace(task, metrics=metrics)), column_of(x), column_of(y), users=users)


def test_the_config_gets_its_metrics_by_the_peers_names() -> None:
    results = asked(
        CLICK,
        MetricSpec(kind=MetricKind.AUC),
        MetricSpec(kind=MetricKind.GROUPED_AUC, grouping_key="user_id"),
        MetricSpec(kind=MetricKind.NORMALIZED_ENTROPY),
        MetricSpec(kind=MetricKind.ACCURACY, threshold=0.5),
        MetricSpec(kind=MetricKind.MULTICLASS_AUC),
        MetricSpec(kind=MetricKind.MEAN_ABSOLUTE_ERROR),
        MetricSpec(kind=MetricKind.MEAN_SQUARED_ERROR),
        MetricSpec(kind=MetricKind.XAUC, max_pairs=1000),
        MetricSpec(kind=MetricKind.GROUPED_XAUC, grouping_key="user_id"),
    )
    named = results.named()
    assert named["auc_ctr"] == pytest.approx(5.5 / 6)
    assert named["grouped_auc_ctr"] == named["gauc_unweighted_ctr"] == pytest.approx((1 + 0.75) / 2)
    assert named["gauc_ctr"] == pytest.approx((2 * 1 + 3 * 0.75) / 5)
    assert named["accuracy_ctr"] == 0.8
    assert named["multiclass_auc_ctr"] == named["xauc_ctr"] == pytest.approx(5.5 / 6)
    assert named["grouped_xauc_ctr"] == pytest.approx((2 * 1 + 3 * 0.75) / 5)
    assert named["normalized_entropy_ctr"] == results.cells[0].measures["normalized_entropy"].value
    probs = [0.8807970779778823, 0.2689414213699951, 0.6224593312018546, 0.6224593312018546, 0.11920292202211755]
    errors = [abs(p - y) for p, y in zip(probs, [1, 0, 0, 1, 0], strict=True)]
    assert named["mean_absolute_error_ctr"] == pytest.approx(sum(errors) / 5)
    assert named["mean_squared_error_ctr"] == pytest.approx(sum(error**2 for error in errors) / 5)


def test_thresholds_make_the_named_auc_binned_and_leave_the_cells_exact() -> None:
    results = asked(CLICK, MetricSpec(kind=MetricKind.AUC, thresholds=2))  # one bin: every pair ties
    assert results.named()["auc_ctr"] == 0.5
    assert results.cells[0].measures["auc"].value == pytest.approx(5.5 / 6)


def test_another_grouping_key_than_gaucs_is_looked_up() -> None:
    metric = MetricSpec(kind=MetricKind.GROUPED_AUC, grouping_key="user_id")
    spec = plan(replace(CLICK, metrics=(metric,)), gauc_feature=None)
    named = judged(spec, column_of([2, 1, 1]), column_of([1, 0, 1]), users=[1, 1, 2]).named()
    assert (named["grouped_auc_ctr"], named["gauc_ctr"]) == (1.0, None)


@pytest.mark.promise("R-18", "undefined metrics of a config")
def test_an_undefined_metric_of_the_config_says_why() -> None:
    metrics = tuple(
        MetricSpec(kind=kind, grouping_key="user_id" if "GROUPED" in kind.name else None, thresholds=thresholds)
        for kind, thresholds in (
            (MetricKind.AUC, 200),
            (MetricKind.GROUPED_AUC, None),
            (MetricKind.NORMALIZED_ENTROPY, None),
            (MetricKind.MULTICLASS_AUC, None),
            (MetricKind.XAUC, None),
            (MetricKind.GROUPED_XAUC, None),
        )
    )
    spec = plan(replace(CLICK, metrics=metrics), gauc_feature=None)
    results = judged(spec, column_of([1, 2]), column_of([0, 0]), users=[1, 2])
    assert {name: measure.reason for name, measure in results.asked.items() if measure.reason} == {
        "auc_ctr": "no positive among 2 rows",
        "grouped_auc_ctr": "no positive among 2 rows",
        "normalized_entropy_ctr": "no positive among 2 rows",
        "multiclass_auc_ctr": "all 2 rows are of one class",
        "xauc_ctr": "no two of 2 rows have different labels",
        "grouped_xauc_ctr": "no user_id with different labels",
    }


def test_a_metric_that_a_tower_cannot_have_says_so() -> None:
    watch = TaskSpec(
        name="watch",
        label="seconds",
        losses=(L2(),),
        metrics=(MetricSpec(kind=MetricKind.AUC), MetricSpec(kind=MetricKind.MEAN_ABSOLUTE_ERROR)),
    )
    results = judged(plan(watch), column_of([1, 2]), column_of([3.0, 4.5]))
    assert results.asked["auc_watch"] == Measure(None, "a regression tower has no auc")
    assert results.named()["mean_absolute_error_watch"] == results.cells[0].measures["mean_absolute_error"].value
    assert results.named()["l2_loss_watch"] == pytest.approx((4 + 6.25) / 2)


def test_metrics_of_a_softmax_tower() -> None:
    metrics = (
        MetricSpec(kind=MetricKind.ACCURACY, top_k=2),
        MetricSpec(kind=MetricKind.MULTICLASS_AUC, average="weighted"),
    )
    stars = TaskSpec(name="stars", label="stars", num_class=3, losses=(SoftmaxCrossEntropy(),), metrics=metrics)
    named = judged(plan(stars), [[2, 1, 0], [0, 2, 1], [2, 1, 0]], column_of([0, 1, 1])).named()
    assert named["accuracy_stars"] == 1.0
    assert named["multiclass_auc_stars"] == pytest.approx((1 * 0.75 + 2 * 0.75) / 3)
    assert named["softmax_cross_entropy_stars"] == named["cross_entropy_stars"]


def test_losses_are_plain_means_by_the_peers_names() -> None:
    losses = (BinaryCrossEntropy(label_smoothing=0.2), BinaryFocal(gamma=0.0))
    named = judged(plan(replace(CLICK, weight=5.0, losses=losses)), column_of([0, 0]), column_of([0, 1])).named()
    assert named["binary_cross_entropy_ctr"] == pytest.approx(named["logloss_ctr"])  # at p = 1/2 smoothing is neutral
    assert named["binary_focal_loss_ctr"] == pytest.approx((named["logloss_ctr"] or 0) / 2)


def test_a_jrc_tower_tells_its_loss_over_whole_sessions() -> None:
    task = replace(CLICK, num_class=2, losses=(JRC(session="user_id", alpha=1.0),))
    named = judged(plan(task), [[0, 1], [0, -1]], column_of([1, 0]), users=[1, 1], batch_rows=1).named()
    assert named["jrc_loss_ctr"] == pytest.approx(named["logloss_ctr"])

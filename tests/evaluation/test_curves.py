from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from peprank.evaluation import Evaluation
from peprank.metrics import sigmoid
from peprank.spec.model import L2, SoftmaxCrossEntropy, TaskSpec
from tests.evaluation.plan import CLICK, plan

LOGITS = np.array([-2.0, -1.0, 0.0, 1.0, 2.0, 3.0], np.float32)
CLICKS = np.array([0, 0, 1, 0, 1, 1])


def collected(*tasks: TaskSpec) -> Evaluation:
    """Six rows in tabs 0, 0, 0, 0, 1, 2; every task has the same logits and labels."""
    spec = plan(*tasks)
    evaluation = Evaluation(spec)
    width = spec.model.logit_slices[-1].stop
    rows = pa.RecordBatch.from_pydict({"tab": [0, 0, 0, 0, 1, 2]})
    labels = np.repeat(CLICKS[:, None], len(tasks), 1).astype(np.float32)
    evaluation.add(rows, np.repeat(LOGITS[:, None], width, 1), labels, {"user_id": np.arange(6)}, {})
    return evaluation


def test_curves_are_drawn_over_all_rows_and_over_the_largest_domains() -> None:
    places = [(c.task, c.column, c.segment) for c in collected(CLICK).curves(max_segments=2)]
    assert places == [("ctr", None, ""), ("ctr", "tab", "0"), ("ctr", "tab", "1")]


def test_each_curve_stands_on_its_own_rows() -> None:
    whole, tab, one_row = collected(CLICK).curves(max_segments=2)
    assert whole.reliability.rows.sum() == 6
    np.testing.assert_allclose(whole.reliability.mean_prob, sigmoid(LOGITS))
    assert whole.reliability.positives.tolist() == CLICKS.tolist()
    assert tab.reliability.rows.sum() == 4
    assert tab.roc is not None
    assert tab.roc.true_positive_rate.tolist() == [0, 0, 1, 1, 1]  # the positive is the second of four
    assert tab.roc.false_positive_rate.tolist() == pytest.approx([0, 1 / 3, 1 / 3, 2 / 3, 1])
    assert one_row.roc is None


def test_only_binary_tasks_have_curves() -> None:
    number = TaskSpec(name="price", label="price", losses=(L2(),))
    classes = TaskSpec(name="kind", label="kind", num_class=3, losses=(SoftmaxCrossEntropy(),))
    assert {curve.task for curve in collected(CLICK, number, classes).curves()} == {"ctr"}

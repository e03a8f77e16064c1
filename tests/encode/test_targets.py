from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from peprank.errors import DataError
from peprank.spec.model import L2, SoftmaxCrossEntropy, TaskSpace, TaskSpec
from tests.encode.specs import encoder, id_feature, rows

CTR = TaskSpec(name="ctr", label="clk")
SPACE = TaskSpace(label="clk", in_weight=2.0, out_weight=0.25)
CVR = TaskSpec(name="cvr", label="buy", space=SPACE, sample_weight="w")
RATING = TaskSpec(name="rating", label="stars", num_class=3, losses=(SoftmaxCrossEntropy(),))
TIME = TaskSpec(name="time", label="seconds", losses=(L2(),))


def test_labels_and_weights_follow_the_task_order() -> None:
    batch = rows(
        clk=[0, 1, 1], buy=pa.array([0, 0, 1], pa.float32()), w=[1.0, 3.0, 0.0], stars=[0, 2, 1], seconds=[-1.5, 0, 9]
    )
    targets = encoder(id_feature(), tasks=(CTR, CVR, RATING, TIME)).targets(batch)
    assert targets.labels.tolist() == [[0, 0, 0, -1.5], [1, 0, 2, 0], [1, 1, 1, 9]]
    assert targets.weights.tolist() == [[1, 0.25, 1, 1], [1, 6, 1, 1], [1, 0, 1, 1]]  # w x (2 if clk > 0 else 0.25)
    assert targets.labels.dtype == targets.weights.dtype == torch.float32
    assert targets.keys == {}


def test_spaces_are_named_by_their_task() -> None:
    spaces = encoder(id_feature(), tasks=(CTR, CVR)).spaces(rows(clk=[0, 1, 1]))
    assert list(spaces) == ["cvr"]
    assert spaces["cvr"].tolist() == [False, True, True]


def test_no_rows_have_no_labels() -> None:
    targets = encoder(id_feature(), tasks=(CTR, TIME)).targets(
        rows(clk=pa.array([], "int64"), seconds=pa.array([], "float32"))
    )
    assert targets.labels.shape == targets.weights.shape == (0, 2)


@pytest.mark.parametrize(
    ("task", "column", "message"),
    [
        (CTR, [0, 2, 3], "column 'clk': 2 labels of task 'ctr' are not 0 or 1, the first is 2"),
        (CTR, [0.5], "column 'clk': 1 labels of task 'ctr' are not 0 or 1, the first is 0.5"),
        (CTR, [np.nan], "column 'clk': 1 labels of task 'ctr' are not 0 or 1, the first is nan"),
        (RATING, [-1, 3], "column 'stars': 2 labels of task 'rating' are not whole numbers in [0, 3), the first is -1"),
        (RATING, [1.5], "column 'stars': 1 labels of task 'rating' are not whole numbers in [0, 3), the first is 1.5"),
        (TIME, [np.inf], "column 'seconds': 1 labels of task 'time' are not finite numbers, the first is inf"),
        (TIME, [1e300], "column 'seconds': 1 labels of task 'time' are not finite numbers, the first is 1e+300"),
    ],
)
def test_a_label_that_a_task_cannot_have_is_refused(task: TaskSpec, column: list[Any], message: str) -> None:
    with pytest.raises(DataError) as error:
        encoder(id_feature(), tasks=(task,)).targets(rows(**{task.label: column}))
    assert str(error.value) == message


@pytest.mark.parametrize("bad", [-0.5, np.nan, np.inf])
def test_a_weight_below_zero_or_not_finite_is_refused(bad: float) -> None:
    with pytest.raises(DataError) as error:
        encoder(id_feature(), tasks=(CVR,)).targets(rows(clk=[1, 1], buy=[0, 1], w=[1.0, bad]))
    assert str(error.value) == f"column 'w': 1 weights are not finite and >= 0, the first is {bad}"

"""Metrics of the training rows."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from peprank.spec.model import L2, MetricKind, MetricSpec, ModelSpec, SoftmaxCrossEntropy, TaskSpec
from peprank.training.watch import Watch
from tests.training.world import make_model


def model_of(metric: MetricSpec, task: TaskSpec | None = None) -> ModelSpec:
    task = task or TaskSpec(name="ctr", label="clk")
    return replace(make_model(), tasks=(replace(task, train_metrics=(metric,)),))


def logit(prob: Tensor) -> Tensor:
    return torch.log(prob / (1 - prob))[:, None]


def test_auc_equals_the_exact_one_up_to_its_bins() -> None:
    draw = torch.Generator().manual_seed(0)
    prob = torch.rand(4000, generator=draw)
    label = (torch.rand(4000, generator=draw) < prob).float()
    watch = Watch(model_of(MetricSpec(kind=MetricKind.AUC, thresholds=1000, decay_step=1)))
    watch.update(logit(prob), label[:, None])
    assert watch.values()["auc_ctr"] == pytest.approx(roc_auc_score(label, prob), abs=1e-4)


def test_auc_of_one_class_is_not_shown() -> None:
    watch = Watch(model_of(MetricSpec(kind=MetricKind.AUC, decay_step=1)))
    watch.update(torch.zeros(3, 1), torch.ones(3, 1))
    assert watch.values() == {}


def test_values_blend_every_decay_step() -> None:
    # accuracy 1, 0.5 and 0 in three windows of two steps: 1, then 0.75 * 1 + 0.25 * 0.5, then 0.75 * 0.875 + 0
    watch = Watch(model_of(MetricSpec(kind=MetricKind.ACCURACY, decay_rate=0.75, decay_step=2)))
    shown = []
    for right in ((1, 1), (1, 0), (0, 0)):
        for hit in right:
            watch.update(torch.tensor([[3.0]]), torch.tensor([[float(hit)]]))
        shown.append(watch.values()["accuracy_ctr"])
    assert shown == pytest.approx([1.0, 0.875, 0.65625])


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (MetricKind.MEAN_ABSOLUTE_ERROR, 1.0),  # |1 - 2|, |3 - 3|, |5 - 3|
        (MetricKind.MEAN_SQUARED_ERROR, 5 / 3),  # 1, 0, 4
        (MetricKind.XAUC, 0.5),  # neighbours: (1, 3) against (2, 3) agree, (3, 5) against (3, 3) do not
    ],
)
def test_errors_of_a_regression(kind: MetricKind, value: float) -> None:
    watch = Watch(model_of(MetricSpec(kind=kind, decay_step=1), TaskSpec(name="time", label="time", losses=(L2(),))))
    watch.update(torch.tensor([[1.0], [3.0], [5.0]]), torch.tensor([[2.0], [3.0], [3.0]]))
    assert watch.values() == {f"{kind.value}_time": pytest.approx(value)}


def test_accuracy_over_classes_looks_at_the_top_k() -> None:
    task = TaskSpec(name="grade", label="grade", num_class=3, losses=(SoftmaxCrossEntropy(),))
    logits = torch.tensor([[3.0, 2.0, 1.0], [1.0, 2.0, 3.0]])
    for top_k, value in ((1, 0.0), (2, 1.0)):
        watch = Watch(model_of(MetricSpec(kind=MetricKind.ACCURACY, top_k=top_k, decay_step=1), task))
        watch.update(logits, torch.tensor([[1.0], [1.0]]))
        assert watch.values() == {"accuracy_grade": value}


def test_restored_metrics_go_on_bit_for_bit() -> None:
    model = model_of(MetricSpec(kind=MetricKind.AUC, decay_step=2, decay_rate=0.9))
    draw = torch.Generator().manual_seed(1)
    rows = [(torch.randn(50, 1, generator=draw), torch.randint(0, 2, (50, 1), generator=draw)) for _ in range(7)]
    through, stopped = Watch(model), Watch(model)
    for logits, label in rows:
        through.update(logits, label)
    for logits, label in rows[:3]:
        stopped.update(logits, label)
    restored = Watch(model)
    restored.load_state({name: value.clone() for name, value in stopped.state().items()})
    for logits, label in rows[3:]:
        restored.update(logits, label)
    assert restored.values() == through.values() != {}
    assert all(torch.equal(restored.state()[name], value) for name, value in through.state().items())

"""Every tensor lies where its model lies: shown on a device that no machine has, with the CPU's own arithmetic."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import Parameter

from peprank.batch import Targets
from peprank.models import build, score
from peprank.spec.model import (
    JRC,
    L2,
    BinaryCrossEntropy,
    BinaryFocal,
    LossSpec,
    ModelSpec,
    SoftmaxCrossEntropy,
    TaskSpec,
)
from peprank.spec.pipeline import PipelineSpec
from peprank.spec.train import (
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Clipping,
    DenseOptimizer,
    DenseRule,
    GradClipping,
    RMSprop,
    RowWiseAdagrad,
    SparseAdam,
    SparseOptimizer,
    SparseSGD,
)
from peprank.spec.trunk import PEPNetSpec
from peprank.training import train
from peprank.training.loss import task_losses, total_loss
from peprank.training.optim import NetworkOptimizer
from tests.away import AWAY, AwayTensor, away
from tests.contract.models import EVERY_MODEL, some_features, some_labels
from tests.training.world import Recorder, digests, make_files, make_plan

LAST = 10  # one epoch

PLANS: dict[str, dict[str, Any]] = {
    "adagrad, adam": {},
    "row-wise adagrad, sgd with momentum": {
        "sparse": SparseOptimizer(rule=RowWiseAdagrad(lr=0.05), max_gradient=0.1),
        "dense": DenseOptimizer(rule=SGD(lr=0.1, momentum=0.9), ema_decay=0.9),
        "clipping": GradClipping(kind=Clipping.NORM),
        "accumulate_steps": 2,
    },
    "adam on rows, rmsprop": {
        "sparse": SparseOptimizer(rule=SparseAdam(lr=0.01, weight_decay=0.01)),
        "dense": DenseOptimizer(rule=RMSprop(lr=0.01)),
        "clipping": GradClipping(kind=Clipping.VALUE, max_gradient=0.01),
    },
    "sgd, adagrad": {
        "sparse": SparseOptimizer(rule=SparseSGD(lr=0.1)),
        "dense": DenseOptimizer(rule=Adagrad(lr=0.01)),
    },
}
DENSE_RULES: tuple[DenseRule, ...] = (
    SGD(momentum=0.9),
    Adagrad(lr=0.1),
    Adam(lr=0.1, amsgrad=True),
    Adadelta(lr=0.5),
    RMSprop(lr=0.1),
)
LOSSES: tuple[LossSpec, ...] = (
    BinaryCrossEntropy(label_smoothing=0.1),
    BinaryFocal(),
    SoftmaxCrossEntropy(),
    L2(),
    JRC(session="session"),
)


def test_the_device_refuses_what_a_gpu_refuses() -> None:
    with away():
        there, here = torch.ones(3).to(AWAY), torch.ones(3)
        assert there.device == AWAY
        assert (there + there * 2).cpu().tolist() == [3.0, 3.0, 3.0]
        with pytest.raises(AssertionError, match=r"aten.add.Tensor: of its tensors \[\(3,\)\] lie on the device"):
            there + here
        with pytest.raises(RuntimeError, match="not supported"):
            there.numpy()


def without_dropout(plan: PipelineSpec) -> PipelineSpec:
    """A device draws other random numbers than the CPU."""
    trunk = plan.model.trunk
    assert isinstance(trunk, PEPNetSpec)
    assert trunk.ppnet is not None
    trunk = replace(trunk, ppnet=replace(trunk.ppnet, dropouts=()))
    tasks = tuple(replace(task, tower=replace(task.tower, dropouts=())) for task in plan.model.tasks if task.tower)
    return replace(plan, model=replace(plan.model, trunk=trunk, tasks=tasks))


class StopAt4(Recorder):
    """End the run once four steps are saved."""

    def saved(self, step: int, path: Path) -> None:
        super().saved(step, path)
        if step == 4:
            raise KeyboardInterrupt


@pytest.mark.parametrize("changes", PLANS.values(), ids=PLANS)
def test_a_run_on_the_device_equals_one_on_the_cpu(changes: dict[str, Any], tmp_path: Path) -> None:
    make_files(tmp_path)
    plan = without_dropout(make_plan(tmp_path, epochs=changes.get("accumulate_steps", 1), **changes))
    train(plan, model_dir=tmp_path / "cpu")
    with away():
        with pytest.raises(KeyboardInterrupt):  # and it goes on from what it has saved
            train(plan, model_dir=tmp_path / "away", device=str(AWAY), listener=StopAt4())
        train(plan, model_dir=tmp_path / "away", device=str(AWAY))
    assert digests(tmp_path / "away", LAST) == digests(tmp_path / "cpu", LAST)


def logits_and_gradients(spec: ModelSpec, device: torch.device) -> dict[str, Tensor]:
    ranker = build(spec, seed=1).to(device)
    features, labels = some_features(12).to(device), some_labels(spec, 12).to(device)
    logits = ranker(features)
    torch.autograd.backward(torch.nn.functional.binary_cross_entropy_with_logits(logits, labels))
    found = {"logits": logits.detach(), "scores": score(ranker, features)}
    return found | {name: value.grad for name, value in ranker.named_parameters() if value.grad is not None}


@pytest.mark.parametrize("spec", EVERY_MODEL.values(), ids=EVERY_MODEL)
def test_every_model_computes_on_its_device(spec: ModelSpec) -> None:
    with away():
        there = logits_and_gradients(spec, AWAY)
        assert [name for name, value in there.items() if not isinstance(value, AwayTensor)] == []
        brought = {name: value.cpu().to_dense() for name, value in there.items()}
    here = logits_and_gradients(spec, torch.device("cpu"))
    assert all(torch.equal(brought[name], value.to_dense()) for name, value in here.items())


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
def test_every_loss_is_computed_on_its_device(loss: LossSpec) -> None:
    num_class = 2 if isinstance(loss, (SoftmaxCrossEntropy, JRC)) else 1
    task = TaskSpec(name="t", label="l", num_class=num_class, losses=(loss,))
    model = replace(EVERY_MODEL["paper"], tasks=(task,))
    values = []
    for device in (torch.device("cpu"), AWAY):
        draw = torch.Generator().manual_seed(3)
        logits = torch.randn(20, num_class, generator=draw)
        labels, session = torch.randint(2, (20, 1), generator=draw).float(), torch.randint(4, (20,), generator=draw)
        with away():
            targets = Targets(labels, torch.ones(20, 1), {"session": session}).to(device)
            there = logits.to(device).requires_grad_()
            total = total_loss(task_losses(there, targets, model))
            total.backward()  # type: ignore[no-untyped-call]
            assert there.grad is not None
            assert there.grad.device == device
            values.append(total.item())
    assert values[0] == values[1]
    assert math.isfinite(values[0])


@pytest.mark.parametrize("rule", DENSE_RULES, ids=lambda rule: type(rule).__name__)
def test_a_restored_optimiser_keeps_its_state_where_a_new_one_has_it(rule: DenseRule) -> None:
    with away():
        weight = Parameter(torch.ones(3).to(AWAY))
        optimizer = NetworkOptimizer([("w", weight)], DenseOptimizer(rule=rule))
        weight.grad = torch.ones(3).to(AWAY)
        optimizer.step(step=0, epoch=0)
        places = {slot: value.device for slot, value in optimizer.state().items()}
        restored = NetworkOptimizer([("w", weight)], DenseOptimizer(rule=rule))
        restored.load_state({slot: value.cpu() for slot, value in optimizer.state().items()})
        assert {slot: value.device for slot, value in restored.state().items()} == places
        step = places.get("step/w", AWAY)
        assert step == (AWAY if isinstance(rule, (Adam, SGD)) else torch.device("cpu"))

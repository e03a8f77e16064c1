"""What trunks show of their gates is what they compute with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor, nn

from peprank.models import Gated, GateValues, MultiTaskRanker, build, look_at_gates, score
from peprank.nn import GateBank, GateNU, SoftmaxGate
from peprank.spec.model import ModelSpec
from tests.contract.models import EVERY_MODEL, PAPER, PLE, TZREC, some_features

TASKS = ("click", "like", "buy")
GATES = (GateNU, GateBank, SoftmaxGate)


@contextmanager
def overheard(ranker: MultiTaskRanker) -> Iterator[dict[str, list[Tensor]]]:
    """Outputs of every gate by name, as the network computes them within the block; domains' parts are one gate."""
    heard: dict[str, list[Tensor]] = {}

    def listen(name: str, module: nn.Module) -> torch.utils.hooks.RemovableHandle:
        def hook(_module: nn.Module, _inputs: object, output: Tensor | list[Tensor]) -> None:
            outputs = [output] if isinstance(output, Tensor) else list(output)
            parts = heard.setdefault(re.sub(r"\.parts\.\d+$", "", name), [])
            parts[:] = [torch.cat(pair) for pair in zip(parts, outputs, strict=True)] if parts else outputs

        return module.register_forward_hook(hook)

    handles = [listen(name, module) for name, module in ranker.named_modules() if isinstance(module, GATES)]
    yield heard
    for handle in handles:
        handle.remove()


def shows_gates(spec: ModelSpec) -> bool:
    ranker = build(spec, seed=1)
    return isinstance(ranker.trunk, Gated) and any(isinstance(module, GATES) for module in ranker.modules())


GATED = {name: spec for name, spec in EVERY_MODEL.items() if shows_gates(spec)}


@pytest.mark.parametrize("spec", GATED.values(), ids=GATED)
def test_every_gate_is_shown_once_with_the_very_numbers_that_forward_uses(spec: ModelSpec) -> None:
    ranker, features = build(spec, seed=1), some_features(50)
    with overheard(ranker) as heard:
        score(ranker, features)
    shown = look_at_gates(ranker, features, TASKS)
    computed = [set(part.flatten().tolist()) for values in heard.values() for part in values]
    for gate in shown:
        numbers = set(gate.values.flatten().tolist())
        assert any(numbers <= those for those in computed), gate
    numbers = {number for gate in shown for number in gate.values.flatten().tolist()}
    assert numbers == set().union(*computed)
    assert len({(gate.gate, gate.layer, gate.task) for gate in shown}) == len(shown) > 0


def places(spec: ModelSpec) -> list[tuple[str, str, str | None, int]]:
    shown = look_at_gates(build(spec, seed=1), some_features(2), TASKS)
    return [(gate.gate, gate.layer, gate.task, gate.values.shape[1]) for gate in shown]


def test_the_papers_wiring_shows_the_gate_on_the_input_too() -> None:
    width = PAPER.group("all").dim
    layers = [("input", width), ("layer 1", 12), ("layer 2", 8)]
    assert places(PAPER) == [
        ("EPNet", "", None, width),
        *(("PPNet", layer, task, dim) for task in TASKS for layer, dim in layers),
    ]
    assert [place for place in places(TZREC) if place[1] == "input"] == []
    assert len(places(TZREC)) == 1 + 3 * 2


def test_a_level_of_ple_names_what_each_path_mixes() -> None:
    shown = look_at_gates(build(PLE, seed=1), some_features(2), TASKS)
    experts = {(gate.layer, gate.task): gate.experts for gate in shown}
    assert experts["low", "like"] == ("own 1", "own 2", "shared 1")
    assert experts["low", None] == (
        *("click 1", "click 2", "like 1", "like 2", "buy 1", "buy 2"),
        "shared 1",
    )
    assert experts["high", "buy"] == ("own 1", "shared 1", "shared 2")
    assert ("high", None) not in experts
    assert all(len(gate.experts) == gate.values.shape[1] for gate in shown)


def test_delta_stays_within_gamma_and_shares_add_up_to_one() -> None:
    def check(gate: GateValues) -> None:
        if gate.gamma is None:
            torch.testing.assert_close(gate.values.sum(1), torch.ones(50))
        else:
            assert bool(((gate.values >= 0) & (gate.values <= gate.gamma)).all())

    for spec in GATED.values():
        for gate in look_at_gates(build(spec, seed=1), some_features(50), TASKS):
            check(gate)


def test_looking_changes_no_mode_and_drops_nothing_out() -> None:
    ranker = build(TZREC, seed=1)
    for mode in (True, False):
        ranker.train(mode)
        first, second = (look_at_gates(ranker, some_features(9), TASKS) for _ in range(2))
        assert all(torch.equal(a.values, b.values) for a, b in zip(first, second, strict=True))
        assert ranker.training is mode


def test_a_model_without_gates_shows_none() -> None:
    for name in ("shared_bottom", "simple_multi_task", "no_gates"):
        assert look_at_gates(build(EVERY_MODEL[name], seed=1), some_features(2), TASKS) == []


def test_a_glance_is_at_the_first_rows() -> None:
    ranker, features = build(PAPER, seed=1), some_features(9)
    for few, all_rows in zip(
        look_at_gates(ranker, features, TASKS, most_rows=4), look_at_gates(ranker, features, TASKS), strict=True
    ):
        torch.testing.assert_close(few.values, all_rows.values[:4])
